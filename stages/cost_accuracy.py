"""Cost and accuracy: what training data took, next to how good the student got (Fine-tune-CoT appendix F).

In: the JSON files of the declared cells, of their teachers' costs, of their funnels, and of what was rendered
for them. Out: a CSV for plots, a Markdown table. Annotation: the train questions with their gold answers, at
0.67 dollars each. Teacher: the D completions of each, wrong ones too, at the corpus' mean price of a
completion. What is not known stays empty.
"""

from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import polars as pl
import typer

from stages.asking.prices import ANNOTATION
from stages.config.cli import run
from stages.config.load import block
from stages.config.run import Run
from stages.records.jsonl import read_object, write_text
from stages.results.cells import Cell, corpus_name, read_own
from stages.results.statistics import wilson
from stages.results.tables import as_markdown

COUNTS = ("questions", "completions", "tokens_in", "tokens_out")  # of the train part
DOLLARS = ("annotation", "teacher", "dollars")
COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("cell", "dataset", "split", "method", "corpus", "student"), pl.String),
    "seed": pl.Int64,
    "decoding": pl.String,
    **dict.fromkeys(COUNTS, pl.Int64),
    **dict.fromkeys((*DOLLARS, "accuracy", "low", "high"), pl.Float64),
    "n": pl.Int64,  # test questions
}
HEAD = [
    *("split", "student", "train questions", "completions", "tokens in", "tokens out"),
    *("annotation $", "teacher $", "total $", "accuracy", "n"),
]
NOTE = (
    f"Dollars of training data: {ANNOTATION:.2f} for a train question's answer by hand, and list prices for"
    " the teacher's D completions\nof each, the wrong ones too. Not in it: validation and test questions,"
    " failed calls, the training itself. Empty: unknown (rules, released answers,\n"
    "no price). Accuracy in %, ± half the 95 % Wilson interval of the test questions; seeds are averaged."
    " Cheapest first.\n"
)


def read_made(path: Path) -> dict[str, Any]:
    """The object of a metrics file. Raises ValueError where there is none."""
    if not path.exists():
        raise ValueError(f"{path} not found: `dvc repro` makes it, for each dataset and teacher under `run`")
    return read_object(path)


def priced(
    questions: int, asked: dict[str, int | None], teacher: float | None
) -> dict[str, float | int | None]:
    """The columns of counts and dollars; `teacher` is the price of its completions, None if unknown."""
    annotation = ANNOTATION * questions
    return {
        "questions": questions,
        **{name: asked[name] for name in COUNTS[1:]},
        "annotation": round(annotation, 6),
        "teacher": None if teacher is None else round(teacher, 6),
        "dollars": None if teacher is None else round(annotation + teacher, 6),
    }


def cell_cost(cell: Cell, costs: Path, funnels: Path, rendered: Path) -> dict[str, float | int | None]:
    """What a cell's training data took: questions, completions, dollars for each and for both.

    A method that only asks takes nothing (its demonstrations are in no count), one that trains on gold
    answers takes annotation only.
    """
    place = f"{cell['dataset']}-{cell['split']}"
    if not cell["teacher"]:
        learns = read_made(rendered / f"{place}-{cell['method']}.json")["learns_from"] != "nothing"
        return priced(cell["n_train"] if learns else 0, dict.fromkeys(COUNTS, 0), 0.0)
    train = read_made(funnels / f"{place}-{cell['teacher']}-{cell['curation']}.json")["train"]
    each = read_made(costs / f"{cell['dataset']}-{cell['teacher']}.json")["dollars_per_completion"]
    asked = train["asked"]
    return priced(train["questions_listed"], asked, None if each is None else asked["completions"] * each)


def cost_rows(cells: list[Cell], costs: Path, funnels: Path, rendered: Path) -> list[dict[str, Any]]:
    """One row per cell, with its label and the columns of the CSV."""
    return [
        {
            **cell,
            **cell_cost(cell, costs, funnels, rendered),
            "corpus": corpus_name(cell),
            "low": cell["accuracy_low"],
            "high": cell["accuracy_high"],
        }
        for cell in cells
    ]


def number_text(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def cost_table(rows: list[dict[str, Any]], dataset: str) -> list[list[str]]:
    """A dataset's rows, seeds averaged, cheapest first.

    Cells of several splits stand in one table: they are points of the same figure.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["dataset"] == dataset:
            groups[row["split"], row["label"]].append(row)
    priced_lines = []
    for (split, label), group in groups.items():
        first = group[0]
        accuracy = fmean(row["accuracy"] for row in group)
        low, high = wilson(accuracy * first["n"], first["n"])
        counts = [number_text(first[name], ",") for name in COUNTS]
        dollars = [number_text(first[name], ",.2f") for name in DOLLARS]
        score = f"{100 * accuracy:.1f} ±{50 * (high - low):.1f}"
        price = (first["dollars"] is None, first["dollars"] or 0.0)
        priced_lines.append((price, [split, label, *counts, *dollars, score, str(first["n"])]))
    return [HEAD, *(line for _, line in sorted(priced_lines, key=lambda pair: pair[0]))]


def main(
    cells_folder: Annotated[Path, typer.Argument(metavar="CELLS_DIR", help="metrics/cells")],
    costs: Annotated[Path, typer.Argument(metavar="COSTS_DIR", help="metrics/costs")],
    funnels: Annotated[Path, typer.Argument(metavar="FUNNELS_DIR", help="metrics/funnels")],
    rendered: Annotated[
        Path, typer.Argument(metavar="RENDERED_DIR", help="metrics/rendered: what a method learns from.")
    ],
    out_csv: Annotated[Path, typer.Argument(help="Where the long table goes.")],
    out_md: Annotated[Path, typer.Argument(help="Where the Markdown table goes.")],
) -> None:
    """Put what the data cost next to what the students learned from it."""
    declared = block("run", Run)
    rows = cost_rows(read_own(cells_folder, declared), costs, funnels, rendered)
    write_text(out_csv, pl.DataFrame(rows, schema=COLUMNS).write_csv())
    tables = "".join(f"\n## {name}\n\n{as_markdown(cost_table(rows, name))}" for name in declared.datasets)
    write_text(out_md, f"# Cost and accuracy\n{tables}\n{NOTE}")


if __name__ == "__main__":
    run(main)
