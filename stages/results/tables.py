"""Tables of cells: rows of texts, a header first; a table without rows is [].

Accuracies as in Fine-tune-CoT Table 1, transfers as in CasCoD Table 1, tasks, several samples.
"""

from collections.abc import Mapping
from statistics import fmean

from rich.console import Console
from rich.table import Table

from stages.results.cells import (
    Cell,
    Groups,
    Scores,
    Targets,
    average_transfers,
    seed_scores,
    seed_spread,
    transfer_scores,
)
from stages.results.statistics import wilson

ACCURACY_NOTE = (
    "± is half the 95 % Wilson interval of the test questions; seeds are averaged (several: then their sd,"
    " least and largest). Accuracies in %,\naverages over datasets unweighted.\n"
    "Best test epoch is the papers' protocol: chosen on the test part, hence optimistic. Train prior: answers"
    " drawn like the train part's.\n"
)
SAMPLES_NOTE = (
    "Over all choices of k of the samples: how often the answer that most of them give is right (maj), how"
    " often any of them is (pass).\n"
    "An answer that ties with others counts its share: the tie is decided by lot.\n"
)
TRANSFERS_NOTE = (
    "Accuracies in %. Own is the test part of what was learned; ± is half the 95 % Wilson interval of the"
    " test questions; seeds are averaged\n(several: then their sd, least and largest).\n"
    "OOD: over the other datasets; average: over all. Each dataset counts alike (two parts of one benchmark"
    " count twice) or, by question, each question.\n"
)


def as_markdown(table: list[list[str]]) -> str:
    head, *rows = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([head, "|" + " --- |" * len(table[0]), *rows]) + "\n"


def print_table(title: str, table: list[list[str]]) -> None:
    printed = Table(*table[0], title=title)
    for row in table[1:]:
        printed.add_row(*row)
    Console().print(printed)


def percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f}"


def spread_text(scores: Mapping[str, float]) -> str:
    """What follows a mean over several seeds, in %: ", sd 2.1, 50.0-56.7"; nothing for one seed."""
    if "sd" not in scores:
        return ""
    return f", sd {percent(scores['sd'])}, {percent(scores['min'])}-{percent(scores['max'])}"


def score_text(scores: Mapping[str, float]) -> str:
    """An accuracy over seeds, in %: the mean, half its 95 % Wilson interval, how far the seeds lie apart."""
    low, high = wilson(scores["accuracy"] * scores["n"], int(scores["n"]))
    return f"{percent(scores['accuracy'])} ±{50 * (high - low):.1f}{spread_text(scores)}"


def mean_text(group: list[Cell], field: str) -> str:
    """Any field over seeds, in %: the mean, and how far the seeds lie apart."""
    values = [cell[field] for cell in group]
    return percent(fmean(values)) + spread_text(seed_spread(values))


def rate_row(name: str, rates: list[float | None], texts: list[str] | None = None) -> list[str]:
    """A row: its name, its rates in % (or `texts` for them), their average over data sets."""
    known = [rate for rate in rates if rate is not None]
    average = percent(fmean(known)) if len(known) == len(rates) else "-"
    return [name, *(texts or map(percent, rates)), average]


def reference_rows(columns: list[list[Cell]]) -> list[list[str]]:
    """What students are measured by: chance, priors, teachers. `columns` has each data set's cells."""
    references = {
        "chance": "chance",
        "train prior": "train_prior",
        "most frequent train answer": "train_most_frequent",
    }
    rows = [rate_row(name, [cells[0][field] for cells in columns]) for name, field in references.items()]
    for teacher in dict.fromkeys(cell["teacher"] for cell in columns[0] if cell["teacher"]):
        taught = [next(cell for cell in cells if cell["teacher"] == teacher) for cells in columns]
        shown = any(cell.get("teacher_rationalised") for cell in taught)
        name = f"teacher {teacher}{', shown the gold answers' * shown}"
        rows.append(rate_row(name, [cell.get("teacher_accuracy") for cell in taught]))
    return rows


def accuracy_table(groups: Groups, split: str, datasets: list[str]) -> list[list[str]]:
    """Reference rows, then a row per label; labels in the order of the grid, baselines last."""
    columns = [
        [cell for (s, _, d), group in groups.items() if (s, d) == (split, dataset) for cell in group]
        for dataset in datasets
    ]
    rows = reference_rows(columns)
    for label in dict.fromkeys(cell["label"] for cell in columns[0]):
        scores = [seed_scores(groups[split, label, dataset]) for dataset in datasets]
        rows.append(rate_row(label, [score["accuracy"] for score in scores], [*map(score_text, scores)]))
        if all("accuracy_best_test_epoch" in score for score in scores):
            best: list[float | None] = [score["accuracy_best_test_epoch"] for score in scores]
            rows.append(rate_row(f"{label}, best test epoch", best))
    return [["", *datasets, "average"], *rows]


def groups_with(field: str, groups: Groups, split: str, dataset: str) -> dict[str, list[Cell]]:
    """Label -> seeds of one data set whose cells have a field."""
    return {
        label: group
        for (s, label, d), group in groups.items()
        if (s, d) == (split, dataset) and field in group[0]
    }


def task_table(groups: Groups, split: str, dataset: str) -> list[list[str]]:
    """A data set's tasks, their mean, and the consistency over contrast sets; [] for one that is one task."""
    columns = groups_with("subtasks", groups, split, dataset)
    if not columns:
        return []
    first = next(iter(columns.values()))[0]
    rows = [["", *columns]]
    for task, score in first["subtasks"].items():
        rates = [fmean(cell["subtasks"][task]["accuracy"] for cell in group) for group in columns.values()]
        rows.append([f"{task} (n {score['n']})", *map(percent, rates)])
    below = {"average over tasks": "subtask_average"}
    if "pairs" in first:
        below[f"consistent (n {first['pairs']})"] = "consistency"
    for name, field in below.items():
        rows.append([name, *(mean_text(group, field) for group in columns.values())])
    return rows


def sample_table(groups: Groups, split: str, dataset: str) -> list[list[str]]:
    """What k of a student's samples achieve; [] for one sample a question."""
    students = groups_with("at_k", groups, split, dataset)
    if not students:
        return []
    first, *ks = sorted(next(iter(students.values()))[0]["at_k"], key=int)  # of one both are the accuracy
    columns = {f"maj@{k}": ("majority", k) for k in ks} | {f"pass@{k}": ("pass", k) for k in ks}
    rows = [["", f"avg@{[first, *ks][-1]}", *columns]]
    for label, group in students.items():
        rates = [fmean(cell["at_k"][k][kind] for cell in group) for kind, k in columns.values()]
        rows.append([label, percent(seed_scores(group)["accuracy"]), *map(percent, rates)])
    return rows


def transfer_row(scores: dict[str, Scores], names: list[str], intervals: bool = True) -> list[str]:
    """A student's scores in the table of transfers, averages last."""
    own = [score_text(scores[name]) if intervals else percent(scores[name]["accuracy"]) for name in names]
    means = [
        percent(scores[over][kind])
        for over in ("OOD", "AVERAGE")
        for kind in ("accuracy", "accuracy_by_question")
    ]
    return [*own, *means]


def transfer_table(own: Groups, targets: Targets, split: str, dataset: str) -> list[list[str]]:
    """Chance, then a row per label; [] where there is no other target."""
    students = transfer_scores(own, targets, split, dataset)
    if not students:
        return []
    others = [name for name in targets if name != dataset]
    place = (split, next(iter(students)), dataset)
    cells = {dataset: own[place][0], **{name: targets[name][place][0] for name in others}}
    chance = {name: {"accuracy": cell["chance"], "n": cell["n"]} for name, cell in cells.items()}
    expected = average_transfers(dataset, chance.pop(dataset), chance)
    averages = ["OOD", "OOD by question", "average", "average by question"]
    rows = [["chance", *transfer_row(expected, [dataset, *others], intervals=False)]]
    rows += [[label, *transfer_row(scores, [dataset, *others])] for label, scores in students.items()]
    return [["", f"{dataset} (own)", *others, *averages], *rows]


def contamination_note(targets: Targets, split: str, dataset: str) -> str:
    """A line for each target of which questions stand in the train part, word for word; "" where none do."""
    lines = []
    for target, groups in targets.items():
        cells = [group[0] for place, group in groups.items() if (place[0], place[2]) == (split, dataset)]
        known = next((cell["contamination"] for cell in cells if "contamination" in cell), None)
        if target == dataset or not known or not any(known.values()):
            continue
        lines.append(
            f"Contamination: {known['equal_rows']:,} of {cells[0]['n']:,} questions of {target} stand word"
            f" for word in the train part of {dataset}, {known['ngram_rows']:,} share eight words in a row"
            " with it.\n"
        )
    return "".join(lines)
