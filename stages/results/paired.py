"""Paired: two students on the same questions, whose difference is tested question by question."""

from collections.abc import Callable, Mapping
from itertools import combinations, product
from statistics import fmean
from typing import Any, NamedTuple

from stages.results.cells import Cell, Groups
from stages.results.statistics import FEWEST_CLUSTERS, Interval, holm, mcnemar, paired, paired_interval

Heads = Mapping[str, Cell]  # label -> one of its cells
# DATASET-SPLIT -> what stands in metrics/splits (stages/corpus/leakage.py)
Reports = Mapping[str, Mapping[str, Any]]
RESAMPLED = (
    "Resampled are groups of questions that are alike (a contrast pair, a task, else a template) where there"
    f" are {FEWEST_CLUSTERS} or more, else the questions."
)
PAIRED_NOTE = (
    "Difference in points on the same questions with its 95 % interval, from 10,000 paired bootstrap"
    " resamples, and p of McNemar's exact test,\nHolm-corrected over the datasets of the row.\n"
    f"{RESAMPLED}\n"
    "Several seeds: difference and interval are of a question's mean over them; the test counts it once, for"
    " the side with the larger share of seeds\nthat answer it right, and as independent of the others."
    " Several samples:"
    " their majority answer counts.\n"
)


class Questions(NamedTuple):
    """The test questions of a dataset's split, in the order of a cell's `correct`."""

    ids: list[str]
    clusters: list[str] | None  # one label per id; None: a report from before they stood in it
    place: str  # "DATASET-SPLIT"


def asked_questions(reports: Reports, place: str) -> Questions:
    """What the leakage report at `place` says of its test part.

    Raises ValueError unless there are as many labels as ids, or none.
    """
    report = reports.get(place, {})
    ids = report.get("test_ids", "").split()
    clusters = report.get("test_clusters", "").split()
    if clusters and len(clusters) != len(ids):
        raise ValueError(
            f"metrics/splits/{place}.json: {len(clusters)} test_clusters for {len(ids)} test_ids, wanted one"
            " each"
        )
    return Questions(ids, clusters or None, place)


def marks_by_id(asked: Questions, marks: str) -> dict[str, int]:
    """1 or 0 per test id. Raises ValueError unless there is one id for each mark."""
    if len(asked.ids) != len(marks):
        raise ValueError(
            f"{len(marks)} marks, {len(asked.ids)} test_ids in metrics/splits/{asked.place}.json: wanted one"
            " id for each mark"
        )
    return dict(zip(asked.ids, map(int, marks), strict=True))


def against_baselines(heads: Heads) -> list[tuple[str, str]]:
    """Each distilled student and each baseline of the same student, asked in the same way."""
    return [
        (name, other)
        for (name, ours), (other, theirs) in product(heads.items(), repeat=2)
        if ours["teacher"]
        and not theirs["teacher"]
        and all(ours[axis] == theirs[axis] for axis in ("student", "decoding"))
    ]


def among_methods(heads: Heads) -> list[tuple[str, str]]:
    """Methods that train the same student on the same corpus, the later one in `run.methods` first."""
    corpus = ("teacher", "curation", "student", "decoding", "mentor")
    return [
        (name, other)
        for (other, theirs), (name, ours) in combinations(heads.items(), 2)
        if ours["teacher"] and all(ours[axis] == theirs[axis] for axis in corpus)
    ]


def against_unmentored(heads: Heads) -> list[tuple[str, str]]:
    """Each student that learned from a mentor too, and the same one that learned from the teacher alone."""
    same = ("teacher", "curation", "method", "student", "decoding", "first")
    return [
        (name, other)
        for (name, ours), (other, theirs) in product(heads.items(), repeat=2)
        if ours["mentor"] and not theirs["mentor"] and all(ours[axis] == theirs[axis] for axis in same)
    ]


def among_decodings(heads: Heads) -> list[tuple[str, str]]:
    """Two ways in which the same students are asked, the later one in `run.decodings` first."""
    trained = ("teacher", "curation", "method", "student", "mentor", "first")
    return [
        (name, other)
        for (other, theirs), (name, ours) in combinations(heads.items(), 2)
        if all(ours[axis] == theirs[axis] for axis in trained)
    ]


class Difference(NamedTuple):
    """First minus second on the same questions, as a share of them."""

    mean: float
    interval: Interval
    p: float  # uncorrected


def seeds_right(group: list[Cell], asked: Questions) -> dict[str, float]:
    """Per test id, the share of seeds that answer it right."""
    marks = [marks_by_id(asked, cell["correct"]) for cell in group]
    return {one: sum(seed[one] for seed in marks) / len(group) for one in asked.ids}


def paired_difference(ours: list[Cell], theirs: list[Cell], asked: Questions) -> Difference:
    """Two groups of seeds: intervals pair a question's means over seeds, the test counts it once.

    Raises ValueError for marks without ids.
    """
    first, second = paired(seeds_right(ours, asked), seeds_right(theirs, asked))
    interval = paired_interval(first, second, asked.clusters)
    return Difference(fmean(first) - fmean(second), interval, mcnemar(first, second))


def points_text(share: float) -> str:
    return f"{100 * share:+.1f}"


def interval_text(interval: Interval) -> str:
    """ "-8.1 to +27.4", in points."""
    return f"{points_text(interval.low)} to {points_text(interval.high)}"


def p_text(p: float) -> str:
    """Three decimals, never 0."""
    return f"{p:.3f}" if p >= 0.0005 else "<0.001"


def paired_table(
    groups: Groups,
    split: str,
    datasets: list[str],
    pairs: Callable[[Heads], list[tuple[str, str]]],
    reports: Reports,
) -> list[list[str]]:
    """First minus second of each pair, its interval and the corrected p of the paired test.

    The header says what was resampled. Raises ValueError for cells whose questions are not those of
    metrics/splits.
    """
    table = [["", *datasets]]
    asked = {dataset: asked_questions(reports, f"{dataset}-{split}") for dataset in datasets}
    heads = {label: group[0] for (s, label, d), group in groups.items() if (s, d) == (split, datasets[0])}
    for label, other in pairs(heads):
        found = {
            dataset: paired_difference(
                groups[split, label, dataset], groups[split, other, dataset], asked[dataset]
            )
            for dataset in datasets
        }
        corrected = holm([one.p for one in found.values()])
        table[0] = ["", *(f"{dataset}, over {one.interval.over}" for dataset, one in found.items())]
        texts = [
            f"{points_text(one.mean)} ({interval_text(one.interval)}, p {p_text(p)})"
            for one, p in zip(found.values(), corrected, strict=True)
        ]
        table.append([f"{label} - {other}", *texts])
    return table
