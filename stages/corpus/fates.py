"""Fates: what became of each of a teacher's completions, for people to read."""

from collections import defaultdict
from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from stages.config.visible import visible
from stages.records.completion import Completion
from stages.records.example import Example


def print_fates(
    rows_by_fate: Mapping[str, list[Completion]],
    examples: Mapping[str, Example],
    count: int,
    console: Console,
) -> None:
    """Print the completions of `count` questions, each with its fate: "kept", or what it was removed for.

    Those questions first to which most different things happened.
    """
    questions = defaultdict(list)
    for fate, rows in rows_by_fate.items():
        for row in rows:
            questions[row.example_id].append((row.sample, fate, row))

    def variety(question: str) -> int:
        return len({fate for _, fate, _ in questions[question]})

    if not questions:
        console.print("No completion of a train question: nothing to show.")
    for question in sorted(questions, key=lambda question: (-variety(question), question))[:count]:
        console.rule(f"{question}: gold {examples[question].answer!r}")
        console.print(Text(visible(examples[question].question)))
        for sample, fate, row in sorted(questions[question], key=lambda told: told[0]):
            console.print(
                Text(f"[{sample}] {fate}", style="green" if fate == "kept" else "red"),
                Text(visible("\n".join(row.texts).strip()), style="dim"),
            )
