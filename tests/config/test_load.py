"""Blocks and params.yaml as a file: what is wrong is named, with what is legal."""

from pathlib import Path

import pytest

from stages.config.load import Block, check, parse_yaml, read_params


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
