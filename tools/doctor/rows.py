"""Rows: what a split will not have, and rationales whose teacher had seen the gold answer."""

from collections.abc import Iterator
from itertools import product

from stages.config.split import Split
from stages.teachers.released import SOURCES
from tools.doctor.findings import Finding
from tools.doctor.setting import Setting


def cuts(setting: Setting) -> Iterator[tuple[str, str, Split]]:
    """(data set, split, its block) of all that the run cuts."""
    run = setting.run
    for dataset, split in [*product(run.datasets, run.splits), *product(run.extra_datasets, ["extra"])]:
        yield dataset, split, setting.checked.splits[split]


def find_rows(setting: Setting) -> Iterator[Finding]:
    """Each data set whose files are here is cut as `split` will cut it."""
    unseen = []
    for dataset, name, split in cuts(setting):
        try:
            if setting.book(dataset).parts(split) is None:
                unseen.append(dataset)
        except ValueError as error:
            yield Finding("rows", "stops", f"splits.{name} on {dataset}", str(error))
    if unseen:
        names = ", ".join(dict.fromkeys(unseen))
        yield Finding("rows", "ok", names, "not here yet: only what their YAML says was looked at")


def find_rationalised(setting: Setting) -> Iterator[Finding]:
    """A teacher that was shown the gold answer: a filter by answers proves nothing about its rationales."""
    why = "had been shown the gold answer: its accuracy and a filter by answers prove nothing"
    for name, settings in setting.teachers():
        sources = getattr(settings, "sources", [])
        shown = dict.fromkeys(SOURCES[source].model for source in sources if SOURCES[source].rationalised)
        if settings.backend == "responses":
            for dataset in setting.run.datasets:
                columns = setting.book(dataset).dataset.columns
                if columns and columns.responses and columns.responses.rationalised:
                    shown[columns.responses.model] = None
        if shown:
            yield Finding("rationalised", "warning", f"teachers.{name}", f"{', '.join(shown)} {why}")
