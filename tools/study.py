"""Study: read what models said, side by side, and see whether they fail on the same questions (Fine-tune-CoT
appendix D, Tables 10 to 14).

`sheet` writes DIR/study.jsonl and DIR/study.html (one file, no network): teacher and students, chosen
questions, the gold answer, what was read of each one's text and whether it is right. `failures` needs
metrics/cells alone: how the others do where one cell fails.
"""

import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.config.cli import fail_plainly
from stages.config.run import axes
from stages.judging.judgement import right
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.jsonl import write_rows, write_text
from stages.text.rationale import answer_of, examples_of, rows_of
from tools.pages.fill import with_data

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="What models said, side by side; where they fail together.",
)
Said = Mapping[str, Mapping[str, Completion]]  # by model, by question


def drawn(
    about: Mapping[str, Completion], examples: Mapping[str, Example], cases: int, seed: int
) -> list[str]:
    """Ids of up to `cases` questions that `about` has right, then of as many that it has wrong, drawn by
    `seed`.
    """
    rng = random.Random(seed)
    marks = {one: right(about[one], example) for one, example in examples.items()}
    groups = [sorted(one for one, mark in marks.items() if mark is wanted) for wanted in (True, False)]
    return [one for group in groups for one in rng.sample(group, min(cases, len(group)))]


def row(example: Example, said: Said) -> dict[str, Any]:
    """One question as the page and study.jsonl have it."""
    told = [
        {"name": name, "texts": one.texts, "read": answer_of(one, example), "right": right(one, example)}
        for name, rows in said.items()
        for one in [rows[example.id]]
    ]
    return {"id": example.id, "question": example.question.strip(), "answer": example.answer, "said": told}


@app.command()
def sheet(
    models: Annotated[
        list[str],
        typer.Argument(help="Cells, DATASET-TEACHER, or files of completions, in the order of the columns."),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="These questions; may be given several times.")
    ] = None,
    cases: Annotated[
        int,
        typer.Option(
            min=1,
            help=(
                "Without --id: so many questions that the model --about has right, and so many it has wrong."
            ),
        ),
    ] = 5,
    about: Annotated[str | None, typer.Option(help="One of the models; the last one by default.")] = None,
    seed: Annotated[int, typer.Option(help="Which of them.")] = 0,
) -> None:
    """Lay answers side by side."""
    said = {name: rows_of(name) for name in models}
    if (chosen := about or models[-1]) not in said:
        raise ValueError(f"--about {chosen!r} is none of the models: {', '.join(models)}")
    examples = examples_of(sorted(set.intersection(*({*rows} for rows in said.values()))))
    wanted = ids or drawn(said[chosen], examples, cases, seed)
    if missing := [one for one in wanted if one not in examples]:
        raise ValueError(
            f"questions that not every model was asked: {', '.join(missing[:5])}; {len(examples)} are common"
            " to all"
        )
    if not wanted:
        raise ValueError("the models have no question in common: nothing to lay side by side")
    rows = [row(examples[one], said) for one in wanted]
    write_rows(out / "study.jsonl", rows)
    write_text(out / "study.html", with_data("study", rows))
    typer.echo(f"{len(rows)} questions, {len(models)} models: {out / 'study.html'}, {out / 'study.jsonl'}")


def failures(correct: Mapping[str, str]) -> list[str]:
    """A Markdown table: accuracy of each cell (columns) on all questions, and on those where another one
    fails (rows).

    `correct` has a cell's marks, "0" or "1" in the order of the split's test ids (metrics/cells). Raises
    ValueError for different numbers of them.
    """
    if len(sizes := {len(marks) for marks in correct.values()}) != 1:
        raise ValueError(
            f"cells of {sorted(sizes)} test questions: wanted the same ones for all of {', '.join(correct)}"
        )
    lines = [f"| questions | n | {' | '.join(correct)} |", f"| --- {'| --- ' * (len(correct) + 1)}|"]
    for name, failed in {
        "all": range(sizes.pop()),
        **{f"{name} fails": places(marks) for name, marks in correct.items()},
    }.items():
        shares = [
            "-" if not failed or name == f"{cell} fails" else f"{share(marks, failed):.1f}"
            for cell, marks in correct.items()
        ]
        lines.append(f"| {name} | {len(failed)} | {' | '.join(shares)} |")
    return lines


def places(marks: str) -> list[int]:
    """Where a cell fails."""
    return [place for place, mark in enumerate(marks) if mark == "0"]


def share(marks: str, questions: Sequence[int]) -> float:
    """Accuracy on these questions, in %."""
    return 100 * sum(marks[place] == "1" for place in questions) / len(questions)


@app.command("failures")
def show_failures(
    cells: Annotated[list[str] | None, typer.Argument(help="Cells; all by default.")] = None,
    folder: Annotated[Path, typer.Option(help="Where their numbers are.")] = Path("metrics/cells"),
) -> None:
    """How the others do on the questions where one cell fails, dataset by dataset and split by split;
    accuracy in %.
    """
    names = cells or sorted(path.stem for path in folder.glob("*.json"))
    if not names:
        raise ValueError(f"{folder}: no cells, wanted their numbers as NAME.json")
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for name in names:
        path = folder / f"{name}.json"
        if not path.is_file():
            raise ValueError(f"{name!r} is no cell: there is no {path}")
        if "correct" not in (numbers := json.loads(path.read_text(encoding="utf-8"))):
            raise ValueError(f"{path}: no field 'correct', wanted the numbers of a cell")
        at = axes(name)
        asked = at["target"] or at["dataset"]
        shown = name if at["target"] else name.split("-", 2)[2]
        groups[f"{asked}, {at['split']}"][shown] = numbers["correct"]
    for title, correct in groups.items():
        typer.echo("\n".join([f"### {title}\n", *failures(correct), ""]))


if __name__ == "__main__":
    fail_plainly(app)
