"""Appraise: how right a teacher is, in all and per subtask (CasCoD Table 1, "Teacher"; BIG-Bench Hard's
results of code-davinci-002).

In: examples and all completions of a teacher. Out: counts and accuracies by this project's rules, and by the
rule that BIG-Bench Hard's published accuracies come from. A stage of its own: `teach` must not depend on how
answers are read, or it would ask everything anew.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from stages.config.cli import run
from stages.parsing.fields import LETTERS
from stages.records.completion import Completion, read_completions
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json
from stages.results.metrics import grade, rates
from stages.text.answers import strict_exact
from stages.text.formats import written


def right_as_text(completion: Completion, example: Example) -> bool:
    """BIG-Bench Hard's own rule: what follows the last answer prefix, without blanks around it and one final
    period, is the gold answer as text.

    Differs: "Yes" and "yes" are the same, for an Example does not keep the case, and an option's text may
    stand for its letter or after one, as in PaLM's answers to CommonsenseQA; of BIG-Bench Hard's released
    answers none is decided by either.
    """
    text = completion.texts[-1]
    prefix = completion.answer_prefix
    said = strict_exact(text.split(prefix)[-1] if prefix else text)
    if prefix not in text or not said:
        return False
    if example.answer_type == "choice":
        option = (example.choices or [])[LETTERS.index(example.answer)]
        return written(example, example.answer) == said[0] or re.sub(r"^\([A-Z]\) ", "", said[0]) == option
    return (said[0].lower() if example.answer_type == "yes_no" else said[0]) == example.answer


def numbers(graded: pl.DataFrame) -> dict[str, Any]:
    """The rates of some completions; `n` counts them, `repeated` those that state an answer more than once:
    then the last one ends the rationale.
    """
    shares = rates(graded) | {"accuracy_as_text": sum(graded["as_text"]) / len(graded)}
    names = ("accuracy", "lenient_accuracy", "no_answer_rate", "accuracy_as_text")
    return {
        "n": len(graded),
        "repeated": sum(graded["repeated"]),
        **{name: round(shares[name], 4) for name in names},
    }


def appraise(completions: list[Completion], examples: Mapping[str, Example]) -> dict[str, Any]:
    """The numbers of all completions, and of each subtask where there are some. Raises ValueError for a
    completion of no example.
    """
    graded = grade(completions, examples).with_columns(
        as_text=pl.Series(
            [right_as_text(row, examples[row.example_id]) for row in completions], dtype=pl.Boolean
        ),
        repeated=pl.Series(
            [bool(row.answer_prefix) and row.texts[-1].count(row.answer_prefix) > 1 for row in completions],
            dtype=pl.Boolean,
        ),
        subtask=pl.Series([examples[row.example_id].subtask for row in completions], dtype=pl.String),
    )
    if graded.is_empty():
        return {"n": 0}
    subtasks = {
        str(name): numbers(rows)
        for (name,), rows in graded.drop_nulls("subtask").group_by("subtask", maintain_order=True)
    }
    return numbers(graded) | ({"subtasks": subtasks} if subtasks else {})


def main(
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    completions: Annotated[Path, typer.Argument(help="A teacher's completions.")],
    out: Annotated[Path, typer.Argument(help="Where the numbers go (JSON).")],
) -> None:
    """Count how often a teacher is right."""
    by_id = {example.id: example for example in read_examples(examples)}
    write_json(out, appraise(read_completions(completions), by_id))


if __name__ == "__main__":
    run(main)
