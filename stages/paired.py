"""Paired: two students on the same questions, whose difference is tested question by question."""

from collections.abc import Callable, Mapping
from itertools import combinations, product

from stages.cells import Cell, Groups, over_seeds
from stages.statistics import holm, mcnemar

Heads = Mapping[str, Cell]  # label -> one of its cells
NOTE = """Difference in points on the same questions, p of McNemar's exact test, Holm-corrected over the datasets of the row.
A question counts once: for the side that answers it right with more of its seeds (with several samples: by their majority answer).
"""


def against_baselines(heads: Heads) -> list[tuple[str, str]]:
    """Each distilled student and each baseline of the same student."""
    return [
        (name, other)
        for (name, ours), (other, theirs) in product(heads.items(), repeat=2)
        if ours["teacher"] and not theirs["teacher"] and ours["student"] == theirs["student"]
    ]


def among_methods(heads: Heads) -> list[tuple[str, str]]:
    """Methods that train the same student on the same corpus, the later one in `run.methods` first."""
    corpus = ("teacher", "curation", "student")
    return [
        (name, other)
        for (other, theirs), (name, ours) in combinations(heads.items(), 2)
        if ours["teacher"] and all(ours[axis] == theirs[axis] for axis in corpus)
    ]


def marks(group: list[Cell]) -> list[int]:
    """Per test question, the number of seeds that answer it right."""
    return [sum(map(int, seeds)) for seeds in zip(*(cell["correct"] for cell in group), strict=True)]


def paired_table(groups: Groups, split: str, datasets: list[str], pairs: Callable[[Heads], list[tuple[str, str]]]) -> list[list[str]]:
    """First minus second of each pair, with the corrected p of the paired test."""
    rows = []
    for name, other in pairs({name: group[0] for (s, name, d), group in groups.items() if (s, d) == (split, datasets[0])}):
        both = [(groups[split, name, dataset], groups[split, other, dataset]) for dataset in datasets]
        differences = [over_seeds(a)["accuracy"] - over_seeds(b)["accuracy"] for a, b in both]
        p_values = holm([mcnemar(marks(a), marks(b)) for a, b in both])
        rows.append([f"{name} - {other}", *(f"{100 * d:+.1f} (p {p:.3f})" for d, p in zip(differences, p_values, strict=True))])
    return [["", *datasets], *rows]
