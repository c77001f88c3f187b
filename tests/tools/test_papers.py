"""`cot papers`: the page is what it prints, every item has a command, and what that takes is counted."""

from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from typer.testing import CliRunner

from stages.config.load import read_params
from stages.reporting.spec import FOLDER, read_paper
from tools import papers
from tools.cot import app

PAPERS = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_page_is_what_the_command_prints() -> None:
    done = CliRunner().invoke(app, ["papers"], catch_exceptions=False)
    page = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    assert page == done.stdout, "`cot papers > docs/papers.md` writes it anew"


@pytest.mark.parametrize("paper", PAPERS)
def test_every_table_and_figure_has_a_command_in_every_size(paper: str) -> None:
    made = papers.makers()
    items = read_paper(paper).items
    drawn = {key for key, item in items.items() if item.kind != "text"}
    assert {key for one, key in made if one == paper} == drawn
    for key in drawn:
        assert all(papers.sizes_of(name) == [*papers.SIZES] for name in made[paper, key])


MADE = """
run:
  datasets: [gen_coin_flip, gen_last_letter]
  splits: [sample]
  curations: [d1, d4]
  baselines: [zero_shot_cot, fine_tune]
  transfers: [gen_coin_flip]
  seeds: [0, 1]
grids: {one: {}, two: {run: {methods: [], baselines: [zero_shot], transfers: [], decodings: [greedy, twice]}}}
"""


def test_what_a_preset_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: two data sets, two seeds, and of the first grid two curations and fine_tune that train."""
    (tmp_path / "presets").mkdir()
    for name, text in (("made", MADE), ("embedded", (ROOT / "presets/embedded.yaml").read_text())):
        (tmp_path / "presets" / f"{name}.yaml").write_text(text)
    params = read_params()
    monkeypatch.chdir(tmp_path)
    trained, asked = 2 * 2 * (2 + 1), 2 * 2 * (2 + 2)
    assert papers.effort("made", "full", params) == (trained, 2 * asked + 2 * 2 * 2)
    row = ["`made`", "full", "12", "40"]
    assert [*papers.taken_rows(params, {})][1] == [*row, "", "", "", "", ""]


TAKEN = {"core_hours": 12.4, "gpu_hours": 0.03, "gigabytes": 1234.0, "dollars": 0.0, "unknown": []}
PAID = {**TAKEN, "gpu_hours": 4.25, "dollars": 2.5, "unknown": ["simulators.gpt"]}


@pytest.mark.parametrize(
    ("size", "told", "text"),
    [
        ("tiny", TAKEN, "12 h"),
        ("full", TAKEN, "<0.1 h, 1,234 GB"),
        ("full", PAID, "4.2 h, 1,234 GB, $2.5, ?"),
    ],
)
def test_what_it_takes_in_words(size: str, told: dict[str, Any], text: str) -> None:
    assert papers.effort_text("made", size, {"made": {size: told}}) == text
    assert papers.effort_text("made", "smol", {"made": {size: told}}) == "-"
