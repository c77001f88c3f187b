"""Licences: where each data set comes from, who made it, and what may be done with it."""

from rich.table import Column, Table

from stages.config.dataset import dataset_names, read_dataset


def licences_table() -> Table:
    """Every data set with its page, licence, citation and number of rows (Fine-tune-CoT appendix Table 3)."""
    names = ("dataset", "page", "licence", "citation", "rows")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for name in dataset_names():
        one = read_dataset(name, {})
        rows = "" if one.rows is None else str(one.rows)
        table.add_row(name, one.page or "", one.licence or "", one.citation or "", rows)
    return table
