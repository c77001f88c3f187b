"""Schemes: the ways to part a data set's examples into train and test, and to cut a part to its size.

Examples are named by their row, their position in the list. A block is a list of rows that no cut divides.
"""

from collections import defaultdict
from hashlib import sha256
from itertools import chain
from pathlib import Path

import numpy

from stages.corpus.leakage import Rows
from stages.records.example import PARTS, Example
from stages.records.jsonl import parse_json, read_text


def blocks_of(rows: Rows, groups: list[int]) -> list[Rows]:
    """`rows` as blocks of one group each."""
    blocks = defaultdict(list)
    for row in rows:
        blocks[groups[row]].append(row)
    return list(blocks.values())


def rows_in(blocks: list[Rows]) -> Rows:
    return list(chain.from_iterable(blocks))


def shuffle_blocks(blocks: list[Rows], examples: list[Example], seed: int) -> list[Rows]:
    """`blocks` in an order that their questions and the seed decide, whatever the order of the rows.

    So what is cut from its start is nested.
    """

    def key(rows: Rows) -> tuple[str, str]:
        question, example_id = min((examples[row].question, examples[row].id) for row in rows)
        return sha256(f"{seed} {question}".encode()).hexdigest(), example_id

    return sorted(blocks, key=key)


def take_blocks(blocks: list[Rows], size: int | float, what: str) -> tuple[Rows, Rows]:
    """(rows taken from the start, rows left).

    A share (float) of the blocks, at least one, or whole blocks until there are `size` rows (int).
    """
    if isinstance(size, float):
        count = max(1, round(size * len(blocks))) if size else 0
    else:
        totals = numpy.cumsum([0, *map(len, blocks)])
        if size > totals[-1]:
            raise ValueError(f"{what}: wanted {size} rows, there are {totals[-1]} to take them from")
        count = int(numpy.searchsorted(totals, size))
    return rows_in(blocks[:count]), rows_in(blocks[count:])


def split_by_sample(blocks: list[Rows], test: float, seed: int) -> dict[str, Rows]:
    """Blocks at random until the train part has its share of the rows.

    Seed 0, test 0.3 and a block per row give Fine-tune-CoT's index files. Where blocks have several rows,
    the train part may get more than its share, by less than one block.
    """
    order = [blocks[place] for place in numpy.random.RandomState(seed).permutation(len(blocks))]
    totals = numpy.cumsum([0, *map(len, order)])
    count = int(numpy.searchsorted(totals, round((1 - test) * int(totals[-1]))))
    return {"train": rows_in(order[:count]), "test": rows_in(order[count:])}


def split_by_source(examples: list[Example], reported: str = "test") -> dict[str, Rows]:
    """The parts that the source states.

    Where its validation part is the `reported` one, it is the test part and the source's test part is
    unused. A source with a test part and no validation part (CommonsenseQA, whose dev file that is) is
    tested on what it has. Raises ValueError when rows have no part or none is in the reported one.
    """
    parts: dict[str, Rows] = {part: [] for part in PARTS}
    for row, example in enumerate(examples):
        if example.source_split not in parts:
            raise ValueError(
                f"{example.id}: source_split is {example.source_split!r}, wanted one of {PARTS}; a source"
                " without parts needs another scheme"
            )
        parts[example.source_split].append(row)
    if not parts["validation"]:
        reported = "test"
    if not parts[reported]:
        raise ValueError(
            f"{examples[0].dataset}: none of {len(examples)} examples has source_split {reported!r}"
        )
    return parts if reported == "test" else {"train": parts["train"], "test": parts[reported]}


def only_test_rows(examples: list[Example], reported: str = "test") -> dict[str, Rows]:
    """Only a test part: the source's `reported` one, or all rows where it states none and none was named."""
    stated = any(example.source_split for example in examples) or reported != "test"
    test = split_by_source(examples, reported)["test"] if stated else list(range(len(examples)))
    return {"train": [], "test": test}


def split_by_file(examples: list[Example], path: Path) -> dict[str, Rows]:
    """The parts of an index file: index i is the example `<dataset>-<i>`.

    Raises ValueError when it names rows that are not there.
    """
    dataset = examples[0].dataset
    row_of = {example.id: row for row, example in enumerate(examples)}
    if not path.exists():
        raise ValueError(
            f"{path} not found: no such split was published for {dataset}; drop it from run.datasets or this"
            " split from run.splits"
        )
    indices: dict[str, list[int]] = parse_json(read_text(path), str(path))
    if not {"train", "test"} <= indices.keys() <= set(PARTS):
        raise ValueError(f"{path}: has {sorted(indices)}, wanted 'train' and 'test' and at most 'validation'")
    named = [index for part in indices.values() for index in part]
    if len(set(named)) < len(named):
        raise ValueError(f"{path}: {len(named) - len(set(named))} indices stand in it twice")
    for part, numbers in indices.items():
        absent = [index for index in numbers if f"{dataset}-{index}" not in row_of]
        if absent and len(absent) == len(numbers):
            raise ValueError(
                f"{path}: none of its {len(numbers)} {part} rows is among the {len(examples)} {dataset}"
                f" examples: the source's {part} file is missing. Add it to data/raw/{dataset}, or use scheme"
                " `official`, which takes the parts that are there"
            )
        if absent:
            raise ValueError(
                f"{path}: {len(absent)} of {len(numbers)} {part} rows are not among the examples, first"
                f" {dataset}-{absent[0]}"
            )
    return {part: [row_of[f"{dataset}-{index}"] for index in numbers] for part, numbers in indices.items()}


def split_by_template(examples: list[Example], groups: list[int], test: float, seed: int) -> dict[str, Rows]:
    """Whole templates at random.

    The test share is counted in templates, as published (MultiArith 84:36, Date 29:12).
    """
    blocks = shuffle_blocks(blocks_of(list(range(len(examples))), groups), examples, seed)
    if len(blocks) < 2:
        raise ValueError(
            f"{examples[0].dataset}: {len(blocks)} template among {len(examples)} questions, wanted two or"
            " more for scheme `template`; use scheme `sample`, or state `template` in the examples"
        )
    count = min(max(1, round((1 - test) * len(blocks))), len(blocks) - 1)
    return {"train": rows_in(blocks[:count]), "test": rows_in(blocks[count:])}
