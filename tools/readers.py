"""Readers: where the three ways to read an answer differ on the same completions.

What each of them is: stages/text/answers.py. lenient: as `kojima` falls back, which is counted and decides
nothing.
"""

from collections import Counter
from typing import Annotated

import typer

from stages.records.completion import Completion, readers_of
from stages.records.example import Example
from stages.text.answers import READERS, is_correct, read_answer
from tools.found_rows import completions_of, examples_of
from tools.tables import console, print_table

COLUMNS = ("kojima", "lenient", "marked", "stated")
TAIL = 300  # characters of a text that are shown: an answer stands at its end

Answers = dict[str, str | None]  # by column


def answers_of(completion: Completion, example: Example) -> Answers:
    """What each reader takes for the answer, all of them in the last text."""
    text = completion.texts[-1]
    choices = example.choices or []
    read = {
        name: read_answer(text, completion.answer_prefix, example.answer_type, choices, name)
        for name in READERS
    }
    return {
        "kojima": read["kojima"].strict,
        "lenient": read["kojima"].lenient,
        "marked": read["marked"].strict,
        "stated": read["stated"].strict,
    }


def right_ones(answers: Answers, example: Example) -> dict[str, bool]:
    return {
        reader: is_correct(answer, example.answer, example.answer_type) for reader, answer in answers.items()
    }


def main(
    models: Annotated[list[str], typer.Argument(help="Cells, DATASET-TEACHER, or files of completions.")],
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="So many disagreements of each.")] = 5,
) -> None:
    """Accuracy by reader, and texts that the readers read differently."""
    for name in models:
        said = completions_of(name)
        if not said:
            raise ValueError(f"{name}: no completion to read")
        examples = examples_of(sorted(said))
        right: Counter[str] = Counter()
        none: Counter[str] = Counter()
        differ: list[tuple[Example, Completion, Answers]] = []
        for question, completion in said.items():
            answers = answers_of(completion, examples[question])
            marks = right_ones(answers, examples[question])
            right.update(reader for reader, mark in marks.items() if mark)
            none.update(reader for reader, answer in answers.items() if answer is None)
            if len(set(marks.values())) > 1:
                differ.append((examples[question], completion, answers))
        rows = [
            [
                reader,
                len(said),
                f"{100 * right[reader] / len(said):.1f}",
                f"{100 * none[reader] / len(said):.1f}",
            ]
            for reader in COLUMNS
        ]
        title = f"{name}: {len(differ)} read differently; by {readers_of(said.values())}"
        print_table(["reader", "n", "right, %", "no answer, %"], rows, title)
        for example, completion, answers in differ[:count]:
            read = ", ".join(f"{reader} {answer!r}" for reader, answer in answers.items())
            console().print(
                f"\n{example.id}: gold {example.answer!r}; {read}\n{completion.texts[-1][-TAIL:]}"
            )
