"""Files of released answers, each as what was asked and what was said to it; examples find theirs by the text
of their question.

Zero-shot-CoT's logs, Faithful-CoT's predictions (Lyu et al. 2023), BIG-Bench Hard's outputs (Suzgun et al.
2023), PaLM's answers that were released with a repetition of Distilling step-by-step
(cnalty/distilling-step-by-step-rag), and rationales at several levels of detail (arXiv 2502.18001).
"""

import json
import re
from collections.abc import Iterable
from itertools import count, takewhile
from pathlib import Path
from typing import NamedTuple

from stages.parsing.fields import field, rows_with_place, with_choices
from stages.parsing.released_logs import parse_log
from stages.records.jsonl import read_rows

# Faithful-CoT's predictions name their question by its id in this file
QUESTIONS = "faithful_questions.jsonl"


class ReleasedAnswer(NamedTuple):
    question: str
    steps: list[tuple[str, str]]  # what was put after the text so far, and what the model said to it
    origin: str
    header: str = ""  # what was shown before the question, where it was released


def existing_file(path: Path) -> Path:
    """Raises ValueError where the file is not."""
    if not path.exists():
        raise ValueError(
            f"{path} not found: a released teacher needs `{path.name}` under the dataset's `source.files`"
        )
    return path


def read_zero_shot_cot(path: Path) -> list[ReleasedAnswer]:
    try:
        records = parse_log(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return [
        ReleasedAnswer(record.question, record.steps, f"zero_shot_cot log {path.name} record {number}")
        for number, record in enumerate(records, 1)
    ]


def read_faithful_cot(path: Path) -> list[ReleasedAnswer]:
    """Faithful-CoT's predictions. The prompt is recorded without its few-shot header and without AQuA's list
    of options.
    """
    questions = {row["id"]: row["question"] for row in read_rows(path.with_name(QUESTIONS))}
    answered = []
    for number, row in enumerate(read_rows(path), 1):
        if missing := {"id", "completion"} - row.keys():
            raise ValueError(f"{path} row {number}: no {sorted(missing)}")
        if row["id"] not in questions:
            raise ValueError(f"{path} row {number}: id {row['id']!r} not in {QUESTIONS}")
        question = question_stem(questions[row["id"]])
        text = row["completion"].split("\nQ:")[0].rstrip("\n")  # a model may go on with a question of its own
        origin = f"Faithful-CoT {path.name} id {row['id']}"
        answered.append(ReleasedAnswer(question, [("\nA:", text)], origin))
    return answered


def question_stem(question: str) -> str:
    """The question without its options."""
    return re.split(r"\s*(?:# Answer option|Answer Choices):", question)[0].strip()


def loose_key(question: str) -> str:
    """A key that survives what Faithful-CoT changed: options, case, spaces, periods and commas."""
    return re.sub(r"[\s.,]", "", question_stem(question)).casefold()


def letters_and_digits(question: str) -> str:
    """A key that survives another way to write options ("A: red, B: blue"), case, spaces and marks."""
    return "".join(character for character in question.casefold() if character.isalnum())


def read_granularity(path: Path) -> list[ReleasedAnswer]:
    """What three teachers said at several levels of detail (arXiv 2502.18001, the repository
    EIT-NLP/Distilling-CoT-Reasoning): {instruction, output}, output ending "The answer is X". Except in the
    file for which the answer was unseen, they had been shown the gold one.
    """
    answered = []
    for number, (where, row) in enumerate(rows_with_place(path), 1):
        question = field(row, "instruction", where, str).removeprefix("Q: ").strip()
        steps = [("\nA:", f" {field(row, 'output', where, str).strip()}")]
        answered.append(ReleasedAnswer(question, steps, f"granularity {path.name} row {number}"))
    return answered


def read_big_bench_hard(path: Path) -> list[ReleasedAnswer]:
    """BIG-Bench Hard's outputs of one task: the whole prompt is recorded, its demonstrations and its
    instruction to think included.
    """
    answered = []
    for number, (where, row) in enumerate(rows_with_place(path, under="outputs"), 1):
        asked = field(row, "input", where, str)
        header, ruler, last = asked.rpartition("\n\nQ: ")
        question, mark, instruction = last.partition("\nA:")
        if not ruler or not mark:
            raise ValueError(f"{where}: input is {asked[-200:]!r}, wanted demonstrations, 'Q: ...' and 'A:'")
        steps = [(mark + instruction, field(row, "prediction", where, str))]
        origin = f"BIG-Bench Hard {path.name} row {number}"
        answered.append(ReleasedAnswer(question, steps, origin, f"{header}\n\n"))
    return answered


def read_palm(raw: Path) -> list[ReleasedAnswer]:
    """PaLM's answers to CommonsenseQA's train and dev questions. They lie in lists of at most 1,000, in the
    order of a file of questions.

    Differs: its letters are small, this project's are capital; and it goes on with questions of its own,
    which are cut off (difference 12).
    """
    answered = []
    for part in ("train", "test"):
        paths = takewhile(Path.exists, (raw / f"palm_{part}_{place}.json" for place in count()))
        texts = [text for path in paths for text in json.loads(path.read_text(encoding="utf-8"))]
        rows = list(rows_with_place(existing_file(raw / f"palm_questions_{part}.jsonl")))
        if len(rows) != len(texts):
            raise ValueError(
                f"{raw}: {len(texts)} texts in palm_{part}_0.json and on, wanted one for each of {len(rows)}"
                " questions"
            )
        for number, ((where, row), text) in enumerate(zip(rows, texts, strict=True), 1):
            stem = field(row, "question", where, str).strip()
            question = with_choices(stem, field(row, "choices", where, list))
            said = re.sub(r"\([a-e]\)", lambda letter: letter[0].upper(), text.split("\n\nQ:")[0].rstrip())
            steps = [("\nA:", f" {said.lstrip()}")]
            answered.append(ReleasedAnswer(question, steps, f"PaLM {part} row {number}"))
    return answered


def read_source(source: str, raw: Path, subtasks: Iterable[str]) -> list[ReleasedAnswer]:
    """All that a source holds. Raises ValueError for a file that is missing or not in its format."""
    if source == "palm":
        return read_palm(raw)
    if "{subtask}" in source:
        return [
            answered
            for subtask in subtasks
            for answered in read_big_bench_hard(existing_file(raw / source.replace("{subtask}", subtask)))
        ]
    path = existing_file(raw / source)
    if source.startswith("granularity_"):
        return read_granularity(path)
    return read_zero_shot_cot(path) if source.endswith(".log") else read_faithful_cot(path)
