"""A checkout with data to export, and what holds for every exported folder."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from checkouts import copy_checkout, git, make_data
from ruamel.yaml import YAML
from typer.testing import CliRunner

from tools import cot

CITED = re.compile(r"\[([\d.,]+)\]\((metrics/\S+?)\)")


def make_checkout(folder: Path) -> Path:
    copy_checkout(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_data()
    return folder


@contextmanager
def entered(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, without a token; changes of tracked files are taken back."""
    patch.chdir(folder)
    patch.delenv("HF_TOKEN", raising=False)
    yield folder
    git(folder, "checkout", "--quiet", ".")


def typed(*words: str) -> str:
    """What `cot export` prints. Raises what it raises."""
    done = CliRunner().invoke(cot.app, ["export", *words], prog_name="cot", catch_exceptions=False)
    return done.output


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for one in value.values():
            yield from numbers_in(one)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def check_card(folder: Path, least: int) -> dict[str, Any]:
    """Every number that is a link stands in the file it links to, which is the one in metrics/; the YAML
    block of the card.
    """
    card = (folder / "README.md").read_text()
    found = CITED.findall(card)
    assert len(found) >= least
    for shown, path in found:
        assert (folder / path).read_bytes() == Path(path).read_bytes()
        assert float(shown.replace(",", "")) in numbers_in(json.loads(Path(path).read_text()))
    header: dict[str, Any] = YAML(typ="safe").load(card.split("---\n")[1])
    return header
