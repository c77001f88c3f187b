"""Splits: every scheme, nested and order-independent cuts, errors, and the published index files."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest
from toy_cell import sums

from stages.config.load import check
from stages.config.split import Split
from stages.corpus.leakage import leakage_report, seen_in_train
from stages.corpus.schemes import (
    shuffle_blocks,
    split_by_file,
    split_by_sample,
    split_by_source,
    split_by_template,
    take_blocks,
)
from stages.datasets import date_understanding, svamp
from stages.records.example import PARTS, Example, write_examples
from stages.split import split_rows, template_groups

ROOT = Path(__file__).parents[2]
ZERO_SHOT_COT = "github/kojima-takeshi188/zero_shot_cot/5ef330fcdeec0cd26aee27943504f91f8ec1c33c/dataset"
SPLITS = "github/itsnamgyu/reasoning-teacher/a2ca4d28d3bbabbd77106b76d06885d1a5eac0d9/data/split"
SVAMP = "github/arkilpatel/SVAMP/689d7ccac74b9983a2ac7cc3b264f441b99e7c53/SVAMP.json"
RANDOM = (
    *("addsub", "coin_flip", "date_understanding", "last_letter_concatenation", "multiarith", "single_eq"),
    *("strategy_qa", "svamp", "tracking_shuffled_objects"),
)


def parts_of(examples: list[Example], raw: Path = Path(), **settings: Any) -> dict[str, list[int]]:
    return split_rows(examples, template_groups(examples), Split(**settings), raw)


def index_file(folder: Path, parts: dict[str, list[int]]) -> Path:
    path = folder / "split_default.json"
    path.write_text(json.dumps(parts), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        ({"scheme": "sample", "validation": 0}, (70, 0, 30)),
        ({"scheme": "sample"}, (63, 7, 30)),
        ({"scheme": "sample", "validation": 5, "train": 8}, (8, 5, 30)),
        ({"scheme": "sample", "validation": 0.2, "train": 0.5, "test": 0.5}, (20, 10, 50)),
        ({"scheme": "template", "validation": 0}, (70, 0, 30)),  # 10 templates of 10 rows: 7 and 3
        ({"scheme": "template"}, (60, 10, 30)),
        ({"scheme": "template", "validation": 11}, (50, 20, 30)),  # whole templates until there are 11 rows
        # never fewer than one template
        ({"scheme": "template", "validation": 0.01, "train": 32}, (32, 10, 30)),
    ],
)
@pytest.mark.parametrize("seed", [0, 3])
def test_sizes(settings: dict[str, Any], sizes: tuple[int, int, int], seed: int) -> None:
    parts = parts_of(sums(100), seed=seed, **settings)
    assert tuple(len(parts[part]) for part in ("train", "validation", "test")) == sizes
    rows = list(chain.from_iterable(parts.values()))
    assert len(set(rows)) == len(rows)
    assert all(part == sorted(part) for part in parts.values())


@pytest.mark.parametrize("seed", range(20))
def test_equal_questions_stand_on_one_side(seed: int) -> None:
    """40 questions, asked one to four times up to case and blanks, with answers of their own."""
    counts = [1 + number % 4 for number in range(40)]
    asked = [(number, time) for time in range(4) for number in range(40) if time < counts[number]]
    examples = []
    for row, (number, time) in enumerate(asked):
        question = f"What is {number}?" if time % 2 == 0 else f" what  IS {number}? "
        examples.append(Example(f"toy-{row}", "toy", question, str(time), "number"))
    parts = parts_of(examples, scheme="sample", test=0.2, validation=0.2, distinct=True, seed=seed)
    sides = [{asked[row][0] for row in rows} for rows in parts.values()]
    assert sum(map(len, parts.values())) == len(examples) == 100
    assert sum(map(len, sides)) == 40
    # its share, and at most what is left of the last question
    assert 80 <= len(parts["train"]) + len(parts["validation"]) < 84
    facts = leakage_report(parts, examples, template_groups(examples))
    assert facts["test_seen_in_train"]["text_rows"] == facts["validation_seen_in_train"]["text_rows"] == 0
    loose = parts_of(examples, scheme="sample", test=0.2, validation=0.2, seed=seed)
    assert leakage_report(loose, examples, template_groups(examples))["test_seen_in_train"]["text_rows"] > 0


def test_distinct_changes_nothing_where_all_questions_differ() -> None:
    for seed in range(5):
        assert parts_of(sums(97), scheme="sample", seed=seed, distinct=True) == parts_of(
            sums(97), scheme="sample", seed=seed
        )


def test_distinct_belongs_to_sample() -> None:
    with pytest.raises(
        ValueError, match=r"splits\.x.*`distinct` goes with the scheme `sample`, not `template`"
    ):
        check("splits.x", {"scheme": "template", "distinct": True}, Split)


def test_seeds_differ() -> None:
    for scheme in ("sample", "template"):
        assert parts_of(sums(100), scheme=scheme, seed=0) != parts_of(sums(100), scheme=scheme, seed=1)


def test_templates_never_straddle() -> None:
    examples = sums(100)
    for seed in range(10):
        parts = parts_of(examples, scheme="template", seed=seed, validation=0.2)
        groups = [{examples[row].template for row in rows} for rows in parts.values()]
        assert [len(group) for group in groups] == [6, 1, 3]
        assert len(set.union(*groups)) == 10


def test_validation_by_template_of_another_scheme() -> None:
    examples = sums(100)
    parts = parts_of(examples, scheme="sample", by_template=True, validation=0.3)
    train, validation = ({examples[row].template for row in parts[part]} for part in ("train", "validation"))
    assert len(validation) == 3
    assert not train & validation


def test_the_test_share_counts_templates_not_rows() -> None:
    examples = [
        replace(example, template="big" if row < 90 else f"t{row}") for row, example in enumerate(sums(99))
    ]
    groups = template_groups(examples)
    for seed in range(5):
        parts = split_by_template(examples, groups, 0.3, seed)
        assert len({groups[row] for row in parts["train"]}) == 7
        assert len({groups[row] for row in parts["test"]}) == 3


@pytest.mark.parametrize(("test", "train"), [(0.01, 2), (0.3, 2), (0.99, 1)])
def test_both_sides_of_a_template_split_have_a_template(test: float, train: int) -> None:
    assert len(split_by_template(sums(3), [0, 1, 2], test, 0)["train"]) == train


@pytest.mark.parametrize("validation", [0, 0.1])
def test_smaller_train_parts_are_nested(validation: float) -> None:
    examples = sums(400)
    sizes = [
        set(parts_of(examples, scheme="sample", validation=validation, train=size)["train"])
        for size in (8, 32, 128, 0.8, "full")
    ]
    assert [len(part) for part in sizes[:3]] == [8, 32, 128]
    assert all(small < large for small, large in pairwise(sizes))
    tests = {
        tuple(parts_of(examples, scheme="sample", validation=validation, train=size)["test"])
        for size in (8, "full")
    }
    assert len(tests) == 1


def test_order_of_rows_does_not_move_template_splits() -> None:
    examples = []
    for row, example in enumerate(sums(90)):
        question = f"{'ab' * (row % 9)} has {row} kinds of {'xyz' * (row % 9)} in it. Count them?"
        examples.append(replace(example, template=None, question=question))
    shuffled = random.Random(1).sample(examples, len(examples))
    settings: dict[str, Any] = {"scheme": "template", "validation": 0.2, "train": 20}
    one, two = parts_of(examples, **settings), parts_of(shuffled, **settings)
    for part in one:
        assert {examples[row].question for row in one[part]} == {shuffled[row].question for row in two[part]}
    assert len(one["validation"]) > 0


def test_draw_depends_on_text_alone_and_keeps_its_order_when_rows_are_added() -> None:
    examples = sums(50)
    full = [row for [row] in shuffle_blocks([[row] for row in range(50)], examples, 4)]
    some = [row for [row] in shuffle_blocks([[row] for row in range(20)], examples, 4)]
    assert [row for row in full if row < 20] == some
    assert some != sorted(some)


@pytest.mark.parametrize(
    ("size", "taken"),
    [
        (0, []),
        (0.0, []),
        (1, [0, 1]),
        (2, [0, 1]),
        (3, [0, 1, 2]),
        (6, [0, 1, 2, 3, 4, 5]),
        (0.34, [0, 1]),
        (0.5, [0, 1, 2]),
        (0.001, [0, 1]),
    ],
)
def test_cut(size: float, taken: list[int]) -> None:
    rows = [[0, 1], [2], [3, 4, 5]]
    assert take_blocks(rows, size, "toy")[0] == taken
    assert list(chain.from_iterable(take_blocks(rows, size, "toy"))) == [0, 1, 2, 3, 4, 5]


def test_stated_templates_win_over_mined_ones() -> None:
    examples = [
        replace(example, template=template)
        for example, template in zip(sums(5), ["b", None, "a", None, "b"], strict=True)
    ]
    examples[3] = replace(examples[3], question="Would a heron enjoy opera?")
    groups = template_groups(examples)
    assert groups[0] == groups[4] == 1
    assert groups[2] == 0
    assert {groups[1], groups[3]} == {2, 3}


def test_official_parts_are_the_sources() -> None:
    examples = [
        replace(example, source_split=part)
        for example, part in zip(
            sums(6), ["train", "test", "train", "validation", "train", "test"], strict=True
        )
    ]
    assert parts_of(examples, scheme="official") == {"train": [0, 2, 4], "validation": [3], "test": [1, 5]}
    examples[3] = replace(examples[3], source_split="train")
    assert len(parts_of(examples, scheme="official", validation=1)["validation"]) == 1


def test_official_parts_with_the_validation_part_as_the_test() -> None:
    """What is tested on is the source's validation part, and the source's test part is in no part.

    What chooses is cut from train.
    """
    examples = [
        replace(example, source_split=("train", "validation", "test", "train", "train")[row % 5])
        for row, example in enumerate(sums(50))
    ]
    parts = parts_of(examples, scheme="official", report="validation", validation=4)
    of = {
        part: [row for row, example in enumerate(examples) if example.source_split == part]
        for part in ("train", "validation", "test")
    }
    assert parts["test"] == of["validation"]
    assert sorted(parts["train"] + parts["validation"]) == of["train"]
    assert len(parts["validation"]) == 4
    facts = leakage_report(parts, examples, template_groups(examples))
    assert facts["rows"] == {"train": 26, "validation": 4, "test": 10, "unused": 10}
    ours, same = (parts_of(examples, scheme="official", report=part) for part in ("validation", "test"))
    assert same == parts_of(examples, scheme="official")
    assert same["test"] == of["test"] != ours["test"]
    assert parts_of(examples, scheme="test_only", report="validation") == {
        "train": [],
        "validation": [],
        "test": of["validation"],
    }


def test_a_source_with_one_held_out_part_is_tested_on_it() -> None:
    examples = [
        replace(example, source_split=("train", "test")[row % 3 == 0]) for row, example in enumerate(sums(9))
    ]
    assert parts_of(examples, scheme="official", report="validation", validation=2) == parts_of(
        examples, scheme="official", validation=2
    )


@pytest.mark.parametrize("scheme", ["official", "test_only"])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source_split": "train"}, "toy: none of 9 examples has source_split 'test'"),
        ({}, "toy-0: source_split is None, wanted one of"),  # all rows would not be what was asked for
    ],
)
def test_a_source_without_a_held_out_part_cannot_be_reported_on(
    scheme: str, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        parts_of(sums(9, **fields), scheme=scheme, report="validation")


@pytest.mark.parametrize("scheme", ["sample", "template", "published"])
def test_report_belongs_to_the_sources_parts(scheme: str) -> None:
    with pytest.raises(
        ValueError,
        match=rf"splits\.x.*`report` goes with the schemes `official` and `test_only`, not `{scheme}`",
    ):
        check("splits.x", {"scheme": scheme, "report": "validation"}, Split)


def test_only_a_test_part() -> None:
    """The source's where it states parts, all rows where it states none."""
    parts = ["train", "test", "validation", "test"]
    examples = [replace(example, source_split=part) for example, part in zip(sums(4), parts, strict=True)]
    assert parts_of(examples, scheme="test_only") == {"train": [], "validation": [], "test": [1, 3]}
    assert parts_of(sums(4), scheme="test_only") == {"train": [], "validation": [], "test": [0, 1, 2, 3]}
    facts = leakage_report(parts_of(examples, scheme="test_only"), examples, [0] * 4)
    assert facts["rows"] == {"train": 0, "validation": 0, "test": 2, "unused": 2}
    with pytest.raises(ValueError, match="toy: none of 4 examples has source_split 'test'"):
        parts_of(sums(4, source_split="train"), scheme="test_only")
    with pytest.raises(ValueError, match="toy-2: source_split is None"):
        parts_of([*examples[:2], sums(4)[2]], scheme="test_only")


def test_official_test_part_alone_is_enough_to_be_asked() -> None:
    assert parts_of(sums(3, source_split="test"), scheme="official") == {
        "train": [],
        "validation": [],
        "test": [0, 1, 2],
    }


def test_published_file(tmp_path: Path) -> None:
    index_file(tmp_path, {"train": [0, 2, 3], "test": [5, 1]})
    assert parts_of(sums(7), tmp_path, scheme="published", validation=0) == {
        "train": [0, 2, 3],
        "validation": [],
        "test": [1, 5],
    }
    index_file(tmp_path, {"train": [0, 2], "validation": [3], "test": [1]})
    assert parts_of(sums(7), tmp_path, scheme="published")["validation"] == [3]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"train": [0, 1, 77, 78], "test": [2]},
            r"2 of 4 train rows are not among the examples, first toy-77",
        ),
        (
            {"train": [50, 51, 52], "test": [2]},
            r"none of its 3 train rows is among the 9 toy examples.*train file is missing",
        ),
        ({"train": [0, 1], "test": [1, 2]}, r"1 indices stand in it twice"),
        ({"train": [0, 1]}, r"wanted 'train' and 'test'"),
        ({"train": [0], "test": [1], "dev": [2]}, r"has \['dev', 'test', 'train'\]"),
    ],
)
def test_index_files_that_do_not_fit(tmp_path: Path, parts: dict[str, list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_by_file(sums(9), index_file(tmp_path, parts))


@pytest.mark.parametrize(
    ("examples", "settings", "message"),
    [
        (sums(9, templates=1), {"scheme": "template"}, r"toy: 1 template among 9 questions.*scheme `sample`"),
        (sums(9), {"scheme": "official"}, r"toy-0: source_split is None"),
        (
            sums(9, source_split="train"),
            {"scheme": "official"},
            r"toy: none of 9 examples has source_split 'test'",
        ),
        (
            sums(10),
            {"scheme": "sample", "validation": 0, "train": 8},
            r"toy: train: wanted 8 rows, there are 7",
        ),
        (sums(10), {"scheme": "sample", "validation": 8}, r"toy: validation: wanted 8 rows, there are 7"),
        (sums(10), {"scheme": "sample", "validation": 7}, r"toy: validation 7 takes all 7 rows"),
    ],
)
def test_errors(examples: list[Example], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parts_of(examples, **settings)


@pytest.mark.parametrize(
    "values",
    [
        {"scheme": "random"},
        {"scheme": "sample", "test": 1.0},
        {"scheme": "sample", "train": 0},
        {"scheme": "sample", "train": "all"},
        {"scheme": "sample", "ratio": 3},
        {"scheme": "official", "report": "train"},
    ],
)
def test_settings_that_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"splits\.toy"):
        check("splits.toy", values, Split)


def test_settings_keep_counts_and_shares_apart() -> None:
    assert isinstance(check("splits.toy", {"scheme": "sample", "validation": 1}, Split).validation, int)
    assert isinstance(check("splits.toy", {"scheme": "sample", "validation": 0.5}, Split).validation, float)


def test_command(tmp_path: Path) -> None:
    examples = sums(50)
    write_examples(tmp_path / "toy.jsonl", examples)
    (tmp_path / "params.yaml").write_text(
        "splits:\n  few: {scheme: template, validation: 0.2, train: 8}\n", encoding="utf-8"
    )
    files = ["toy.jsonl", "raw", "out.json", "metrics/leak.json"]
    command = [sys.executable, "-m", "stages.split", "few", *files]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    outs = []
    for _ in range(2):
        subprocess.run(command, cwd=tmp_path, env=environment, check=True)
        outs.append((tmp_path / "out.json").read_bytes() + (tmp_path / "metrics/leak.json").read_bytes())
    assert outs[0] == outs[1]
    out = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert {part: len(out[part]) for part in ("train", "validation", "test")} == {
        "train": 8,
        "validation": 5,
        "test": 15,
    }
    assert list(out["templates"]) == sorted(example.id for example in examples)
    assert json.loads((tmp_path / "metrics/leak.json").read_text(encoding="utf-8"))["rows"]["unused"] == 22
    facts = json.loads((tmp_path / "metrics/leak.json").read_text(encoding="utf-8"))
    assert facts["test_ids"].split() == out["test"]
    assert facts["test_clusters"].split() == [str(out["templates"][one]) for one in out["test"]]
    (tmp_path / "toy.jsonl").write_text("", encoding="utf-8")
    failed = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert failed.returncode != 0
    assert "error: toy.jsonl: no examples to split" in failed.stderr


def test_torch_stays_out() -> None:
    code = "import sys, stages.split; sys.exit(bool({'torch', 'transformers'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def published(mirror: Path, name: str) -> dict[str, list[int]]:
    parts: dict[str, list[int]] = json.loads((mirror / SPLITS / f"{name}.json").read_text(encoding="utf-8"))
    return parts


@pytest.mark.parametrize("name", RANDOM)
def test_seed_0_gives_the_published_random_splits(name: str, mirror: Path) -> None:
    wanted = published(mirror, f"{name}__default")
    parts = split_by_sample([[row] for row in range(len(wanted["train"]) + len(wanted["test"]))], 0.3, 0)
    assert {part: sorted(rows) for part, rows in parts.items()} == wanted


def real(mirror: Path, dataset: str, path: str, key: str) -> list[Example]:
    values = json.loads((mirror / ZERO_SHOT_COT / path).read_text(encoding="utf-8"))
    rows = values["examples"] if isinstance(values, dict) else values
    return [
        Example(f"{dataset}-{row}", dataset, value[key].strip(), "", "text") for row, value in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("dataset", "path", "key", "repeated", "known"),
    [
        ("multiarith", "MultiArith/MultiArith.json", "sQuestion", 5, 180),
        ("date_understanding", "Bigbench_Date/task.json", "input", 0, 111),
        ("strategy_qa", "StrategyQA/task.json", "input", 1, None),
    ],
)
def test_published_default_splits_leak_as_known(
    tmp_path: Path, mirror: Path, dataset: str, path: str, key: str, repeated: int, known: int | None
) -> None:
    index_file(tmp_path, published(mirror, f"{dataset}__default"))
    examples = real(mirror, dataset, path, key)
    groups = template_groups(examples)
    parts = split_rows(examples, groups, Split(scheme="published", validation=0), tmp_path)
    facts = seen_in_train(parts["test"], parts["train"], examples, groups)
    assert facts["text_rows"] == repeated
    assert known is None or facts["template_rows"] == known == len(parts["test"])


@pytest.mark.parametrize(
    ("dataset", "path", "key", "train", "test", "most"),
    [
        ("multiarith", "MultiArith/MultiArith.json", "sQuestion", 84, 36, 0),
        ("date_understanding", "Bigbench_Date/task.json", "input", 29, 12, 18),
    ],
)
def test_template_splits_of_the_paper(
    tmp_path: Path, mirror: Path, dataset: str, path: str, key: str, train: int, test: int, most: int
) -> None:
    index_file(tmp_path, published(mirror, f"{dataset}__template"))
    examples = real(mirror, dataset, path, key)
    groups = template_groups(examples)
    settings = Split(scheme="published", validation=0.1, by_template=True)
    files = split_rows(examples, groups, settings, tmp_path)
    assert (seen_in_train(files["test"], files["train"], examples, groups)["template_rows"] or 0) <= most
    assert seen_in_train(files["validation"], files["train"], examples, groups)["template_rows"] == 0
    ours = split_rows(examples, groups, Split(scheme="template", validation=0), tmp_path)
    counts = [len({groups[row] for row in ours[part]}) for part in ("train", "test")]
    assert sum(counts) == len(set(groups))
    assert abs(counts[0] - train) <= 2
    assert abs(counts[1] - test) <= 1
    assert seen_in_train(ours["test"], ours["train"], examples, groups)["template_rows"] == 0


def test_no_template_of_date_is_on_both_sides_of_its_published_split(tmp_path: Path, mirror: Path) -> None:
    """41 texts, nine questions each, as the data set's parser states them: 29 and 12."""
    index_file(tmp_path, published(mirror, "date_understanding__template"))
    (tmp_path / "task.json").write_bytes((mirror / ZERO_SHOT_COT / "Bigbench_Date/task.json").read_bytes())
    examples = date_understanding.parse(tmp_path)
    groups = template_groups(examples)
    assert Counter(Counter(groups).values()) == {9: 41}
    settings = Split(scheme="published", validation=0, by_template=True)
    facts = leakage_report(split_rows(examples, groups, settings, tmp_path), examples, groups)
    assert facts["groups"] == {"train": 29, "validation": 0, "test": 12, "all": 41}
    assert facts["test_seen_in_train"]["template_rows"] == facts["test_seen_in_train"]["text_rows"] == 0


def test_svamp_has_near_twins_across_templates(tmp_path: Path, mirror: Path) -> None:
    """What docs/datasets.md says of them, counted by comparing all with all."""
    (tmp_path / "SVAMP.json").write_bytes((mirror / SVAMP).read_bytes())
    examples = svamp.parse(tmp_path)
    parts = parts_of(examples, scheme="template", test=0.3, validation=0.1)
    words = [{*"".join(c if c.isalpha() else " " for c in one.question.lower()).split()} for one in examples]
    pairs = [[(words[row], words[other]) for other in parts["train"]] for row in parts["test"]]
    near = sum(any(5 * len(one & two) >= 4 * len(one | two) for one, two in of) for of in pairs)
    same = sum(any(one == two for one, two in of) for of in pairs)
    facts = leakage_report(parts, examples, template_groups(examples))
    assert (len(pairs), near, same) == (356, 110, 12)
    assert (facts["test_near_train"], facts["test_seen_in_train"]["template_rows"]) == (110, 0)


def test_aqua_without_its_train_file_says_so(tmp_path: Path, mirror: Path) -> None:
    index_file(tmp_path, published(mirror, "aqua__default"))
    examples = [
        Example(f"aqua-{97467 + row}", "aqua", f"Q{row}?", "A", "choice", source_split="test")
        for row in range(254)
    ]
    wanted = "none of its 10000 train rows is among the 254 aqua examples: the source's train file is missing"
    with pytest.raises(ValueError, match=wanted):
        split_rows(examples, [0] * 254, Split(scheme="published"), tmp_path)


def test_every_example_that_by_source_takes_is_in_one_part() -> None:
    draw_part = random.Random(0)
    examples = [replace(example, source_split=draw_part.choice(PARTS)) for example in sums(60)]
    parts = split_by_source(examples)
    assert sorted(chain.from_iterable(parts.values())) == list(range(60))
    assert all(examples[row].source_split == part for part, rows in parts.items() for row in rows)
