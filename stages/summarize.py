"""Summarize: put the declared cells side by side (Fine-tune-CoT Table 1; DVC diffs the summary).

In: the JSON files of the cells and of the splits' test ids. Out: summary.json (small, for diffs), a Markdown
table per split with paired comparisons of what was distilled with each baseline, one per dataset and split of
what it makes of other datasets, and all accuracies as CSV.
"""

import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from stages.config.cli import run
from stages.config.load import block
from stages.config.run import Run, cells, transfer_cells
from stages.records.jsonl import write_json, write_text
from stages.results.cells import (
    Cell,
    Groups,
    apart,
    averages,
    grouped,
    over_seeds,
    percent,
    read_cells,
    score_text,
    seeds_text,
)
from stages.results.paired import NOTE as PAIRED_NOTE
from stages.results.paired import Reports, against_baselines, among_methods, paired_table
from stages.results.transfers import NOTE as TRANSFERS_NOTE
from stages.results.transfers import Targets, as_datasets, transfer_summary, transfer_table

# a cell's field -> its column in the CSV
SCORES = {"accuracy": "accuracy", "accuracy_low": "low", "accuracy_high": "high"}
NOTE = """± is half the 95 % Wilson interval of the test questions; seeds are averaged (several: then their sd, least and largest). Accuracies in %,
averages over datasets unweighted.
Best test epoch is the papers' protocol: chosen on the test part, hence optimistic. Train prior: answers drawn like the train part's.
"""
SAMPLES_NOTE = """Over all choices of k of the samples: how often the answer that most of them give is right (maj), how often any of them is (pass).
An answer that ties with others counts its share: the tie is decided by lot.
"""


def summary(groups: Groups) -> dict[str, Any]:
    """{"dataset-split": {label: scores}} and per split the averages over datasets, each dataset or each
    question counting alike.
    """
    numbers: dict[str, Any] = defaultdict(dict)
    columns: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for (split, name, dataset), group in groups.items():
        numbers[f"{dataset}-{split}"][name] = over_seeds(group)
        columns[split, name].append(over_seeds(group))
    for (split, name), scores in columns.items():
        numbers[f"average-{split}"][name] = averages(scores)
    return dict(numbers)


def line(name: str, rates: list[float | None], texts: list[str] | None = None) -> list[str]:
    """One table row: its name, its percentages (or what is said of them), their average over datasets."""
    known = [rate for rate in rates if rate is not None]
    return [name, *(texts or map(percent, rates)), percent(fmean(known)) if len(known) == len(rates) else "-"]


def accuracy_table(groups: Groups, split: str, datasets: list[str]) -> list[list[str]]:
    """Header, reference rows (chance, priors, teachers), then a row per label; labels in the order of the
    grid, baselines last.
    """
    columns = [
        [cell for (s, _, d), group in groups.items() if (s, d) == (split, dataset) for cell in group]
        for dataset in datasets
    ]
    references = {
        "chance": "chance",
        "train prior": "train_prior",
        "most frequent train answer": "train_most_frequent",
    }
    rows = [
        line(name, [cells_here[0][field] for cells_here in columns]) for name, field in references.items()
    ]
    for teacher in dict.fromkeys(cell["teacher"] for cell in columns[0] if cell["teacher"]):
        theirs = [next(cell for cell in cells_here if cell["teacher"] == teacher) for cells_here in columns]
        rows.append(line(f"teacher {teacher}", [cell.get("teacher_accuracy") for cell in theirs]))
    for name in dict.fromkeys(cell["label"] for cell in columns[0]):
        scores = [over_seeds(groups[split, name, dataset]) for dataset in datasets]
        rows.append(line(name, [score["accuracy"] for score in scores], list(map(score_text, scores))))
        if all("accuracy_best_test_epoch" in score for score in scores):
            rows.append(
                line(f"{name}, best test epoch", [score["accuracy_best_test_epoch"] for score in scores])
            )
    return [["", *datasets, "average"], *rows]


def seeds_score(values: list[float]) -> str:
    return percent(fmean(values)) + seeds_text(apart(values))


def subtask_table(groups: Groups, split: str, dataset: str) -> list[list[str]]:
    """A dataset's tasks, their mean, and the consistency over contrast sets, per label; [] for a dataset that
    is one task.
    """
    columns = {
        name: group
        for (s, name, d), group in groups.items()
        if (s, d) == (split, dataset) and "subtasks" in group[0]
    }
    if not columns:
        return []
    first = next(iter(columns.values()))[0]
    rows = [
        [
            f"{task} (n {score['n']})",
            *(
                percent(fmean(cell["subtasks"][task]["accuracy"] for cell in group))
                for group in columns.values()
            ),
        ]
        for task, score in first["subtasks"].items()
    ]
    below = {
        "subtask_average": "average over tasks",
        **({"consistency": f"consistent (n {first['pairs']})"} if "pairs" in first else {}),
    }
    rows += [
        [name, *(seeds_score([cell[field] for cell in group]) for group in columns.values())]
        for field, name in below.items()
    ]
    return [["", *columns], *rows]


def samples_table(groups: Groups, split: str, dataset: str) -> list[list[str]]:
    """What k of a student's samples achieve; [] for one sample a question."""
    rows = {
        name: group
        for (s, name, d), group in groups.items()
        if (s, d) == (split, dataset) and "at_k" in group[0]
    }
    if not rows:
        return []
    ks = sorted(next(iter(rows.values()))[0]["at_k"], key=int)
    # of one sample both are the accuracy
    columns = [(kind, k) for kind in ("majority", "pass") for k in ks[1:]]
    head = ["", f"avg@{ks[-1]}", *(f"{'maj' if kind == 'majority' else kind}@{k}" for kind, k in columns)]
    body = [
        [
            name,
            percent(over_seeds(group)["accuracy"]),
            *(percent(fmean(cell["at_k"][k][kind] for cell in group)) for kind, k in columns),
        ]
        for name, group in rows.items()
    ]
    return [head, *body]


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
    rows = [
        {**cell, "corpus": "/".join(filter(None, (cell["teacher"], cell["curation"]))) or "-"}
        for cell in found
    ]
    return pl.DataFrame([{name: row[name] for name in columns} for row in rows]).rename(SCORES).write_csv()


def section(title: str, table: list[list[str]], note: str = "") -> str:
    """Nothing for a table without rows."""
    return f"\n{title}\n\n{markdown(table)}{note}" if len(table) > 1 else ""


def comparisons(groups: Groups, split: str, datasets: list[str], reports: Reports) -> str:
    text = section(
        "### Distilled against baselines",
        paired_table(groups, split, datasets, against_baselines, reports),
        f"\n{PAIRED_NOTE}",
    )
    return text + section(
        "### Methods on one corpus",
        paired_table(groups, split, datasets, among_methods, reports),
        f"\n{PAIRED_NOTE}",
    )


def results(groups: Groups, declared: Run, reports: Reports) -> str:
    """All tables of the students' own test parts; the first of each split is printed too."""
    text = "# Results\n"
    for split in declared.splits:
        table = accuracy_table(groups, split, declared.datasets)
        show(f"accuracy in %, split {split}", table)
        text += section(f"## Split {split}", table, f"\n{NOTE}")
        text += comparisons(groups, split, declared.datasets, reports)
        for dataset in declared.datasets:
            text += section(f"### Tasks of {dataset}", subtask_table(groups, split, dataset))
            text += section(
                f"### Several samples, {dataset}", samples_table(groups, split, dataset), f"\n{SAMPLES_NOTE}"
            )
    return text


def transfers(own: Groups, targets: Targets, declared: Run, reports: Reports) -> str:
    """The tables of what the students make of other datasets."""
    text = "# Transfers\n"
    for split in declared.splits:
        for dataset in declared.datasets:
            if table := transfer_table(own, targets, split, dataset):
                show(f"learned on {dataset}, split {split}: accuracy in %", table)
                text += section(f"## Learned on {dataset}, split {split}", table, f"\n{TRANSFERS_NOTE}")
                there = as_datasets(targets, dataset)
                others = [target for target in targets if target != dataset]
                text += comparisons(there, split, others, reports)
                text += "".join(
                    section(f"### Tasks of {target}", subtask_table(there, split, target))
                    for target in others
                )
    return text if "##" in text else f"{text}\nNone: `run.transfers` of params.yaml names no other dataset.\n"


def main(
    cells_folder: Annotated[Path, typer.Argument(metavar="CELLS_DIR", help="metrics/cells")],
    transfers_folder: Annotated[Path, typer.Argument(metavar="TRANSFERS_DIR", help="metrics/transfers")],
    splits_folder: Annotated[
        Path, typer.Argument(metavar="SPLITS_DIR", help="metrics/splits, where the test ids stand.")
    ],
    summary_json: Annotated[Path, typer.Argument(help="Where the summary goes.")],
    table_md: Annotated[Path, typer.Argument(help="Where the tables go.")],
    transfers_md: Annotated[Path, typer.Argument(help="Where the tables of transfers go.")],
    accuracy_csv: Annotated[Path, typer.Argument(help="Where the long table goes.")],
) -> None:
    """Make the tables of the results and print them."""
    declared = block("run", Run)
    found = read_cells(cells_folder, cells(declared))
    elsewhere = read_cells(transfers_folder, transfer_cells(declared)) if declared.transfers else []
    own = grouped(found)
    targets = {
        name: grouped([cell for cell in elsewhere if cell["target"] == name]) for name in declared.transfers
    }
    reports = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in splits_folder.glob("*.json")
    }
    write_text(table_md, results(own, declared, reports))
    write_text(transfers_md, transfers(own, targets, declared, reports))
    write_json(summary_json, summary(own) | transfer_summary(own, targets))
    write_text(accuracy_csv, accuracies(found))


if __name__ == "__main__":
    run(main)
