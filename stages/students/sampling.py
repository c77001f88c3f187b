"""Which token comes next: the likeliest one, or one that is drawn."""

import random

import torch
from transformers import LogitsProcessorList, TopKLogitsWarper, TopPLogitsWarper

from stages.config.decoding import Decoding
from stages.students.generate import Choose
from stages.students.schedule import AnswerRow


def token_chooser(decoding: Decoding) -> Choose:
    """Greedy, or the token at which the distribution function passes a number that is drawn for this seed,
    prompt (and its place), sample and step alone: what a row says does not depend on the rows beside it.
    """
    draws: dict[tuple[int, int], random.Random] = {}
    cut = LogitsProcessorList()  # after the temperature, top_k first: the order of transformers
    if decoding.top_k:
        cut.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        cut.append(TopPLogitsWarper(decoding.top_p))

    def draw(row: AnswerRow) -> float:
        key = (row.place, row.sample)
        if not row.tokens:  # also when a row begins anew, out of memory
            draws[key] = random.Random(f"{decoding.seed} {row.place} {row.sample} {row.prompt}")
        return draws[key].random()

    def choose(logits: torch.Tensor, rows: list[AnswerRow]) -> list[int]:
        if not decoding.temperature:
            tokens: list[int] = logits.max(-1).indices.tolist()  # argmax is slow in bfloat16
            return tokens
        # what was said before, the first argument, decides nothing here
        kept = cut(torch.LongTensor(), logits.float() / decoding.temperature)
        below = torch.softmax(kept, -1).cumsum(-1, dtype=torch.float64)
        drawn = torch.tensor([[draw(row)] for row in rows], dtype=torch.float64).to(logits.device)
        found = torch.searchsorted(below, drawn * below[:, -1:], right=True)[:, 0]
        tokens = found.clamp(max=logits.shape[-1] - 1).tolist()
        return tokens

    return choose
