"""Appraise: how right a teacher is, in all and per subtask.

In: examples and all completions of a teacher. Out: counts and accuracies by this project's rules, and by
the rule that BIG-Bench Hard's published accuracies come from. A stage of its own: `teach` must not depend
on how answers are read, or it would ask everything anew. Sources: CasCoD Table 1, "Teacher"; BIG-Bench
Hard's results of code-davinci-002.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from stages.config.cli import run
from stages.corpus.filters import states_again
from stages.records.completion import UNKNOWN, Completion, read_completions, without_counterfactuals
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json
from stages.results.metrics import grade, rates
from stages.results.voting import majority_correct
from stages.text.answer_types import rules_of
from stages.text.finders import strict_exact

RATES = ("accuracy", "lenient_accuracy", "no_answer_rate")


def right_as_text(completion: Completion, example: Example) -> bool:
    """BIG-Bench Hard's own rule: what follows the last answer prefix is the gold answer as text.

    Without blanks around it and one final period. Where this project departs from it
    (stages/text/answer_types.py, `says`), none of BIG-Bench Hard's released answers is decided by that.
    """
    text = completion.texts[-1]
    prefix = completion.answer_prefix
    if prefix not in text:
        return False
    conclusion = strict_exact(text.split(prefix)[-1] if prefix else text)
    says = rules_of(example.answer_type).says
    return any(says(bare, example.answer, example.choices or []) for bare in conclusion)


def accuracies(graded: pl.DataFrame) -> dict[str, Any]:
    """The rates of some completions; `n` counts them, `repeated` those that state an answer twice."""
    shares = rates(graded)
    as_text = sum(graded["as_text"]) / len(graded)
    return {
        "n": len(graded),
        "repeated": sum(graded["repeated"]),
        **{name: round(shares[name], 4) for name in RATES},
        "accuracy_as_text": round(as_text, 4),
    }


def voted(graded: pl.DataFrame, examples: Mapping[str, Example]) -> dict[str, Any]:
    """How often the majority of a question's samples is right, of `n` questions (SCoTD Table 2a); {} for one
    sample a question.
    """
    right = majority_correct(graded, examples)
    if len(graded) == len(right):
        return {}
    return {"majority": {"accuracy": round(sum(right.values()) / len(right), 4), "n": len(right)}}


def completed(completions: list[Completion]) -> dict[str, float]:
    """The share that came to an end (Fine-tune-CoT Table 5, L_r); {} where none tells why it ended."""
    if all(reason == UNKNOWN for row in completions for reason in row.finish_reasons):
        return {}
    return {"completion_rate": round(sum(row.finished for row in completions) / len(completions), 4)}


def appraise(completions: list[Completion], examples: Mapping[str, Example]) -> dict[str, Any]:
    """The numbers of all completions, and of each subtask where there are some.

    Raises ValueError for a completion of no example.
    """
    graded = grade(completions, examples)
    if graded.is_empty():
        return {"n": 0}
    as_text = [right_as_text(row, examples[row.example_id]) for row in completions]
    repeated = [states_again(row) for row in completions]
    subtask = [examples[row.example_id].subtask for row in completions]
    graded = graded.with_columns(
        as_text=pl.Series(as_text, dtype=pl.Boolean),
        repeated=pl.Series(repeated, dtype=pl.Boolean),
        subtask=pl.Series(subtask, dtype=pl.String),
    )
    by_subtask = graded.drop_nulls("subtask").group_by("subtask", maintain_order=True)
    subtasks = {str(name): accuracies(rows) for (name,), rows in by_subtask}
    shares = accuracies(graded) | completed(completions) | voted(graded, examples)
    return shares | ({"subtasks": subtasks} if subtasks else {})


def main(
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    completions: Annotated[Path, typer.Argument(help="A teacher's completions.")],
    out: Annotated[Path, typer.Argument(help="Where the numbers go (JSON).")],
) -> None:
    """Count how often a teacher is right."""
    by_id = {example.id: example for example in read_examples(examples)}
    write_json(out, appraise(without_counterfactuals(read_completions(completions)), by_id))


if __name__ == "__main__":
    run(main)
