"""Decode: what a student says after each prompt, greedy or sampled, stopped at a mark; by
stages/students/generate.py or stages/students/continuous.py.
"""

import os
import random
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch

from stages.config.cli import advance, progress_bar
from stages.config.decoding import Decoding
from stages.students.generate import Choose, Ended, Row, affordable, check_model, generate
from stages.students.load import Loaded, autocast
from stages.students.tokens import prompt_tokens

ROWS = 128  # answered at once, if memory allows
SLACK = 8  # tokens without text that may stand within a stop mark
DECODERS = ("loop", "batching")


@dataclass(frozen=True)
class Answer:
    text: str  # without the stop mark
    finish_reason: str  # "stop" | "length" | "prompt_too_long"
    tokens_in: int
    tokens_out: int


def cut(ids: list[int], tokenizer: Any, marks: list[str], prompt_length: int) -> Answer:
    """The text up to the first stop mark or end-of-text token. `ids` may end in padding after a
    row is done.
    """
    ended = tokenizer.eos_token_id in ids
    ids = ids[: ids.index(tokenizer.eos_token_id)] if ended else ids
    text = tokenizer.decode(ids, skip_special_tokens=True)
    places = [text.find(mark) for mark in marks if mark in text]
    stopped = ended or bool(places)
    return Answer(
        text[: min(places)] if places else text, "stop" if stopped else "length", prompt_length, len(ids)
    )


class Marks:
    """Stop marks in what a row says, token by token: whole texts are decoded only where the last few tokens
    hold a mark.
    """

    def __init__(self, tokenizer: Any, marks: list[str]) -> None:
        self.tokenizer = tokenizer
        self.marks = marks
        self.tail = max((len(mark.encode()) for mark in marks), default=0) + SLACK
        self.completing: dict[int, bool] = {}

    def read(self, ids: list[int]) -> bool:
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return any(mark in text for mark in self.marks)

    def may_complete(self, token: int) -> bool:
        """Whether the token's own text has a mark's last letter. Blanks may be lost and letters beyond ASCII
        be in pieces: those may be anywhere.
        """
        if token not in self.completing:
            text = self.tokenizer.decode([token])
            self.completing[token] = any(
                mark[-1] in text or mark[-1] == " " or not mark[-1].isascii() for mark in self.marks
            )
        return self.completing[token]

    def just_said(self, ids: list[int]) -> bool:
        return (
            bool(self.marks)
            and self.may_complete(ids[-1])
            and self.read(ids[-self.tail :])
            and self.read(ids)
        )


def chooser(decoding: Decoding) -> Choose:
    """Greedy, or the token at which the distribution function passes a number that is drawn for this seed,
    prompt (and its place), sample and step alone: what a row says does not depend on the rows beside it.
    """
    draws: dict[tuple[int, int], random.Random] = {}

    def draw(row: Row) -> float:
        key = (row.place, row.sample)
        if not row.said:  # also when a row begins anew, out of memory
            draws[key] = random.Random(f"{decoding.seed} {row.place} {row.sample} {row.prompt}")
        return draws[key].random()

    def choose(logits: torch.Tensor, rows: list[Row]) -> list[int]:
        if not decoding.temperature:
            tokens: list[int] = logits.argmax(-1).tolist()
            return tokens
        below = torch.softmax(logits.float() / decoding.temperature, -1).cumsum(-1, dtype=torch.float64)
        drawn = torch.tensor([[draw(row)] for row in rows], dtype=torch.float64).to(logits.device)
        tokens = (
            torch.searchsorted(below, drawn * below[:, -1:], right=True)[:, 0]
            .clamp(max=logits.shape[-1] - 1)
            .tolist()
        )
        return tokens

    return choose


def rows_at_once(student: Loaded, rows: list[Row]) -> int:
    """$COT_DECODE_ROWS, else what memory is likely to hold, at most ROWS. Raises ValueError."""
    value = os.environ.get("COT_DECODE_ROWS") or ""
    if value and (not value.isdecimal() or int(value) < 1):
        raise ValueError(f"$COT_DECODE_ROWS is {value!r}, wanted a number of answers at once, 1 or more")
    with torch.no_grad(), autocast(student.device):
        return int(value) if value else min(ROWS, affordable(student, rows))


def out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def loop(student: Loaded, rows: list[Row], decoding: Decoding, heard: Ended) -> Counter[str]:
    """stages/students/generate.py; out of memory, the answers that are not complete begin anew with half the
    rows. Raises ValueError if one is too many.
    """
    check_model(student)
    done = set[Row]()
    open_rows = rows
    counts = Counter[str]()

    def ended(row: Row) -> bool:
        if heard(row):
            done.add(row)
        return row in done

    most = rows_at_once(student, rows)
    while open_rows:
        try:
            counts += generate(student, open_rows, chooser(decoding), ended, most)
            short = False
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            short = True
        open_rows = [row for row in rows if row not in done]
        if short:  # outside of `except`: the error holds on to what filled the memory
            most = min(most, len(open_rows))
            if most == 1:
                raise ValueError(
                    f"out of memory with one answer at a time, of {len(open_rows[0].prompt)} tokens and up to"
                    f" {open_rows[0].room} new ones: lower `decoding.max_new_tokens`"
                    f" ({decoding.max_new_tokens}), or set COT_DEVICE=cpu"
                )
            most //= 2
            print(
                f"out of memory: on with {most} answers at once (COT_DECODE_ROWS={most} starts so)",
                file=sys.stderr,
            )
            for row in open_rows:
                row.said.clear()
            if student.device.type == "cuda":
                torch.cuda.empty_cache()
    return counts


def decode(
    student: Loaded, prompts: list[str], marks: list[str], decoding: Decoding, what: str
) -> list[list[Answer]]:
    """`samples` answers per prompt, in the order of the prompts. A prompt that leaves no room is answered by
    its finish reason.

    $COT_DECODER: "loop" (default) or "batching" (`transformers`' continuous batching, causal students only:
    others take the loop). $COT_DECODE_ROWS: answers at once; without it as many as are likely to fit into
    memory, at most ROWS. Raises ValueError for a prompt without a token, a setting that is none, or too
    little memory for one answer.
    """
    if (decoder := os.environ.get("COT_DECODER") or "loop") not in DECODERS:
        raise ValueError(
            f"$COT_DECODER is {decoder!r}, wanted one of {', '.join(DECODERS)}, or a block under `endpoints`"
            " (for predict)"
        )
    student.model.eval()
    ids = [prompt_tokens(student.tokenizer, prompt) for prompt in prompts]
    if empty := [place for place, row in enumerate(ids) if not row]:
        raise ValueError(
            f"{what}: prompt {empty[0] + 1} has no token, wanted something to answer: {prompts[empty[0]]!r}"
        )
    answers: list[list[Answer]] = [
        [Answer("", "prompt_too_long", len(row), 0)] * decoding.samples for row in ids
    ]
    begin = [student.model.generation_config.decoder_start_token_id] if student.encoder_decoder else None
    rows = []
    for place, prompt in enumerate(ids):
        room = min(decoding.max_new_tokens, student.positions - (1 if begin else len(prompt)))
        if len(prompt) < student.positions:
            rows += [Row(place, sample, prompt, begin or prompt, room) for sample in range(decoding.samples)]
    if not rows:
        return answers
    found = Marks(student.tokenizer, marks)
    with progress_bar() as bar:
        task = bar.add_task(what, total=len(rows), rate="")

        def heard(row: Row) -> bool:
            over = (
                row.said[-1] == student.tokenizer.eos_token_id
                or len(row.said) == row.room
                or found.just_said(row.said)
            )
            if over:
                answers[row.place][row.sample] = cut(row.said, student.tokenizer, marks, len(row.prompt))
                advance(bar, task)
            return over

        if decoder == "batching" and not student.encoder_decoder:
            from stages.students.continuous import batching

            batching(student, rows, decoding, heard)
        else:
            loop(student, rows, decoding, heard)
    return answers
