"""Cost and accuracy: what the training data of each cell took, next to how good the student got
(Fine-tune-CoT Figure 8, appendix F).

In: the JSON files of the declared cells, of their funnels and of their teachers' costs. Out: a CSV for plots,
a Markdown table. Annotation: the train questions with their gold answers, at 0.67 dollars each. Teacher: the
D completions of each, wrong ones too, at the corpus' mean price of a completion. What is not known stays
empty.
"""

import json
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import polars as pl
import typer

from stages.asking.prices import ANNOTATION
from stages.config.cli import run
from stages.config.load import block
from stages.config.run import Run, cells
from stages.records.jsonl import write_text
from stages.results.cells import Cell, read_cells
from stages.results.statistics import wilson
from stages.summarize import markdown

COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("cell", "dataset", "split", "method", "corpus", "student", "seed"), pl.String),
    # of the train part: what was annotated and asked for
    **dict.fromkeys(("questions", "completions", "tokens_in", "tokens_out"), pl.Int64),
    **dict.fromkeys(("annotation", "teacher", "dollars", "accuracy", "low", "high"), pl.Float64),
    "n": pl.Int64,  # test questions
}
NOTE = f"""Dollars of training data: {ANNOTATION:.2f} for a train question's answer by hand, and list prices for the teacher's D completions
of each, the wrong ones too. Not in it: validation and test questions, failed calls, the training itself. Empty: unknown (rules, released answers,
no price). Accuracy in %, ± half the 95 % Wilson interval of the test questions; seeds are averaged. Cheapest first.
"""


def read(path: Path) -> dict[str, Any]:
    """An object of a JSON file. Raises ValueError where there is none."""
    if not path.exists():
        raise ValueError(f"{path} not found: `dvc repro` makes it, for each dataset and teacher under `run`")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def spent(cell: Cell, costs: Path, funnels: Path) -> dict[str, float | int | None]:
    """What a cell's training data took: train questions, completions asked for, dollars of either kind and of
    both.

    A method that only asks takes nothing (its demonstrations are in no count), one that trains on gold
    answers takes annotation only.
    """
    if not cell["teacher"]:
        questions = (
            0
            if import_module(f"stages.methods.{cell['method']}").LEARNS_FROM == "nothing"
            else cell["n_train"]
        )
        return priced(questions, {"completions": 0, "tokens_in": 0, "tokens_out": 0}, 0.0)
    train = read(funnels / f"{cell['dataset']}-{cell['split']}-{cell['teacher']}-{cell['curation']}.json")[
        "train"
    ]
    asked = train["asked"]
    each = read(costs / f"{cell['dataset']}-{cell['teacher']}.json")["dollars_per_completion"]
    return priced(train["questions_listed"], asked, None if each is None else asked["completions"] * each)


def priced(
    questions: int, asked: dict[str, int | None], teacher: float | None
) -> dict[str, float | int | None]:
    annotation = ANNOTATION * questions
    total = None if teacher is None else round(annotation + teacher, 6)
    counts = {
        "questions": questions,
        **{name: asked[name] for name in ("completions", "tokens_in", "tokens_out")},
    }
    return {
        **counts,
        "annotation": round(annotation, 6),
        "teacher": None if teacher is None else round(teacher, 6),
        "dollars": total,
    }


def rows_of(found: list[Cell], costs: Path, funnels: Path) -> list[dict[str, Any]]:
    """One row per cell, with its label and the columns of the CSV; the corpus is teacher/curation, "-" for a
    baseline.
    """
    rows = []
    for cell in found:
        corpus = "/".join(filter(None, (cell["teacher"], cell["curation"]))) or "-"
        rows.append(
            {
                **cell,
                **spent(cell, costs, funnels),
                "corpus": corpus,
                "low": cell["accuracy_low"],
                "high": cell["accuracy_high"],
            }
        )
    return rows


def number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def table(rows: list[dict[str, Any]], dataset: str) -> list[list[str]]:
    """A dataset's rows, seeds averaged, cheapest first: cells of several splits are points of the same
    figure.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["dataset"] == dataset:
            groups[row["split"], row["label"]].append(row)
    lines = []
    for (split, label), group in groups.items():
        first = group[0]
        accuracy = fmean(row["accuracy"] for row in group)
        low, high = wilson(accuracy * first["n"], first["n"])
        money = [number(first[name], ",.2f") for name in ("annotation", "teacher", "dollars")]
        counts = [
            number(first[name], ",") for name in ("questions", "completions", "tokens_in", "tokens_out")
        ]
        shown = [
            split,
            label,
            *counts,
            *money,
            f"{100 * accuracy:.1f} ±{50 * (high - low):.1f}",
            str(first["n"]),
        ]
        lines.append((first["dollars"] is None, first["dollars"] or 0.0, shown))
    head = [
        "split",
        "student",
        "train questions",
        "completions",
        "tokens in",
        "tokens out",
        "annotation $",
        "teacher $",
        "total $",
        "accuracy",
        "n",
    ]
    return [head, *(shown for _, _, shown in sorted(lines, key=lambda line: line[:2]))]


def main(
    cells_folder: Annotated[Path, typer.Argument(metavar="CELLS_DIR", help="metrics/cells")],
    costs: Annotated[Path, typer.Argument(metavar="COSTS_DIR", help="metrics/costs")],
    funnels: Annotated[Path, typer.Argument(metavar="FUNNELS_DIR", help="metrics/funnels")],
    out_csv: Annotated[Path, typer.Argument(help="Where the long table goes.")],
    out_md: Annotated[Path, typer.Argument(help="Where the Markdown table goes.")],
) -> None:
    """Put what the data cost next to what the students learned from it."""
    axes_of_run = block("run", Run)
    rows = rows_of(read_cells(cells_folder, cells(axes_of_run)), costs, funnels)
    write_text(out_csv, pl.DataFrame(rows, schema=COLUMNS).write_csv())
    tables = "".join(f"\n## {name}\n\n{markdown(table(rows, name))}" for name in axes_of_run.datasets)
    write_text(out_md, f"# Cost and accuracy\n{tables}\n{NOTE}")


if __name__ == "__main__":
    run(main)
