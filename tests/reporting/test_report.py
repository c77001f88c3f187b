"""Report: the command's files, DVC's plots of them, and the page in a browser."""

import csv
import json
import math
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from dvc_render.vega import VegaRenderer
from dvc_render.vega_templates import Template
from made_results import ITEM, PARAMS, write_results

from stages.reporting.page import html_page, markdown_page
from stages.reporting.pools import read_results
from stages.reporting.spec import FOLDER, Item, Paper
from stages.reporting.tables import item_panels

pytest_plugins = ["browser"]
ROOT = Path(__file__).resolve().parents[2]
PAPERS = ("ft", "scotd", "cascod", "competition")


class Page(HTMLParser):
    """Open tags, headings of tables, and every address that a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [
            value or ""
            for name, value in attrs
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#")
        ]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports on the results in the tree."""
    out = tmp_path_factory.mktemp("report")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(out)}
    command = [sys.executable, "-m", "stages.report", *PAPERS, "--out", str(out / "report")]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return out / "report"


@pytest.mark.parametrize("name", PAPERS)
def test_files(report: Path, name: str) -> None:
    page = Page((report / f"{name}.html").read_text(encoding="utf-8"))
    assert page.tags.count("h1") == 1
    assert page.fetched == []  # one file: nothing to fetch, no script
    assert "script" not in page.tags
    assert page.tags.count("table") == page.tags.count("caption")
    text = (report / f"{name}.md").read_text(encoding="utf-8")
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") - row.count("\\|") for row in rows}) <= 1
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (report / picture).read_bytes()[:4] == b"\x89PNG"
        assert (report / picture).with_suffix(".svg").read_text(encoding="utf-8").startswith("<svg")
    numbers = (report / f"{name}.csv").read_text(encoding="utf-8")
    assert numbers.startswith("item,panel,line,column,side,value,low,high,n\n")
    drawn = {path.stem for path in (report / "figures").glob(f"{name}-*.svg")}
    assert {path.stem for path in (report / "plots").glob(f"{name}-*")} == drawn


def test_plots_that_dvc_shows(report: Path) -> None:
    """The template of .dvc/plots on a figure's file, filled by DVC.

    Every field that it draws is a column, x are names, y is a number.
    """
    template = json.loads((ROOT / ".dvc/plots/figure.json").read_text(encoding="utf-8"))
    for path in sorted((report / "plots").glob("*.csv")):
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        assert [int(row["panel_place"]) for row in rows] == sorted(int(row["panel_place"]) for row in rows)
        assert all(math.isfinite(float(row["value"])) for row in rows)
        data = [{**row, "rev": "workspace"} for row in rows]
        drawn = Template(template, "figure")
        plot = VegaRenderer(data, path.name, template=drawn, x="column", y="value")
        filled = plot.get_filled_template()
        text = json.dumps({**filled, "data": None})
        assert "DVC_METRIC" not in text
        assert set(re.findall(r'"field": "(\w+)"', text)) <= {*data[0]}
        assert filled["data"]["values"] == data
        assert filled["spec"]["encoding"]["x"]["type"] == "nominal"
        height = {"field": "value", "type": "quantitative", "title": None}
        assert filled["spec"]["layer"][0]["encoding"]["y"] == height


def test_names_are_no_markup(tmp_path: Path) -> None:
    write_results(tmp_path)
    hostile = {"title": "A <b>|</b> table", "notes": ["</script><script>alert(1)</script>"]}
    item = Item.model_validate({**ITEM, **hostile})
    shown = {"one": (item, item_panels(item, read_results(tmp_path, PARAMS)), "")}
    paper = Paper(name="<i>", cite="&", items={"one": item})
    assert "script" not in Page(html_page(paper, shown, "")).tags
    assert "A <b>\\|</b> table" in markdown_page(paper, "x", shown, "")


@pytest.mark.parametrize("name", PAPERS)
def test_page_in_a_browser(report: Path, page: Any, name: str) -> None:
    """Light, dark and on paper; nothing is wider than the window, and links lead to their items."""
    page.goto((report / f"{name}.html").as_uri())
    colours = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        style = "getComputedStyle(document.body)"
        colours[scheme] = page.evaluate(f"[{style}.backgroundColor, {style}.color]")
    assert colours["light"] == ["rgb(255, 255, 255)", "rgb(27, 27, 27)"]
    assert colours["dark"] == ["rgb(22, 24, 27)", "rgb(232, 232, 232)"]
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for link in page.query_selector_all("nav a"):
        assert page.query_selector(link.get_attribute("href")) is not None
    drawn = page.query_selector_all("figure svg")
    assert all(one.get_attribute("aria-label") for one in drawn)
    assert len(drawn) == len(list((report / "figures").glob(f"{name}-*.svg")))
    page.emulate_media(media="print")
    assert not page.is_visible("nav")
    assert page.pdf()[:4] == b"%PDF"


def test_unknown_papers_are_refused() -> None:
    command = [sys.executable, "-m", "stages.report", "other"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "wanted one of cascod, competition, ft, scotd" in done.stderr
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == ["cascod", "competition", "ft", "scotd"]
