"""Summarize: put the declared cells side by side (Fine-tune-CoT Table 1; DVC diffs the summary).

In: the JSON files of the cells and of the splits' test ids. Out: summary.json (small, for diffs), a Markdown
table per split with paired comparisons of what was distilled with each baseline, one per dataset and split of
what it makes of other datasets, and all accuracies as CSV.
"""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from stages.config.cli import run
from stages.config.load import block
from stages.config.run import SELDOM, Run
from stages.records.jsonl import read_object, write_json, write_text
from stages.results.cells import (
    Cell,
    Groups,
    Targets,
    corpus_name,
    group_seeds,
    group_targets,
    groups_elsewhere,
    read_own,
    read_transfers,
    summarize_cells,
)
from stages.results.paired import (
    PAIRED_NOTE,
    Reports,
    against_baselines,
    against_unmentored,
    among_decodings,
    among_methods,
    paired_table,
)
from stages.results.tables import (
    ACCURACY_NOTE,
    SAMPLES_NOTE,
    TRANSFERS_NOTE,
    accuracy_table,
    as_markdown,
    contamination_note,
    print_table,
    sample_table,
    task_table,
    transfer_table,
)

# a cell's field -> its column in the CSV
SCORES = {"accuracy": "accuracy", "accuracy_low": "low", "accuracy_high": "high"}


def section(title: str, table: list[list[str]], note: str = "") -> str:
    """Title, table and note as Markdown; nothing for a table without rows."""
    if len(table) < 2:
        return ""
    return "\n".join(["", title, "", as_markdown(table), *([note] if note else [])])


def paired_sections(groups: Groups, split: str, datasets: list[str], reports: Reports) -> str:
    who = {
        "### Distilled against baselines": against_baselines,
        "### With a mentor against without": against_unmentored,
        "### Methods on one corpus": among_methods,
        "### Decodings of the same students": among_decodings,
    }
    return "".join(
        section(title, paired_table(groups, split, datasets, pairs, reports), PAIRED_NOTE)
        for title, pairs in who.items()
    )


def result_page(own: Groups, declared: Run, reports: Reports) -> str:
    """All tables of the students' own test parts; the first of each split is printed too."""
    text = "# Results\n"
    for split in declared.splits:
        table = accuracy_table(own, split, declared.datasets)
        print_table(f"accuracy in %, split {split}", table)
        text += section(f"## Split {split}", table, ACCURACY_NOTE)
        text += paired_sections(own, split, declared.datasets, reports)
        for dataset in declared.datasets:
            text += section(f"### Tasks of {dataset}", task_table(own, split, dataset))
            samples = sample_table(own, split, dataset)
            text += section(f"### Several samples, {dataset}", samples, SAMPLES_NOTE)
    return text


def transfer_page(own: Groups, targets: Targets, declared: Run, reports: Reports) -> str:
    """The tables of what the students make of other datasets."""
    text = ""
    for split in declared.splits:
        for dataset in declared.datasets:
            table = transfer_table(own, targets, split, dataset)
            if not table:
                continue
            print_table(f"learned on {dataset}, split {split}: accuracy in %", table)
            note = TRANSFERS_NOTE + contamination_note(targets, split, dataset)
            text += section(f"## Learned on {dataset}, split {split}", table, note)
            elsewhere = groups_elsewhere(targets, dataset)
            others = [target for target in targets if target != dataset]
            text += paired_sections(elsewhere, split, others, reports)
            for target in others:
                text += section(f"### Tasks of {target}", task_table(elsewhere, split, target))
    none = "\nNone: `run.transfers` of params.yaml names no other dataset.\n"
    return f"# Transfers\n{text or none}"


def accuracies_csv(cells: list[Cell]) -> str:
    """All cells, one line each; with a column of mentors, and of first methods, where there are some."""
    some = [axis for axis in SELDOM if any(cell[axis] for cell in cells)]
    columns = ("cell", "dataset", "split", "method", "corpus", "student", "seed", *some, "decoding", *SCORES)
    rows = [{**cell, "corpus": corpus_name(cell)} for cell in cells]
    return pl.DataFrame([{name: row[name] for name in columns} for row in rows]).rename(SCORES).write_csv()


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
    cells = read_own(cells_folder, declared)
    own = group_seeds(cells)
    targets = group_targets(read_transfers(transfers_folder, declared), declared)
    reports = {path.stem: read_object(path) for path in splits_folder.glob("*.json")}
    write_text(table_md, result_page(own, declared, reports))
    write_text(transfers_md, transfer_page(own, targets, declared, reports))
    write_json(summary_json, summarize_cells(own, targets))
    write_text(accuracy_csv, accuracies_csv(cells))


if __name__ == "__main__":
    run(main)
