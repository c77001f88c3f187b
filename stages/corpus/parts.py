"""Parts: which rows of a data set are trained on, which choose a checkpoint and which are the test."""

from collections.abc import Iterable
from pathlib import Path

from stages.config.split import Split
from stages.corpus.leakage import Rows, plain_question
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
from stages.records.example import Example


def template_groups(examples: list[Example]) -> list[int]:
    """Group number of every example: the template that its source states, else one mined from the texts."""
    stated = sorted({example.template for example in examples if example.template is not None})
    number = {template: place for place, template in enumerate(stated)}
    texts = [example.question for example in examples if example.template is None]
    mined = iter(mined_groups(texts) if texts else [])
    return [
        len(stated) + next(mined) if example.template is None else number[example.template]
        for example in examples
    ]


def mined_groups(texts: list[str]) -> list[int]:
    """Those of templates.py, whose libraries take seconds to import: few splits need them."""
    from stages.corpus.templates import mine_templates

    return mine_templates(texts)


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


def learned_from(examples: list[Example], splits: Iterable[Split], raw: Path) -> set[str]:
    """Ids of the questions that one of the splits trains or chooses on. `raw`: where an index file lies."""
    groups = template_groups(examples)
    parts = [split_rows(examples, groups, settings, raw) for settings in splits]
    return {examples[row].id for rows in parts for part in ("train", "validation") for row in rows[part]}
