"""Inputs: what a curation reads - completions question by question, examples, the split, what it names."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from stages.config.curation import Curation, golden_file
from stages.config.load import block
from stages.corpus.bands import measure_of
from stages.corpus.sieve import Given
from stages.corpus.verdicts import read_verdicts
from stages.records.completion import Completion, iter_questions
from stages.records.example import Example, read_examples
from stages.records.jsonl import read_text


def read_golden(path: Path, examples: Mapping[str, Example]) -> set[str]:
    """The listed ids that are of these examples; a line that begins with "#" is a remark.

    Raises ValueError where an id of this dataset names no example or none is listed.
    """
    datasets = {example.dataset for example in examples.values()}
    lines = (line.strip() for line in read_text(path).splitlines())
    listed = {line for line in lines if line and not line.startswith("#")}
    ours = {example_id for example_id in listed if example_id.rpartition("-")[0] in datasets}
    strange = sorted(ours - examples.keys())
    if not ours or strange:
        raise ValueError(f"{path}: wanted ids of {sorted(datasets)}, got {strange[:5] or 'none of them'}")
    return ours


def check_rows(completions: list[Completion], examples: Mapping[str, Example], path: Path) -> None:
    """Raises ValueError for completions of what is no example and for two with the same sample index."""
    seen = set()
    for row in completions:
        if row.example_id not in examples:
            raise ValueError(f"{path}: completion of {row.example_id!r}, which is no example")
        if row.sample in seen:
            raise ValueError(f"{path}: {row.example_id!r} has sample {row.sample} twice, wanted one row each")
        seen.add(row.sample)


@dataclass(frozen=True)
class Questions:
    """A file's completions, question by question, each time anew: they need not fit into memory."""

    path: Path
    examples: Mapping[str, Example]

    def __iter__(self) -> Iterator[list[Completion]]:
        for rows in iter_questions(self.path):
            check_rows(rows, self.examples, self.path)
            yield rows


class Inputs(NamedTuple):
    """What `curate` takes, in its order."""

    questions: Questions
    examples: dict[str, Example]
    split: dict[str, list[str]]
    curation: Curation
    given: Given


def read_inputs(name: str, examples: Path, split: Path, completions: Path) -> Inputs:
    """The curation `name` of params.yaml, the files, and what the curation names besides."""
    curation = block(f"curations.{name}", Curation)
    by_id = {example.id: example for example in read_examples(examples)}
    parts = json.loads(split.read_text(encoding="utf-8"))
    given = read_given(f"curations.{name}", curation, by_id)
    return Inputs(Questions(completions, by_id), by_id, parts, curation, given)


def read_given(where: str, curation: Curation, examples: Mapping[str, Example]) -> Given:
    """What the curation's block, at `where`, names. Raises ValueError for what is not there or is another."""
    golden = read_golden(golden_file(curation.golden), examples) if curation.golden else set()
    length = curation.length
    measure = measure_of(length, curation.train_on, f"{where}.length") if length else None
    verdicts = curation.verdicts
    found = read_verdicts(verdicts, f"{where}.verdicts", examples) if verdicts else {}
    return Given(golden, measure, found)
