"""Blocks and params.yaml as a file: what is wrong is named, with what is legal."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from stages.config.contracts import load_plug_in
from stages.config.endpoint import Endpoint
from stages.config.load import Block, check, parse_yaml, read_params
from stages.teachers import openai


class Inner(Block):
    size: int


class Outer(Block):
    name: str
    inner: Inner


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "a", "inner": {"size": 1, "sise": 2}}, "`here.inner.sise`: unknown key; legal keys: size"),
        (
            {"name": "a", "inner": {"size": "1"}},
            "`here.inner.size`: Input should be a valid integer, got '1'",
        ),
        ({"name": "a"}, "`here.inner`: missing"),
        ({"nam": "a", "inner": {"size": 1}}, "`here.nam`: unknown key; legal keys: name, inner"),
    ],
)
def test_faults_name_block_key_value_and_legal_keys(values: dict, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is compared below)
        check("here", values, Outer)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run: {a: [1}", "not YAML"),
        ("a: 1\na: 2", "not YAML"),
        ("", "got NoneType, wanted blocks"),
        ("- 1", "got list"),
    ],
)
def test_a_broken_file_is_one_error(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_params(tmp_path / "params.yaml")


def test_no_params_file_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run stages from the repository's root"):
        read_params(tmp_path / "params.yaml")


def test_what_is_no_yaml_is_told_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"params\.yaml at HEAD: not YAML: "):
        parse_yaml("<<<<<<< HEAD\na: 1\n=======\na: 2\n", "params.yaml at HEAD")
    with pytest.raises(ValueError, match="x: got list, wanted blocks"):
        parse_yaml("- 1", "x")


ODD_VALUES = [
    (Endpoint, {"timeout": float("inf")}, "`here.timeout`: .* finite number, got inf"),
    (Endpoint, {"budget": float("nan")}, "`here.budget`: .* finite number, got nan"),
    (Endpoint, {"base_url": ""}, "`here.base_url`: .*no address of a server"),
    (Endpoint, {"base_url": "file:///etc/passwd"}, "`here.base_url`: .*no address of a server"),
    (Endpoint, {"base_url": "http://h/v1?api-key=sk-1"}, r"`api-key` in the address: .*api-key=\*\*\*"),
    (Endpoint, {"base_url": "x" * 5000}, r"got 'x{199}\.\.\. \(5,002 characters\)$"),
    (
        openai.Settings,
        {"extra": {"since": date(2026, 1, 31)}},
        "`here.extra`: .*type date .*without its quotes",
    ),
    (openai.Settings, {"extra": {"x": float("inf")}}, "`here.extra`: .*not JSON compliant"),
]


@pytest.mark.parametrize(("model", "values", "said"), ODD_VALUES)
def test_an_odd_value_is_named_and_shortened(model: type[Block], values: dict[str, Any], said: str) -> None:
    good = (
        {"base_url": "http://h/v1"}
        if model is Endpoint
        else {"backend": "openai", "endpoint": "e", "model": "m"}
    )
    with pytest.raises(ValueError, match=said):
        check("here", good | values, model)


def test_a_plug_in_whose_name_has_a_dot_is_no_file() -> None:
    with pytest.raises(ValueError, match=r"stages/teachers/a\.b\.py does not exist"):
        load_plug_in("teachers", "a.b", "teachers.t")
