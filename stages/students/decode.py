"""Decode: what a student says after each prompt, greedy, sampled or by beam search, stopped at a mark; by
stages/students/generate.py, stages/students/continuous.py or stages/students/beams.py.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import count

import torch

from stages.config.cli import advance, progress_bar
from stages.config.decoding import Decoding
from stages.students.beams import search
from stages.students.device import autocast, out_of_memory
from stages.students.generate import AfterToken, affordable_rows, check_model, generate
from stages.students.load import Loaded
from stages.students.sampling import token_chooser
from stages.students.schedule import AnswerRow
from stages.students.stopping import Continuation, StopMarks, continuation
from stages.students.tokens import cut_prompt, prompt_tokens, turn_marks

ROWS = 128  # answered at once, if memory allows
NEWS = 256  # tokens between two updates of the bar while no answer is complete
DECODERS = ("loop", "batching")
Beams = Callable[[list[AnswerRow], AfterToken, int], None]  # stages/students/beams.py, but for the rows


def rows_at_once(student: Loaded, rows: list[AnswerRow]) -> int:
    """$COT_DECODE_ROWS, else what memory is likely to hold, at most ROWS. Raises ValueError."""
    value = os.environ.get("COT_DECODE_ROWS") or ""
    if value and (not value.isdecimal() or int(value) < 1):
        raise ValueError(f"$COT_DECODE_ROWS is {value!r}, wanted a number of answers at once, 1 or more")
    with torch.no_grad(), autocast(student.device):
        return int(value) if value else min(ROWS, affordable_rows(student, rows))


def decode_in_loop(
    student: Loaded,
    rows: list[AnswerRow],
    decoding: Decoding,
    after_token: AfterToken,
    beams: Beams | None = None,
) -> Counter[str]:
    """stages/students/generate.py, or `beams` in its place; out of memory, the answers that are not complete
    begin anew with half the rows. Raises ValueError if one is too many.
    """
    check_model(student)
    done: set[AnswerRow] = set()
    left = rows
    counts = Counter[str]()

    def after(row: AnswerRow) -> bool:
        if after_token(row):
            done.add(row)
        return row in done

    most = rows_at_once(student, rows)
    while left:
        try:
            if beams:
                beams(left, after, most)
            else:
                counts += generate(student, left, token_chooser(decoding), after, most)
            short = False
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            short = True
        left = [row for row in rows if row not in done]
        if short:  # outside of `except`: the error holds on to what filled the memory
            most = fewer_rows(student, left, most, decoding)
    return counts


def fewer_rows(student: Loaded, rows: list[AnswerRow], most: int, decoding: Decoding) -> int:
    """Half as many at once, which begin anew. Raises ValueError if it was one already."""
    most = min(most, len(rows))
    if most == 1:
        raise ValueError(
            f"out of memory with one answer at a time, of {len(rows[0].prompt)} tokens and up to"
            f" {rows[0].max_tokens} new ones: lower `max_new_tokens`"
            f" ({decoding.max_new_tokens}), or set COT_DEVICE=cpu"
        )
    most //= 2
    print(
        f"out of memory: on with {most} answers at once (COT_DECODE_ROWS={most} starts so)", file=sys.stderr
    )
    for row in rows:
        row.tokens.clear()
    if student.device.type == "cuda":
        torch.cuda.empty_cache()
    return most


def answer_rows(student: Loaded, prompts: list[list[int]], decoding: Decoding) -> list[AnswerRow]:
    """`samples` rows for each prompt that leaves room for an answer."""
    begin = [student.model.generation_config.decoder_start_token_id] if student.encoder_decoder else None
    rows = []
    for place, prompt in enumerate(prompts):
        if len(prompt) < student.positions:
            room = min(decoding.max_new_tokens, student.positions - (1 if begin else len(prompt)))
            for sample in range(decoding.samples):
                rows.append(AnswerRow(place, sample, prompt, begin or prompt, room))
    return rows


def decoder_name() -> str:
    """$COT_DECODER. Raises ValueError for one that is none."""
    name = os.environ.get("COT_DECODER") or "loop"
    if name not in DECODERS:
        raise ValueError(
            f"$COT_DECODER is {name!r}, wanted one of {', '.join(DECODERS)}, or a block under `endpoints`"
            " (for predict)"
        )
    return name


def decode(
    student: Loaded,
    prompts: list[str],
    marks: list[str],
    decoding: Decoding,
    what: str,
    system: str | None = None,
) -> list[list[Continuation]]:
    """`samples` answers per prompt, in the order of the prompts. A prompt that leaves no room is answered by
    its finish reason; one longer than the student's `max_prompt_tokens` is cut, and its answer says so.
    `what` names the progress bar. system: not None: the prompts are questions under this system text, asked
    through the student's chat template.

    $COT_DECODER: "loop" (default) or "batching" (`transformers`' continuous batching, causal students only:
    others, and beam search, take the loop). $COT_DECODE_ROWS: answers (or beams) at once; without it as many
    as are likely to fit into memory, at most ROWS. Raises ValueError for a prompt without a token, a setting
    that is none, or too little memory for one answer.
    """
    decoder = decoder_name()
    student.model.eval()
    causal = not student.encoder_decoder
    whole = [prompt_tokens(student.tokenizer, prompt, causal, system) for prompt in prompts]
    ids = [cut_prompt(row, student.max_prompt_tokens, student.tokenizer, system) for row in whole]
    cut = [len(short) < len(long) for short, long in zip(ids, whole, strict=True)]
    if empty := [place for place, row in enumerate(ids) if not row]:
        raise ValueError(
            f"{what}: prompt {empty[0] + 1} has no token, wanted something to answer: {prompts[empty[0]]!r}"
        )
    if any(cut):
        most = f"`max_prompt_tokens`, {student.max_prompt_tokens}"
        print(f"{what}: {sum(cut)} of {len(cut)} prompts lose their ends at {most}", file=sys.stderr)
    too_long = [Continuation("", "prompt_too_long", len(row), 0) for row in ids]
    answers = [[answer] * decoding.samples for answer in too_long]
    rows = answer_rows(student, ids, decoding)
    if not rows:
        return answers
    stops = StopMarks(student.tokenizer, marks)
    ends = {student.tokenizer.eos_token_id, turn_marks(student.tokenizer, system)[1]}
    with progress_bar() as bar:
        task = bar.add_task(what, total=len(rows), rate="")
        tokens = count(1)

        def after_token(row: AnswerRow) -> bool:
            said = next(tokens)
            if said % NEWS == 0:
                advance(bar, task, 0, tokens=said)
            ended = row.tokens[-1] in ends or len(row.tokens) == row.max_tokens
            if not ended and not stops.completed_by_last(row.tokens):
                return False
            answers[row.place][row.sample] = continuation(
                row.tokens, student.tokenizer, marks, len(row.prompt), ends, cut[row.place]
            )
            advance(bar, task, tokens=said)
            return True

        beams = partial(search, student, decoding.beams, stops, ends) if decoding.beams > 1 else None
        if decoder == "batching" and causal and not beams:
            from stages.students.continuous import decode_by_batching

            decode_by_batching(student, rows, decoding, after_token)
        else:
            decode_in_loop(student, rows, decoding, after_token, beams)
    return answers
