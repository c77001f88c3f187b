"""Spec: the papers' items all stand in it, its patterns name what exists, a wrong file is refused."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.config.dataset import dataset_names
from stages.reporting.spec import Item, matches, pattern_names, read_paper

ROOT = Path(__file__).resolve().parents[2]
PAPERS = ("ft", "scotd", "cascod")
PARAMS: dict[str, Any] = YAML(typ="safe").load(ROOT / "params.yaml")
PRINTED = {  # the tables and figures with results
    "ft": {"Table": set(range(1, 15)), "Figure": set(range(3, 11))},
    "scotd": {"Table": {1, 2, 3}, "Figure": set(range(2, 9))},
    "cascod": {"Table": set(range(1, 7)), "Figure": set(range(3, 9))},
}


def numbers_named(title: str, kind: str) -> Iterator[int]:
    """The tables or figures in an item's title: "Tables 2 and 4, ...", "Tables 10 to 14, ..."."""
    for first, link, last in re.findall(rf"{kind}s? (\d+)(?:[ab]\b)?(?: (and|to) (\d+))?", title):
        yield from range(int(first), int(last) + 1) if link == "to" else map(int, filter(None, (first, last)))


@pytest.mark.parametrize(
    ("axes", "pattern", "fits"),
    [
        ({}, {}, True),
        ({"mentor": "", "first": ""}, {"method": "cot"}, True),
        ({"mentor": "large"}, {"method": "cot"}, False),
        ({"first": "std_cot"}, {"method": "cot"}, False),
        ({"mentor": "large"}, {"method": "cot", "mentor": "*"}, True),
        ({"mentor": ""}, {"method": "cot", "mentor": "*"}, False),
        ({"mentor": "large", "first": "std_cot"}, {"mentor": "large"}, False),
    ],
)
def test_a_result_with_a_mentor_or_a_training_before_is_of_a_line_that_names_it(
    axes: dict[str, str], pattern: dict[str, Any], fits: bool
) -> None:
    assert matches({"method": "cot", **axes}, pattern) == fits


@pytest.mark.parametrize("name", PAPERS)
def test_every_table_and_figure_is_filled_or_explained(name: str) -> None:
    items = read_paper(name).items.values()
    for kind, numbers in PRINTED[name].items():
        assert {number for item in items for number in numbers_named(item.title, kind)} == numbers
    for item in items:
        assert item.source
        assert item.notes
        assert bool(item.rows) == (item.kind != "text")


KNOWN = {
    "dataset": {*dataset_names()},
    "split": {*PARAMS["splits"]},
    "curation": {*PARAMS["curations"]},
    "decoding": {*PARAMS["decodings"]},
    "method": {path.stem for path in (ROOT / "stages/methods").glob("*.py")},
    "target": {*dataset_names(), "OOD"},
    "simulator": {*PARAMS["simulators"], "gpt_3_5", "gpt_4"},
}


@pytest.mark.parametrize("name", PAPERS)
def test_patterns_name_what_exists(name: str) -> None:
    """A typing error in a pattern would show as a cell that was not run."""
    presets = {path.stem for path in (ROOT / "presets").glob("*.yaml")}
    kept = {path.stem for path in (ROOT / "metrics/kept").glob("*.json")}  # of presets that had other names
    for item in read_paper(name).items.values():
        assert all(any(one.startswith(preset) for one in presets | kept) for preset in item.presets)
        assert item.settings.epochs.keys() <= {*PARAMS["students"], "curie", "*"}
        columns = [column.where for column in item.columns.values()]
        rows = [row.ours or {} for row in item.rows.values()]
        for where in (item.where, *item.panels.values(), *columns, *rows):
            assert where.keys() <= {*KNOWN, "teacher", "student", "alpha", "variant"}
            teachers = pattern_names(where.get("teacher", []))
            assert {one[1:] for one in teachers if one.startswith("!")} <= {*PARAMS["teachers"]}
            exact = [
                (axis, one)
                for axis, names in where.items()
                for one in pattern_names(names)
                if axis in KNOWN and one and not set(one) & set("*?[!")
            ]
            assert [(axis, one) for axis, one in exact if one not in KNOWN[axis]] == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rows": {"a": {"published": [1.0]}}}, "1 numbers for 2 columns"),
        ({"rows": {"a": {"published": {"p": [1.0, 2.0]}}}}, "no panel 'p'"),
        ({"columns": {"x": {"where": {"split": "s*"}}, "y": {}}}, "stands for several names"),
        ({"columns": {"x": {"mean_of": ["z"]}, "y": {}}}, "no such columns"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_wrong_file_is_refused(changed: dict[str, Any], message: str) -> None:
    item = {"title": "t", "source": "s", "columns": {"x": {}, "y": {}}, **changed}
    with pytest.raises(ValueError, match=message):
        Item.model_validate(item)
