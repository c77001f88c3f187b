"""Study: what models said, side by side, and whether they fail on the same questions.

`sheet` writes DIR/study.jsonl and DIR/study.html (one file, no network): teacher and students, chosen
questions, the gold answer, what was read of each one's text and whether it is right. `failures` needs
metrics/cells alone: how the others do where one cell fails.
Source: Fine-tune-CoT appendix D, Tables 10 to 14.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.judging.judgement import is_right
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.jsonl import write_rows, write_text
from stages.results.cells import read_cell
from stages.text.answers import reading_of
from tools import lines, readers
from tools.found_rows import completions_of, examples_of
from tools.pages.fill import with_data
from tools.terminal import command_group

app = command_group()
app.command("readers")(readers.main)
app.command("lines")(lines.main)
Completions = Mapping[str, Completion]  # by question


def draw_cases(completions: Completions, examples: Mapping[str, Example], cases: int, seed: int) -> list[str]:
    """Ids of up to `cases` questions that a model has right, then of as many that it has wrong."""
    rng = random.Random(seed)
    marks = {question: is_right(completions[question], example) for question, example in examples.items()}
    groups = [sorted(one for one, mark in marks.items() if mark is wanted) for wanted in (True, False)]
    return [question for group in groups for question in rng.sample(group, min(cases, len(group)))]


def study_row(example: Example, models: Mapping[str, Completions]) -> dict[str, Any]:
    """One question as the page and study.jsonl have it."""
    said = []
    for name, completions in models.items():
        completion = completions[example.id]
        answer = reading_of(completion, example).strict
        mark = is_right(completion, example)
        said.append({"name": name, "texts": completion.texts, "read": answer, "right": mark})
    return {"id": example.id, "question": example.question.strip(), "answer": example.answer, "said": said}


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
        int, typer.Option(min=1, help="Without --id: so many that --about has right, and so many wrong.")
    ] = 5,
    about: Annotated[str | None, typer.Option(help="One of the models; the last one by default.")] = None,
    seed: Annotated[int, typer.Option(help="Which of them.")] = 0,
) -> None:
    """Lay the answers of teacher and students side by side, as a page."""
    said = {name: completions_of(name) for name in models}
    if (chosen := about or models[-1]) not in said:
        raise ValueError(f"--about {chosen!r} is none of the models: {', '.join(models)}")
    examples = examples_of(sorted(set.intersection(*({*completions} for completions in said.values()))))
    wanted = ids or draw_cases(said[chosen], examples, cases, seed)
    if missing := [question for question in wanted if question not in examples]:
        raise ValueError(
            f"questions that not every model was asked: {', '.join(missing[:5])}; {len(examples)} are common"
            " to all"
        )
    if not wanted:
        raise ValueError("the models have no question in common: nothing to lay side by side")
    rows = [study_row(examples[question], said) for question in wanted]
    write_rows(out / "study.jsonl", rows)
    write_text(out / "study.html", with_data("study", rows))
    typer.echo(f"{len(rows)} questions, {len(models)} models: {out / 'study.html'}, {out / 'study.jsonl'}")


def failure_table(correct: Mapping[str, str]) -> list[str]:
    """A Markdown table: accuracy of each cell (columns) on all questions, and on those where another one
    fails (rows).

    `correct` has a cell's marks, "0" or "1" in the order of the split's test ids (metrics/cells). Raises
    ValueError for different numbers of them.
    """
    sizes = {len(marks) for marks in correct.values()}
    if len(sizes) != 1:
        raise ValueError(
            f"cells of {sorted(sizes)} test questions: wanted the same ones for all of {', '.join(correct)}"
        )
    rows: dict[str, Sequence[int]] = {"all": range(sizes.pop())}
    rows |= {f"{cell} fails": failed_places(marks) for cell, marks in correct.items()}
    lines = [f"| questions | n | {' | '.join(correct)} |", f"| --- {'| --- ' * (len(correct) + 1)}|"]
    for title, places in rows.items():
        shares = [
            "-" if not places or title == f"{cell} fails" else f"{accuracy(marks, places):.1f}"
            for cell, marks in correct.items()
        ]
        lines.append(f"| {title} | {len(places)} | {' | '.join(shares)} |")
    return lines


def failed_places(marks: str) -> list[int]:
    return [place for place, mark in enumerate(marks) if mark == "0"]


def accuracy(marks: str, places: Sequence[int]) -> float:
    """Of a cell on these questions, in %."""
    return 100 * sum(marks[place] == "1" for place in places) / len(places)


@app.command()
def failures(
    cells: Annotated[list[str] | None, typer.Argument(help="Cells; all by default.")] = None,
    folder: Annotated[Path, typer.Option(help="Where their numbers are.")] = Path("metrics/cells"),
) -> None:
    """Where one cell fails, how do the others do? Accuracy in %.

    Dataset by dataset and split by split, from metrics/cells alone.
    """
    names = cells or sorted(path.stem for path in folder.glob("*.json"))
    if not names:
        raise ValueError(f"{folder}: no cells, wanted their numbers as NAME.json")
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for name in names:
        path = folder / f"{name}.json"
        if not path.is_file():
            raise ValueError(f"{name!r} is no cell: there is no {path}")
        cell = read_cell(path)
        place = f"{cell['dataset']}-{cell['split']}-"
        column = name if cell["target"] else name.removeprefix(place)
        groups[f"{cell['target'] or cell['dataset']}, {cell['split']}"][column] = cell["correct"]
    for title, correct in groups.items():
        typer.echo("\n".join([f"### {title}\n", *failure_table(correct), ""]))
