"""Join: a mentor's completions through the teacher's curation, and into the teacher's corpus.

In: examples, split, what the mentor said to train and validation questions, the teacher's corpus. Out: both
as one corpus, each rationale of a question once, and the funnel of what the mentor said. Sources: Mentor-KD
(arXiv 2410.09037), RFT (arXiv 2308.01825).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from stages.config.cli import run
from stages.config.mentor import read_mentor
from stages.corpus.curated import curate
from stages.corpus.filters import keep_correct
from stages.corpus.inputs import Inputs, read_inputs
from stages.corpus.joined import joined
from stages.records.completion import Completion, CompletionsByQuestion, write_completions
from stages.records.example import LEARNED
from stages.records.jsonl import write_json


def own_inputs(name: str, examples: Path, split: Path, said: Path) -> Inputs:
    """What `curate` takes of a mentor: the teacher's curation without its budgets, for a mentor has one of
    its own, `samples`.
    """
    inputs = read_inputs(name, examples, split, said)
    without = inputs.curation.model_copy(update={"per_question": None, "select": None})
    return inputs._replace(curation=without)


def accuracy(inputs: Inputs) -> float | None:
    """The share of right ones among all that the mentor said to train questions without a hint."""
    train = {*inputs.split["train"]}
    asked = right = 0
    for rows in inputs.questions:
        own = [row for row in rows if row.example_id in train and not row.rationalised]
        asked += len(own)
        right += len(keep_correct(own, inputs.examples))
    return round(right / asked, 4) if asked else None


def rows_joined(
    taught: Mapping[str, list[Completion]],
    own: Mapping[str, list[Completion]],
    inputs: Inputs,
    counts: dict[str, Counter[str]],
) -> Iterator[Completion]:
    """The corpus, train questions first; what it is of in `counts`, by part."""
    for part in LEARNED:
        listed = {*inputs.split[part]}
        counts[part] = Counter({"teacher": 0, "mentor": 0, "said_already": 0})
        yield from joined(taught, own, (one for one in inputs.examples if one in listed), counts[part])


def main(
    name: Annotated[
        str, typer.Argument(metavar="CURATION", help="A block under `curations` in params.yaml.")
    ],
    mentor: Annotated[str, typer.Argument(help="A student; `mentors.NAME` in params.yaml may say how.")],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    split: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    said: Annotated[Path, typer.Argument(help="data/mentored/..., what the mentor said.")],
    corpus: Annotated[Path, typer.Argument(help="data/corpora/..., the teacher's corpus.")],
    out: Annotated[Path, typer.Argument(help="Where the joined corpus goes.")],
    funnel: Annotated[Path, typer.Argument(help="Where the counts go (JSON).")],
) -> None:
    """Join what a mentor said to what its teacher said."""
    inputs = own_inputs(name, examples, split, said)
    counts: dict[str, object] = {}
    own: dict[str, list[Completion]] = defaultdict(list)
    for _, row in curate(*inputs, counts):
        own[row.example_id].append(row)
    taught = CompletionsByQuestion(corpus) if read_mentor(mentor).join else {}
    parts: dict[str, Counter[str]] = {}
    write_completions(out, rows_joined(taught, own, inputs, parts))
    del counts["teacher_accuracy_train"], counts["questions_below_budget"]
    write_json(funnel, {**counts, "joined": parts, "mentor_accuracy_train": accuracy(inputs)})


if __name__ == "__main__":
    run(main)
