"""Datasets: what a data set is, and what may be done with it."""

from stages.prepare import licences
from tools.tables import console


def main() -> None:
    """List page, licence, citation and rows of every data set."""
    console().print(licences())
