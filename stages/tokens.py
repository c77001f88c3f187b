"""From sequences to padded batches: token ids with a label wherever a segment has a task."""

from dataclasses import dataclass
from typing import Any

import torch

from stages.records.sequence import Sequence

IGNORE = -100  # a label that carries no loss


@dataclass(frozen=True)
class Row:
    """One text as tokens. Causal: `inputs` and `labels` are aligned. Encoder-decoder: `inputs` is the encoder's, `labels` the decoder's."""

    inputs: list[int]
    labels: list[int]
    truncated: bool

    @property
    def trained(self) -> int:
        return sum(label != IGNORE for label in self.labels)


def prompt_tokens(tokenizer: Any, text: str) -> list[int]:
    """A prompt as the model expects one, with the marks its tokenizer puts around texts (a beginning-of-text token, say)."""
    return list(tokenizer(text).input_ids)


def encode(sequence: Sequence, tokenizer: Any, encoder_decoder: bool, max_tokens: int) -> Row:
    """Tokens of one sequence, end-of-text after the last segment; what does not fit in `max_tokens` is cut off its end.

    The context before the first task is tokenised alone, as it is when it is asked: a token never spans the boundary.
    """
    first_task = next(place for place, segment in enumerate(sequence.segments) if segment.task)
    context = prompt_tokens(tokenizer, "".join(segment.text for segment in sequence.segments[:first_task]))
    ids: list[int] = []
    labels: list[int] = []
    for segment in sequence.segments[first_task:]:
        tokens = tokenizer(segment.text, add_special_tokens=False).input_ids
        ids += tokens
        labels += tokens if segment.task else [IGNORE] * len(tokens)
    ids, labels = [*ids, tokenizer.eos_token_id], [*labels, tokenizer.eos_token_id]
    if encoder_decoder:
        return Row(context[:max_tokens], labels[:max_tokens], max(len(context), len(labels)) > max_tokens)
    ids, labels = context + ids, [IGNORE] * len(context) + labels
    return Row(ids[:max_tokens], labels[:max_tokens], len(ids) > max_tokens)


def pad(rows: list[list[int]], value: int) -> torch.Tensor:
    """int64[rows, longest], filled up on the right."""
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])


def collate(rows: list[Row], pad_id: int) -> dict[str, torch.Tensor]:
    """input_ids, attention_mask int64[rows, longest input]; labels int64[rows, longest label]; padding is never scored."""
    inputs = pad([row.inputs for row in rows], pad_id)
    mask = pad([[1] * len(row.inputs) for row in rows], 0)
    return {"input_ids": inputs, "attention_mask": mask, "labels": pad([row.labels for row in rows], IGNORE)}
