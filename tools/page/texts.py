"""Texts: what teachers and students said, and what was read of it, as the page lets people browse it.

A question is there with all that was said to it, or not at all: which ones is decided by a hash of their ids.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.config.run import Axes, Run, declared_cells, declared_transfers
from stages.records.completion import Completion, CompletionsByQuestion
from stages.records.example import PARTS, Example, read_examples
from stages.records.jsonl import read_object
from stages.results.cells import cell_label
from stages.text.answers import is_correct, reading_of

DATA = Path("data")
Columns = dict[str, list[Any]]


def speakers(run: Run) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Whoever may have said something in this run: the file, and who it is. Teachers come first."""
    for dataset in run.datasets:
        for teacher in run.teachers:
            who = {"kind": "teacher", "dataset": dataset, "split": None, "label": f"teacher {teacher}"}
            yield DATA / f"completions/{dataset}-{teacher}.jsonl", who
    for name, axes in declared_cells(run).items():
        yield DATA / f"predictions/{name}.jsonl", student(axes)
    for name, axes in declared_transfers(run).items():
        yield DATA / f"transfers/{name}.jsonl", student(axes)


def student(axes: Axes) -> dict[str, Any]:
    """Its `dataset` is what it is asked."""
    learned = f", learned {axes['dataset']}" if axes["target"] else ""
    return {
        "kind": "student",
        "dataset": axes["target"] or axes["dataset"],
        "split": axes["split"],
        "label": cell_label(axes) + learned,
        "seed": axes["seed"],
    }


def chosen_questions(sizes: Counter[str], limit: int) -> set[str]:
    """Questions in the order of their hashes, as long as their rows are at most `limit`."""
    chosen: set[str] = set()
    left = limit
    for question in sorted(sizes, key=lambda one: hashlib.sha256(one.encode()).digest()):
        left -= sizes[question]
        if left < 0:
            break
        chosen.add(question)
    return chosen


def outcome(completion: Completion, example: Example) -> dict[str, Any]:
    """What was read of a text. `lenient`: where the looser reading differs."""
    reading = reading_of(completion, example)
    right = is_correct(reading.strict, example.answer, example.answer_type)
    return {
        "read": reading.strict,
        "outcome": "none" if reading.strict is None else "right" if right else "wrong",
        "lenient": reading.lenient if reading.lenient != reading.strict else None,
        "notes": notes_of(completion),
    }


def notes_of(row: Completion) -> str:
    """What is out of the ordinary, in words."""
    notes = [f"ended by {reason}" for reason in row.finish_reasons if reason not in ("stop", "unknown")]
    notes += ["had been shown the answer"] if row.rationalised else []
    notes += [f"argues for {row.given!r}, as it was told"] if row.given is not None else []
    notes += ["prompt cut"] if row.prompt_cut else []
    return ", ".join(notes)


def is_shown(row: Completion) -> bool:
    """Rows of kept epochs are not."""
    return not row.origin.startswith("epoch ")


def shown_sizes(file: CompletionsByQuestion) -> dict[str, int]:
    """Question -> how many of its rows are shown. Where epochs were kept, each question has rows of them."""
    first = next(iter(file), None)
    if first is None or all(map(is_shown, file[first])):
        return dict(file.sizes)
    counts = {question: sum(map(is_shown, file[question])) for question in file}
    return {question: count for question, count in counts.items() if count}


def parts_of(run: Run, dataset: str) -> dict[str, dict[str, str]]:
    """Of each question its part in every split of the run, where the split is there."""
    found: dict[str, dict[str, str]] = {}
    for split in run.splits:
        path = DATA / f"splits/{dataset}-{split}.json"
        parts = read_object(path) if path.is_file() else {}
        for part in PARTS:
            for question in parts.get(part, []):
                found.setdefault(question, {})[split] = part
    return found


def columns_of(rows: list[dict[str, Any]]) -> Columns:
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {"question": []}


def run_texts(run: Run, limit: int) -> dict[str, Any]:
    """All that was said to the chosen questions; rows name their question and speaker by its place."""
    missing: list[str] = []
    examples: dict[str, Example] = {}
    for dataset in dict.fromkeys([*run.datasets, *run.extra_datasets, *run.transfers]):
        path = DATA / f"examples/{dataset}.jsonl"
        if path.is_file():
            examples |= {example.id: example for example in read_examples(path)}
        else:
            missing.append(str(path))
    said = [(path, who) for path, who in speakers(run)]
    missing += [str(path) for path, _ in said if not path.is_file()]
    files = [(CompletionsByQuestion(path), who) for path, who in said if path.is_file()]
    sizes: Counter[str] = Counter()
    for file, _ in files:
        sizes.update(
            {question: count for question, count in shown_sizes(file).items() if question in examples}
        )
    chosen = chosen_questions(sizes, limit)
    ids = [question for question in examples if question in chosen]
    place = {question: number for number, question in enumerate(ids)}
    rows = [
        {
            "question": place[question],
            "speaker": number,
            "sample": row.sample,
            "texts": row.texts,
            **outcome(row, examples[question]),
        }
        for number, (file, _) in enumerate(files)
        for question in file
        if question in chosen
        for row in file[question]
        if is_shown(row)
    ]
    parts = {
        question: part
        for dataset in {example.dataset for example in examples.values()}
        for question, part in parts_of(run, dataset).items()
    }
    questions = [
        {
            "id": question,
            "dataset": examples[question].dataset,
            "subtask": examples[question].subtask,
            "text": examples[question].question,
            "answer": examples[question].answer,
            "parts": parts.get(question, {}),
        }
        for question in ids
    ]
    return {
        "questions": questions,
        "speakers": [who for _, who in files],
        "rows": columns_of(rows),
        "found": sizes.total(),
        "missing": missing,
    }
