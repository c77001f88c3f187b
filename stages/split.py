"""Split: which questions are trained on, which choose a checkpoint and which are the test (Fine-tune-CoT,
appendices B and E.3).

In: examples, and the published index file where the scheme reads one. Out: ids per part with the template
group of every id, and a leakage report: how much of test and validation the train part already shows.
Differs: the paper has no validation part (its best epoch is chosen on test); here one is cut from train.
"""

import json
from collections import defaultdict
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy
import typer

from stages.config.cli import run
from stages.config.load import block
from stages.config.split import Split
from stages.corpus.leakage import Rows, plain, report
from stages.corpus.templates import mine
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json

PARTS = ("train", "validation", "test")


def template_groups(examples: list[Example]) -> list[int]:
    """Group number of every example: the template that its source states, else one mined
    from the questions.
    """
    stated = sorted({example.template for example in examples if example.template is not None})
    mined = iter(mine([example.question for example in examples if example.template is None]))
    return [
        len(stated) + next(mined) if example.template is None else stated.index(example.template)
        for example in examples
    ]


def question_groups(examples: list[Example]) -> list[int]:
    """Group number of every example: equal questions, up to case and blanks, have the same."""
    texts = [plain(example) for example in examples]
    first = {text: row for row, text in reversed([*enumerate(texts)])}
    return [first[text] for text in texts]


def gather(rows: Rows, groups: list[int]) -> list[Rows]:
    """`rows` as blocks of one group each."""
    blocks = defaultdict(list)
    for row in rows:
        blocks[groups[row]].append(row)
    return list(blocks.values())


def flat(blocks: list[Rows]) -> Rows:
    return list(chain.from_iterable(blocks))


def draw(blocks: list[Rows], examples: list[Example], seed: int) -> list[Rows]:
    """`blocks` in an order that their questions and the seed decide, whatever the order of the rows: cuts
    from its start are nested.
    """

    def key(rows: Rows) -> tuple[str, str]:
        question, example_id = min((examples[row].question, examples[row].id) for row in rows)
        return sha256(f"{seed} {question}".encode()).hexdigest(), example_id

    return sorted(blocks, key=key)


def cut(blocks: list[Rows], size: int | float, what: str) -> tuple[Rows, Rows]:
    """(taken from the start, left): a share of the blocks, at least one, or whole blocks until there are
    `size` rows.
    """
    if isinstance(size, float):
        count = max(1, round(size * len(blocks))) if size else 0
    else:
        lengths = numpy.cumsum([0, *map(len, blocks)])
        if size > lengths[-1]:
            raise ValueError(f"{what}: wanted {size} rows, there are {lengths[-1]} to take them from")
        count = int(numpy.searchsorted(lengths, size))
    return flat(blocks[:count]), flat(blocks[count:])


def by_sample(blocks: list[Rows], test: float, seed: int) -> dict[str, Rows]:
    """Blocks at random until the train part has its share of the rows; seed 0, test 0.3 and a block per row
    give Fine-tune-CoT's index files.

    Where blocks have several rows, the train part may get more than its share, by less than one block.
    """
    order = [blocks[place] for place in numpy.random.RandomState(seed).permutation(len(blocks))]
    count = int(
        numpy.searchsorted(numpy.cumsum([0, *map(len, order)]), round((1 - test) * sum(map(len, order))))
    )
    return {"train": flat(order[:count]), "test": flat(order[count:])}


def by_source(examples: list[Example], reported: str = "test") -> dict[str, Rows]:
    """The parts that the source states. Where its validation part is the `reported` one, it is the test part
    and the source's test part is unused.

    A source with a test part and no validation part (CommonsenseQA, whose dev file that is) is tested on what
    it has. Raises ValueError when rows have no part or none is in the reported one.
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


def by_test(examples: list[Example], reported: str = "test") -> dict[str, Rows]:
    """Only a test part: the source's (its part `reported`), or all rows where it states no parts and none was
    named.
    """
    stated = any(example.source_split for example in examples) or reported != "test"
    return {
        "train": [],
        "test": by_source(examples, reported)["test"] if stated else list(range(len(examples))),
    }


def by_file(examples: list[Example], path: Path) -> dict[str, Rows]:
    """The parts of an index file: index i is the example `<dataset>-<i>`. Raises ValueError when it names
    rows that are not there.
    """
    dataset = examples[0].dataset
    row_of = {example.id: row for row, example in enumerate(examples)}
    if not path.exists():
        raise ValueError(
            f"{path} not found: no such split was published for {dataset}; drop it from run.datasets or this"
            " split from run.splits"
        )
    indices: dict[str, list[int]] = json.loads(path.read_text(encoding="utf-8"))
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


def by_template(examples: list[Example], groups: list[int], test: float, seed: int) -> dict[str, Rows]:
    """Whole templates at random, the test share counted in templates as published (MultiArith 84:36, Date
    29:12).
    """
    blocks = draw(gather(list(range(len(examples))), groups), examples, seed)
    if len(blocks) < 2:
        raise ValueError(
            f"{examples[0].dataset}: {len(blocks)} template among {len(examples)} questions, wanted two or"
            " more for scheme `template`; use scheme `sample`, or state `template` in the examples"
        )
    count = min(max(1, round((1 - test) * len(blocks))), len(blocks) - 1)
    return {"train": flat(blocks[:count]), "test": flat(blocks[count:])}


def split_rows(examples: list[Example], groups: list[int], settings: Split, raw: Path) -> dict[str, Rows]:
    """Row positions per part: the test is cut first, then validation, then the train part is cut
    to its size.
    """
    rows = list(range(len(examples)))
    units = question_groups(examples) if settings.distinct else rows  # what no cut may divide
    if settings.scheme == "sample":
        parts = by_sample(gather(rows, units), settings.test, settings.seed)
    elif settings.scheme == "official":
        parts = by_source(examples, settings.report)
    elif settings.scheme == "test_only":
        parts = by_test(examples, settings.report)
    elif settings.scheme == "published":
        parts = by_file(examples, raw / settings.file)
    else:
        parts = by_template(examples, groups, settings.test, settings.seed)
    dataset = examples[0].dataset
    train = parts["train"]
    validation = parts.get("validation", [])
    if not validation and train:
        whole = settings.by_template or settings.scheme == "template"
        blocks = gather(train, groups if whole else units)
        validation, train = cut(
            draw(blocks, examples, settings.seed), settings.validation, f"{dataset}: validation"
        )
        if not train:
            raise ValueError(
                f"{dataset}: validation {settings.validation} takes all {len(validation)} rows of the train"
                " part"
            )
    if settings.train != "full":
        train, _ = cut(
            draw([[row] for row in train], examples, settings.seed), settings.train, f"{dataset}: train"
        )
    return {"train": sorted(train), "validation": sorted(validation), "test": sorted(parts["test"])}


def main(
    name: Annotated[str, typer.Argument(metavar="SPLIT", help="A block under `splits`.")],
    source: Annotated[Path, typer.Argument(metavar="EXAMPLES", help="data/examples/DATASET.jsonl")],
    raw: Annotated[
        Path, typer.Argument(metavar="RAW_DIR", help="data/raw/DATASET, where an index file lies.")
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT_JSON", help="Where ids per part and template groups go.")
    ],
    leakage: Annotated[Path, typer.Argument(metavar="LEAKAGE_JSON", help="Where the leakage report goes.")],
) -> None:
    """Decide the parts of a dataset and report what leaks between them."""
    examples = read_examples(source)
    if not examples:
        raise ValueError(f"{source}: no examples to split")
    groups = template_groups(examples)
    parts = split_rows(examples, groups, block(f"splits.{name}", Split), raw)
    ids = [example.id for example in examples]
    write_json(
        out,
        {part: [ids[row] for row in rows] for part, rows in parts.items()}
        | {"templates": dict(zip(ids, groups, strict=True))},
    )
    write_json(leakage, report(parts, examples, groups))


if __name__ == "__main__":
    run(main)
