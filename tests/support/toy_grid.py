"""A small grid: two data sets, a distilled student and a baseline, two seeds, with marks to count by hand."""

from pathlib import Path

from made_cells import write_cell

from stages.config.run import Run
from stages.results.cells import Groups, Targets, group_seeds, group_targets, read_own, read_transfers
from stages.results.statistics import wilson

GRID = {
    "preset": "toy",
    "datasets": ["toy_a", "toy_b"],
    "splits": ["sample"],
    "teachers": ["scripted_2"],
    "curations": ["answer"],
    "methods": ["with_steps"],
    "baselines": ["no_steps"],
    "students": ["tiny"],
    "seeds": [0, 1],
    "decodings": ["greedy"],
}
MARKS = {
    "toy_a-sample-scripted_2-answer-with_steps-tiny-0-greedy": "1111111100",
    "toy_a-sample-scripted_2-answer-with_steps-tiny-1-greedy": "1111111000",
    "toy_b-sample-scripted_2-answer-with_steps-tiny-0-greedy": "1010",
    "toy_b-sample-scripted_2-answer-with_steps-tiny-1-greedy": "1010",
    "toy_a-sample-no_steps-tiny-0-greedy": "1000000000",
    "toy_a-sample-no_steps-tiny-1-greedy": "0000000000",
    "toy_b-sample-no_steps-tiny-0-greedy": "1010",
    "toy_b-sample-no_steps-tiny-1-greedy": "1110",
}
WITH = "with_steps (scripted_2/answer/tiny)"
WITHOUT = "no_steps (tiny)"
# toy_c is asked of both data sets' students, toy_b of its own too: DVC's matrix leaves no cell out
TARGETS = {**GRID, "extra_datasets": ["toy_c"], "transfers": ["toy_b", "toy_c"]}
ELSEWHERE = {"toy_b": "0110", "toy_c": "10000000000000000000"}
MOVED = {
    f"{name}-{target}": marks if name.startswith(target) else elsewhere
    for name, marks in MARKS.items()
    for target, elsewhere in ELSEWHERE.items()
}


def split_report(dataset: str, n: int, **fields: str) -> dict[str, str]:
    """What stands in metrics/splits, as far as cells are compared by it."""
    return {"test_ids": " ".join(f"{dataset}-{row}" for row in range(n)), **fields}


REPORTS = {
    f"{dataset}-sample": split_report(dataset, n)
    for dataset, n in {"toy_a": 10, "toy_b": 4, "toy_c": 20}.items()
}


def write_marks(folder: Path, cells: dict[str, str]) -> None:
    """{name: marks} as cells, those with a teacher with what only they have."""
    for name, marks in cells.items():
        accuracy = marks.count("1") / len(marks)
        low, high = wilson(marks.count("1"), len(marks))
        numbers = {"n": len(marks), "accuracy": accuracy, "accuracy_low": low, "accuracy_high": high}
        numbers |= {"chance": 0.5, "train_prior": 0.4, "train_most_frequent": 0.6}
        if "scripted_2" in name:
            numbers |= {"teacher_accuracy": 0.9, "accuracy_best_test_epoch": accuracy + 0.1}
        write_cell(folder, name, correct=marks, **numbers)


def write_grid(folder: Path) -> None:
    write_marks(folder / "cells", MARKS)
    write_marks(folder / "transfers", MOVED)


def read_grid(folder: Path) -> tuple[Groups, Targets]:
    """The groups of the cells, and of the transfers by target."""
    run = Run.model_validate(TARGETS)
    own = group_seeds(read_own(folder / "cells", run))
    return own, group_targets(read_transfers(folder / "transfers", run), run)
