"""Summarize: put the declared cells side by side (Fine-tune-CoT Table 1; DVC diffs the summary).

In: the cells' JSON files. Out: summary.json (small, for diffs), a Markdown table per split with paired comparisons of what
was distilled with each baseline, and all accuracies as CSV for plots.
"""

import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from stages.cli import run
from stages.config.load import block
from stages.config.run import Run, axes, cells
from stages.records.jsonl import write_json, write_text
from stages.statistics import holm, mcnemar, wilson

Cell = dict[str, Any]  # a cell's axes, its label, and its numbers
Groups = dict[tuple[str, str, str], list[Cell]]  # (split, label, dataset) -> one cell per seed
SCORES = {"accuracy": "accuracy", "accuracy_low": "low", "accuracy_high": "high"}  # a cell's field -> its column in the CSV
NOTE = """± is half the 95 % Wilson interval of the test questions; seeds are averaged. Accuracies in %, averages over datasets unweighted.
Best test epoch is the papers' protocol: chosen on the test part, hence optimistic. Train prior: answers drawn like the train part's.
"""
PAIRED_NOTE = """Difference in points on the same questions, p of McNemar's exact test, Holm-corrected over the datasets of the row.
A question counts once: for the side that answers it right with more of its seeds (with several samples: by their majority answer).
"""


def label(cell: Cell) -> str:
    """ "method (teacher/curation/student)"; a baseline has its student only."""
    return f"{cell['method']} ({'/'.join(filter(None, (cell['teacher'], cell['curation'], cell['student'])))})"


def read_cells(folder: Path, names: list[str]) -> list[Cell]:
    """The declared cells, in their order. Raises ValueError for missing ones and for cells of other test questions than their dataset's."""
    if not names:
        raise ValueError("params.yaml: `run` declares no cells: wanted methods or baselines, students and seeds")
    missing = [name for name in names if not (folder / f"{name}.json").exists()]
    if missing:
        raise ValueError(f"{folder}: no file for {len(missing)} of {len(names)} declared cells: {', '.join(missing[:5])}")
    found: list[Cell] = [{**json.loads((folder / f"{name}.json").read_text(encoding="utf-8")), **axes(name)} for name in names]
    sizes: dict[tuple[str, str], int] = {}
    for name, cell in zip(names, found, strict=True):
        wanted = sizes.setdefault((cell["dataset"], cell["split"]), len(cell["correct"]))
        if not len(cell["correct"]) == cell["n"] == wanted:
            raise ValueError(f"{folder}/{name}.json: {len(cell['correct'])} marks for n {cell['n']}, wanted {wanted} as in its neighbours")
    return [{**cell, "cell": name, "label": label(cell)} for name, cell in zip(names, found, strict=True)]


def grouped(found: list[Cell]) -> Groups:
    groups: Groups = defaultdict(list)
    for cell in found:
        groups[cell["split"], cell["label"], cell["dataset"]].append(cell)
    return dict(groups)


def over_seeds(group: list[Cell]) -> dict[str, float]:
    """Mean accuracy of a group's seeds, with n and, where there are several seeds, their number and standard deviation."""
    accuracies = [cell["accuracy"] for cell in group]
    scores = {"accuracy": round(fmean(accuracies), 4), "n": group[0]["n"], "n_seeds": len(group)}
    if len(group) > 1:
        scores["sd"] = round(stdev(accuracies), 4)
    if all("accuracy_best_test_epoch" in cell for cell in group):
        scores["accuracy_best_test_epoch"] = round(fmean(cell["accuracy_best_test_epoch"] for cell in group), 4)
    return scores


def summary(groups: Groups) -> dict[str, Any]:
    """{"dataset-split": {label: scores}} and per split the averages over datasets, each dataset or each question counting alike."""
    numbers: dict[str, Any] = defaultdict(dict)
    columns: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for (split, name, dataset), group in groups.items():
        numbers[f"{dataset}-{split}"][name] = over_seeds(group)
        columns[split, name].append(over_seeds(group))
    for (split, name), scores in columns.items():
        total = sum(score["n"] for score in scores)
        by_question = sum(score["accuracy"] * score["n"] for score in scores) / total
        mean = {"accuracy": round(fmean(score["accuracy"] for score in scores), 4), "accuracy_by_question": round(by_question, 4)}
        numbers[f"average-{split}"][name] = {**mean, "n": total, "n_datasets": len(scores)}
    return dict(numbers)


def percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f}"


def line(name: str, rates: list[float | None], halves: list[float] | None = None) -> list[str]:
    """One table row: its name, its percentages, their average over datasets."""
    shown = [f"{percent(rate)} ±{100 * half:.1f}" for rate, half in zip(rates, halves, strict=True)] if halves else list(map(percent, rates))
    known = [rate for rate in rates if rate is not None]
    return [name, *shown, percent(fmean(known)) if len(known) == len(rates) else "-"]


def accuracy_table(groups: Groups, split: str, datasets: list[str]) -> list[list[str]]:
    """Header, reference rows (chance, priors, teachers), then a row per label; labels in the order of the grid, baselines last."""
    columns = [[cell for (s, _, d), group in groups.items() if (s, d) == (split, dataset) for cell in group] for dataset in datasets]
    references = {"chance": "chance", "train prior": "train_prior", "most frequent train answer": "train_most_frequent"}
    rows = [line(name, [cells_here[0][field] for cells_here in columns]) for name, field in references.items()]
    for teacher in dict.fromkeys(cell["teacher"] for cell in columns[0] if cell["teacher"]):
        theirs = [next(cell for cell in cells_here if cell["teacher"] == teacher) for cells_here in columns]
        rows.append(line(f"teacher {teacher}", [cell.get("teacher_accuracy") for cell in theirs]))
    for name in dict.fromkeys(cell["label"] for cell in columns[0]):
        scores = [over_seeds(groups[split, name, dataset]) for dataset in datasets]
        intervals = [wilson(score["accuracy"] * score["n"], int(score["n"])) for score in scores]
        rows.append(line(name, [score["accuracy"] for score in scores], [(high - low) / 2 for low, high in intervals]))
        if all("accuracy_best_test_epoch" in score for score in scores):
            rows.append(line(f"{name}, best test epoch", [score["accuracy_best_test_epoch"] for score in scores]))
    return [["", *datasets, "average"], *rows]


def marks(group: list[Cell]) -> list[int]:
    """Per test question, the number of seeds that answer it right."""
    return [sum(map(int, seeds)) for seeds in zip(*(cell["correct"] for cell in group), strict=True)]


def paired_table(groups: Groups, split: str, datasets: list[str]) -> list[list[str]]:
    """Each distilled student minus each baseline of the same student, with the corrected p of the paired test."""
    heads = {name: group[0] for (s, name, d), group in groups.items() if (s, d) == (split, datasets[0])}
    rows = []
    for name, ours in heads.items():
        for other, theirs in heads.items():
            if not ours["teacher"] or theirs["teacher"] or ours["student"] != theirs["student"]:
                continue
            pairs = [(groups[split, name, dataset], groups[split, other, dataset]) for dataset in datasets]
            differences = [over_seeds(a)["accuracy"] - over_seeds(b)["accuracy"] for a, b in pairs]
            p_values = holm([mcnemar(marks(a), marks(b)) for a, b in pairs])
            rows.append([f"{name} - {other}", *(f"{100 * d:+.1f} (p {p:.3f})" for d, p in zip(differences, p_values, strict=True))])
    return [["", *datasets], *rows]


def markdown(table: list[list[str]]) -> str:
    head, *rows = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([head, "|" + " --- |" * len(table[0]), *rows]) + "\n"


def show(title: str, table: list[list[str]]) -> None:
    printed = Table(*table[0], title=title)
    for row in table[1:]:
        printed.add_row(*row)
    Console().print(printed)


def accuracies(found: list[Cell]) -> str:
    """All cells as CSV, one line each; the corpus is teacher/curation, "-" for a baseline."""
    columns = ("cell", "dataset", "split", "method", "corpus", "student", "seed", *SCORES)
    rows = [{**cell, "corpus": "/".join(filter(None, (cell["teacher"], cell["curation"]))) or "-"} for cell in found]
    return pl.DataFrame([{name: row[name] for name in columns} for row in rows]).rename(SCORES).write_csv()


def main(
    cells_folder: Annotated[Path, typer.Argument(metavar="CELLS_DIR", help="metrics/cells")],
    summary_json: Annotated[Path, typer.Argument(help="Where the summary goes.")],
    table_md: Annotated[Path, typer.Argument(help="Where the tables go.")],
    accuracy_csv: Annotated[Path, typer.Argument(help="Where the long table goes.")],
) -> None:
    """Make the tables of the results and print them."""
    axes_of_run = block("run", Run)
    found = read_cells(cells_folder, cells(axes_of_run))
    groups, text = grouped(found), "# Results\n"
    for split in axes_of_run.splits:
        table, pairs = (make(groups, split, axes_of_run.datasets) for make in (accuracy_table, paired_table))
        text += f"\n## Split {split}\n\n{markdown(table)}\n{NOTE}"
        text += f"\n### Distilled against baselines\n\n{markdown(pairs)}\n{PAIRED_NOTE}" if len(pairs) > 1 else ""
        show(f"accuracy in %, split {split}", table)
    write_json(summary_json, summary(groups))
    write_text(table_md, text)
    write_text(accuracy_csv, accuracies(found))


if __name__ == "__main__":
    run(main)
