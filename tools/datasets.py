"""Datasets: where each data set comes from, who made it, and what may be done with it."""

from rich.table import Column, Table

from stages.config.dataset import dataset_names, read_dataset
from tools.tables import console


def main() -> None:
    """List page, licence, citation and rows of every data set (Fine-tune-CoT appendix Table 3)."""
    names = ("dataset", "page", "licence", "citation", "rows")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for name in dataset_names():
        dataset = read_dataset(name, {})
        rows = "" if dataset.rows is None else f"{dataset.rows:,}"
        table.add_row(name, dataset.page or "", dataset.licence or "", dataset.citation or "", rows)
    console().print(table)
