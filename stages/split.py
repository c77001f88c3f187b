"""Split: which questions are trained on, which choose a checkpoint and which are the test.

In: examples, and the published index file where the scheme reads one. Out: ids per part with the template
group of every id, and a leakage report: how much of test and validation the train part already shows.
Source: Fine-tune-CoT, appendices B and E.3.
Differs: the paper has no validation part (its best epoch is chosen on test); here one is cut from
train (difference 1).
"""

from pathlib import Path
from typing import Annotated

import typer

from stages.config.cli import run
from stages.config.load import block
from stages.config.split import Split
from stages.corpus.leakage import Rows, leakage_report, plain_question
from stages.corpus.schemes import (
    blocks_of,
    only_test_rows,
    shuffle_blocks,
    split_by_file,
    split_by_sample,
    split_by_source,
    split_by_template,
    take_blocks,
)
from stages.corpus.templates import mine_templates
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json


def template_groups(examples: list[Example]) -> list[int]:
    """Group number of every example: the template that its source states, else one mined from the texts."""
    stated = sorted({example.template for example in examples if example.template is not None})
    mined = iter(mine_templates([example.question for example in examples if example.template is None]))
    return [
        len(stated) + next(mined) if example.template is None else stated.index(example.template)
        for example in examples
    ]


def question_groups(examples: list[Example]) -> list[int]:
    """Group number of every example: equal questions, up to case and blanks, have the same."""
    texts = [plain_question(example) for example in examples]
    first = {text: row for row, text in reversed([*enumerate(texts)])}
    return [first[text] for text in texts]


def first_parts(
    examples: list[Example], groups: list[int], units: list[int], settings: Split, raw: Path
) -> dict[str, Rows]:
    """What the scheme decides: train, test, and validation where the source or the index file has it."""
    match settings.scheme:
        case "sample":
            blocks = blocks_of(list(range(len(examples))), units)
            return split_by_sample(blocks, settings.test, settings.seed)
        case "official":
            return split_by_source(examples, settings.report)
        case "test_only":
            return only_test_rows(examples, settings.report)
        case "published":
            return split_by_file(examples, raw / settings.file)
        case "template":
            return split_by_template(examples, groups, settings.test, settings.seed)


def split_rows(examples: list[Example], groups: list[int], settings: Split, raw: Path) -> dict[str, Rows]:
    """Row positions per part: the test is cut first, then validation, then the train part to its size."""
    # what no cut may divide
    units = question_groups(examples) if settings.distinct else list(range(len(examples)))
    parts = first_parts(examples, groups, units, settings, raw)
    dataset = examples[0].dataset
    train = parts["train"]
    validation = parts.get("validation", [])
    if not validation and train:
        whole_templates = settings.by_template or settings.scheme == "template"
        blocks = blocks_of(train, groups if whole_templates else units)
        order = shuffle_blocks(blocks, examples, settings.seed)
        validation, train = take_blocks(order, settings.validation, f"{dataset}: validation")
        if not train:
            taken = f"validation {settings.validation} takes all {len(validation)} rows"
            raise ValueError(f"{dataset}: {taken} of the train part")
    if settings.train != "full":
        order = shuffle_blocks([[row] for row in train], examples, settings.seed)
        train, _ = take_blocks(order, settings.train, f"{dataset}: train")
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
    ids_of_parts = {part: [ids[row] for row in rows] for part, rows in parts.items()}
    write_json(out, {**ids_of_parts, "templates": dict(zip(ids, groups, strict=True))})
    write_json(leakage, leakage_report(parts, examples, groups))


if __name__ == "__main__":
    run(main)
