"""Beam search: `transformers`' own, over prompts of like length at once (SCoTD section 2, first strategy:
argmax S(z, y | x), "approximated by greedy decoding or beam search").

Beams are ranked by their mean log-likelihood per token, `transformers`' default, which SCoTD's released code
would take too; it sets NUM_BEAMS to 1, so that none of its results has any.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from stages.students.device import autocast
from stages.students.generate import AfterToken
from stages.students.load import Loaded
from stages.students.schedule import AnswerRow
from stages.students.stopping import StopMarks


class Marks(StoppingCriteria):
    """A beam whose last token completes a stop mark is finished, as one with an end-of-text token is."""

    def __init__(self, stops: StopMarks, start: int) -> None:
        self.stops = stops
        self.start = start  # tokens before what is said

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        said = input_ids[:, self.start :].tolist()
        return torch.tensor([self.stops.completed_by_last(ids) for ids in said], device=input_ids.device)


def batches(rows: list[AnswerRow], size: int) -> Iterator[list[AnswerRow]]:
    """Rows with as much room for an answer, the longest prompts first, at most `size` at once."""
    ordered = sorted(rows, key=lambda row: (row.max_tokens, -len(row.prompt)))
    for _, alike in groupby(ordered, key=lambda row: row.max_tokens):
        group = list(alike)
        for first in range(0, len(group), size):
            yield group[first : first + size]


@torch.no_grad()
def search(
    student: Loaded,
    beams: int,
    stops: StopMarks,
    ends: set[int],
    rows: list[AnswerRow],
    after_token: AfterToken,
    most: int,
) -> None:
    """Let every row say the best of `beams` texts, of at most `most` beams at once (but a prompt's at least).
    `after_token` sees each of its tokens and says where it is complete.
    """
    pad_id = student.tokenizer.pad_token_id
    for batch in batches(rows, max(1, most // beams)):
        longest = max(len(row.prompt) for row in batch)
        ids = [[pad_id] * (longest - len(row.prompt)) + row.prompt for row in batch]
        mask = [[0] * (longest - len(row.prompt)) + [1] * len(row.prompt) for row in batch]
        start = 1 if student.encoder_decoder else longest
        settings = GenerationConfig(
            num_beams=beams,
            do_sample=False,
            max_new_tokens=batch[0].max_tokens,
            eos_token_id=sorted(ends),
            pad_token_id=pad_id,
            decoder_start_token_id=student.start,
        )
        with autocast(student.device):
            found = student.model.generate(
                torch.tensor(ids, device=student.device),
                attention_mask=torch.tensor(mask, device=student.device),
                generation_config=settings,
                stopping_criteria=StoppingCriteriaList([Marks(stops, start)]),
            )
        for row, said in zip(batch, found[:, start:].tolist(), strict=True):
            for token in said:  # what fills up the shorter rows comes after their ends
                row.tokens.append(token)
                if after_token(row):
                    break
