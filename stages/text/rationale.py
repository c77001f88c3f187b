"""What was said to which question - in a cell, by a teacher, in a file -, the answer in it as it is scored,
and the reasoning before that.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from stages.records.completion import Completion, read_completions
from stages.records.example import Example, read_examples
from stages.text.answers import read
from stages.text.formats import STATED, rationale_of

# sentences that state the answer, at the end
CLOSING = re.compile(rf"(?:{STATED.pattern}(?:[^.!?\n]|\.\d)*[.!?]?\s*)+$")


def answer_of(completion: Completion, example: Example) -> str | None:
    """The answer as stages/results/metrics.py scores it: where it is stated first. (A corpus takes the last
    place: stages/corpus/filters.py.)
    """
    choices = example.choices or []
    return read(
        completion.texts[-1], completion.answer_prefix, example.answer_type, len(choices), choices
    ).strict


def argument(completion: Completion) -> str:
    """The rationale without the prediction: before the first answer prefix, or all of the first step, without
    closing sentences that state an answer.

    SCoTD section 3.1.1 (footnote 8) takes the final prediction off what people compare; r' of CasCoD equation
    8. "" where only an answer was given. Reasoning that has reached its result before it closes still tells
    it.
    """
    if completion.answer_prefix and len(completion.texts) == 1:
        before, prefix, _ = completion.texts[0].partition(completion.answer_prefix)
        completion = replace(completion, texts=[before + prefix])
    return CLOSING.sub("", rationale_of(completion)).strip()


def rows_of(name: str) -> dict[str, Completion]:
    """The first sample of every question, by id: of a cell, of a teacher's completions (DATASET-TEACHER) or
    of a file of either; no kept epochs.

    Raises ValueError for a name that is none of them, a file of something else, and a question with two first
    samples.
    """
    places = [Path(name), Path(f"data/predictions/{name}.jsonl"), Path(f"data/completions/{name}.jsonl")]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise ValueError(
            f"{name!r}: wanted a cell, DATASET-TEACHER or a file; there is none of"
            f" {', '.join(map(str, places))} (`dvc pull` brings them)"
        )
    rows = [row for row in read_completions(path) if row.sample == 0 and not row.origin.startswith("epoch ")]
    if len(found := {row.example_id: row for row in rows}) < len(rows):
        raise ValueError(f"{path}: {len(rows)} rows of sample 0 for {len(found)} questions, wanted one each")
    return found


def examples_of(ids: Iterable[str]) -> dict[str, Example]:
    """The examples of these ids, "<dataset>-<row>", from data/examples. Raises ValueError for an id that is
    not there.
    """
    wanted = list(ids)
    folders = sorted({one.rpartition("-")[0] for one in wanted})
    known = {
        example.id: example
        for name in folders
        for example in read_examples(Path(f"data/examples/{name}.jsonl"))
    }
    if missing := [one for one in wanted if one not in known]:
        raise ValueError(f"{len(missing)} questions are not in data/examples: {missing[:5]}")
    return {one: known[one] for one in wanted}
