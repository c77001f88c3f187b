"""Where an answer ends: at the first stop mark or the end-of-text token."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

SLACK = 8  # tokens without text that may stand within a stop mark


@dataclass(frozen=True)
class Continuation:
    """What a student says after a prompt."""

    text: str  # without the stop mark
    finish_reason: str  # "stop" | "length" | "prompt_too_long"
    tokens_in: int
    tokens_out: int
    prompt_cut: bool = False  # at the student's `max_prompt_tokens`


def continuation(
    ids: list[int],
    tokenizer: Any,
    marks: list[str],
    prompt_length: int,
    ends: Container[int],
    prompt_cut: bool = False,
) -> Continuation:
    """The text up to the first stop mark or token that ends an answer; `ids` may go on behind it."""
    end = next((place for place, token in enumerate(ids) if token in ends), None)
    ended = end is not None
    ids = ids[:end]
    text = tokenizer.decode(ids, skip_special_tokens=True)
    places = [text.find(mark) for mark in marks if mark in text]
    reason = "stop" if ended or places else "length"
    said = text[: min(places)] if places else text
    return Continuation(said, reason, prompt_length, len(ids), prompt_cut)


class StopMarks:
    """Stop marks in what a row says, token by token: whole texts are decoded only where the last few tokens
    hold a mark.
    """

    def __init__(self, tokenizer: Any, marks: list[str]) -> None:
        self.tokenizer = tokenizer
        self.marks = marks
        self.tail = max((len(mark.encode()) for mark in marks), default=0) + SLACK
        self.completing: dict[int, bool] = {}

    def within(self, ids: list[int]) -> bool:
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return any(mark in text for mark in self.marks)

    def may_complete(self, token: int) -> bool:
        """Whether the token's own text has a mark's last letter.

        Blanks may be lost and letters beyond ASCII be in pieces: those may be anywhere.
        """
        if token not in self.completing:
            text = self.tokenizer.decode([token])
            self.completing[token] = any(
                mark[-1] in text or mark[-1] == " " or not mark[-1].isascii() for mark in self.marks
            )
        return self.completing[token]

    def completed_by_last(self, ids: list[int]) -> bool:
        """Whether the last token completes a mark."""
        if not self.marks or not self.may_complete(ids[-1]):
            return False
        return self.within(ids[-self.tail :]) and self.within(ids)
