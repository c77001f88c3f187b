"""Found rows: the completions that a name on the command line stands for, and the questions they answer."""

from collections.abc import Iterable
from pathlib import Path

from stages.records.completion import Completion, read_completions
from stages.records.example import Example, read_examples


def completions_of(name: str) -> dict[str, Completion]:
    """The first sample of every question, by id: of a cell, a teacher (DATASET-TEACHER) or a file of either.

    Without the rows of kept epochs. Raises ValueError for a name that is none of them, a file of something
    else, and a question with two first samples.
    """
    places = [Path(name), Path(f"data/predictions/{name}.jsonl"), Path(f"data/completions/{name}.jsonl")]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise ValueError(
            f"{name!r}: wanted a cell, DATASET-TEACHER or a file; there is none of"
            f" {', '.join(map(str, places))} (`dvc pull` brings them)"
        )
    rows = [row for row in read_completions(path) if row.sample == 0 and not row.origin.startswith("epoch ")]
    by_id = {row.example_id: row for row in rows}
    if len(by_id) < len(rows):
        raise ValueError(f"{path}: {len(rows)} rows of sample 0 for {len(by_id)} questions, wanted one each")
    return by_id


def examples_of(ids: Iterable[str]) -> dict[str, Example]:
    """The examples of these ids, "<dataset>-<row>", from data/examples.

    Raises ValueError for an id that is not there.
    """
    wanted = list(ids)
    datasets = sorted({one.rpartition("-")[0] for one in wanted})
    files = [Path(f"data/examples/{dataset}.jsonl") for dataset in datasets]
    known = {example.id: example for file in files for example in read_examples(file)}
    if missing := [one for one in wanted if one not in known]:
        raise ValueError(f"{len(missing)} questions are not in data/examples: {missing[:5]}")
    return {one: known[one] for one in wanted}
