"""Report: the papers' items all stand in it, numbers of made-up cells come out as worked out by hand, the page opens in a browser."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.granularity import fitting, nearest, possible
from stages.report_results import Value, our_lines, read_results, value
from stages.report_spec import FOLDER, Item, Paper, options, read_paper
from stages.report_tables import cells, impossible, impossible_ours, panels_of
from stages.statistics import wilson

pytest_plugins = ["browser"]
ROOT = Path(__file__).resolve().parents[1]
PAPERS = ("ft", "scotd", "cascod")
CHECKLIST = {  # of tables and figures: Fine-tune-CoT's, SCoTD's, CasCoD's
    "ft": {f"F{number}" for number in range(23, 37)},
    "scotd": {"S7", *(f"S{number}" for number in (*range(12, 20), *range(20, 25)))},
    "cascod": {f"C{number}" for number in range(16, 23)},
}
PARAMS: dict[str, Any] = YAML(typ="safe").load(ROOT / "params.yaml")


@pytest.mark.parametrize("name", PAPERS)
def test_every_table_and_figure_is_filled_or_explained(name: str) -> None:
    paper = read_paper(name)
    assert {one for item in paper.items.values() for one in item.covers} == CHECKLIST[name]
    for item in paper.items.values():
        assert item.source
        assert item.notes
        assert bool(item.rows) == (item.kind != "text")


@pytest.mark.parametrize("name", PAPERS)
def test_patterns_name_what_exists(name: str) -> None:
    """A typing error in a pattern would show as a cell that was not run."""
    known = {"dataset": PARAMS["datasets"], "split": PARAMS["splits"], "curation": {*PARAMS["curations"], "golden", "golden_size"}}
    known |= {"method": [path.stem for path in (ROOT / "stages/methods").glob("*.py")]}
    known |= {"target": {*PARAMS["datasets"], *PARAMS["simulators"], "gpt_3_5", "gpt_4"}}
    for item in read_paper(name).items.values():
        places = [
            item.where,
            *item.panels.values(),
            *(column.where for column in item.columns.values()),
            *(row.ours or {} for row in item.rows.values()),
        ]
        for where in places:
            assert where.keys() <= {*known, "teacher", "student"}
            exact = [(axis, one) for axis, names in where.items() for one in options(names) if axis in known and one and not set(one) & set("*?[")]
            assert [(axis, one) for axis, one in exact if one not in known[axis]] == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rows": {"a": {"published": [1.0]}}}, "1 numbers for 2 columns"),
        ({"rows": {"a": {"published": {"p": [1.0, 2.0]}}}}, "no panel 'p'"),
        ({"columns": {"x": {"where": {"split": "s*"}}, "y": {}}}, "stands for several names"),
        ({"columns": {"x": {"mean_of": ["z"]}, "y": {}}}, "no such columns"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_wrong_file_is_refused(changed: dict[str, Any], said: str) -> None:
    item = {"covers": ["T"], "title": "t", "source": "s", "columns": {"x": {}, "y": {}}, **changed}
    with pytest.raises(ValueError, match=said):
        Item.model_validate(item)


def test_possible_percentages_are_those_that_counting_prints() -> None:
    for n in (1, 7, 111, 150, 278):
        for decimals in (1, 2):
            printed = {f"{100 * right / n:.{decimals}f}" for right in range(n + 1)}
            for tenth in range(0, 100 * 10**decimals + 1, 7):
                percent = tenth / 10**decimals
                assert possible(percent, n, decimals) or f"{percent:.{decimals}f}" not in printed
                off = min(abs(100 * right / n - percent) for right in range(n + 1))
                assert possible(percent, n, decimals) == (off <= 0.5 / 10**decimals + 1e-9)
    assert nearest(12.84, 111) == (14, pytest.approx(12.6126, abs=1e-4))
    with pytest.raises(ValueError, match="share of 0 questions"):
        possible(50, 0, 1)


def test_fine_tune_cot_prints_shares_of_other_questions_than_its_test_part() -> None:
    """Twelve of twelve teacher accuracies, and Few-shot-CoT on Date and StrategyQA (GPT-3), which fit 109 and 684 questions."""
    looked, rows = impossible(read_paper("ft"))
    table1 = [row for row in rows[1:] if row[0].startswith("Table 1,")]
    assert sum(row[1] == "Teacher 175B" for row in table1) == 12
    few = {(row[2], row[5]) for row in rows[1:] if row[1].startswith("Few-shot-CoT")}
    assert few == {("Date", "109"), ("StrategyQA", "684")}
    assert (looked, len(rows) - 1) == (794, 20)
    assert fitting([12.84, 19.27, 16.51], 111, 2) == [109]
    assert impossible(read_paper("cascod"))[1][1:] == []
    assert {row[2] for row in impossible(read_paper("scotd"))[1][1:]} == {"QuaRel"}


CELL = {"accuracy": 0.5, "n": 10, "samples": 1, "chance": 0.25, "teacher_accuracy": 0.75, "teacher_n": 8, "length": {"words": {"median": 12.0}}}
ITEM: dict[str, Any] = {
    **{"covers": ["T1"], "title": "A table", "source": "made up", "where": {"split": ["official", "sample"]}},
    "columns": {
        "A": {"where": {"dataset": "a"}, "n": 12},
        "B": {"where": {"dataset": "b"}},
        "on C": {"where": {"dataset": "a", "target": "c"}},
        "AVG": {"mean_of": ["A", "B"]},
    },
    "rows": {
        "Random": {"published": [25.0, None, None, 25.0], "ours": {}, "field": "chance", "by": []},
        "Teacher": {"ours": {"teacher": ["big", "*"]}, "field": "teacher_accuracy", "by": ["teacher"]},
        "Direct": {"published": [50.0, 60.0, 10.0, 55.0], "ours": {"method": "fine_tune", "student": ["paper_student", "*"]}},
        "Absent": {"ours": {"method": "few_shot"}},
        "Retired": {"published": [1.0, 2.0, 3.0, 4.0]},
    },
}


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    """Cells of two seeds, a transfer, a second student, a kept summary that repeats one cell and adds another."""

    def write(name: str, **numbers: Any) -> None:
        path = tmp_path / "metrics" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(numbers), encoding="utf-8")

    write("cells/a-official-fine_tune-tiny-0.json", **CELL | {"accuracy": 0.4})
    write("cells/a-official-fine_tune-tiny-1.json", **CELL | {"accuracy": 0.6})
    write("cells/b-official-fine_tune-tiny-0.json", **CELL | {"accuracy": 0.9})
    write("cells/a-sample-fine_tune-paper_student-0.json", **CELL)
    write("cells/a-official-small-d1-fine_tune_cot-tiny-0.json", **CELL)
    write("transfers/a-official-fine_tune-tiny-0-c.json", **CELL | {"accuracy": 0.1, "n": 100})
    write("splits/a-official.json", rows={"train": 7, "validation": 2, "test": 10})
    kept = {"fine_tune (tiny)": {"accuracy": 0.0, "n": 10, "n_seeds": 1}, "fine_tune_cot (small/d4/tiny)": {"accuracy": 0.3, "n": 10, "n_seeds": 2}}
    moved = {"fine_tune (other)": {"a": {"accuracy": 0.5, "n": 10}, "c": {"accuracy": 0.2, "n": 50}, "OOD": {"accuracy": 0.2}}}
    write("released/old.json", **{"average-official": kept, "a-official": kept, "a-official, transfers": moved})
    return tmp_path / "metrics"


def lines(metrics: Path, row: str) -> dict[str, list[Value | None]]:
    item = Item.model_validate(ITEM)
    return {line.deviations: line.values for line in our_lines(row, item.rows[row], item, {}, read_results(metrics))}


def test_lines_by_hand(metrics: Path) -> None:
    found = lines(metrics, "Direct")
    assert found.keys() == {"student tiny, not paper_student", "split sample, not official", "student other, not paper_student; kept as old"}
    low, high = wilson(5, 10)
    a, b, c, mean = found["student tiny, not paper_student"]
    assert a == Value(pytest.approx(50), pytest.approx(100 * low), pytest.approx(100 * high), 10, 2, pytest.approx(100 * 0.02**0.5))
    assert (b.value, b.seeds, c.value, c.n) == (90, 1, 10, 100)
    assert mean == Value(pytest.approx(70))  # of A and B; no interval
    assert found["split sample, not official"][1:] == [None, None, None]
    assert found["student other, not paper_student; kept as old"][2].value == 20


def test_a_kept_summary_counts_only_where_no_cell_says_the_same(metrics: Path) -> None:
    pool = read_results(metrics)["cells"]
    own = [one["accuracy"] for one in pool if (one["dataset"], one["method"], one["student"], one["target"]) == ("a", "fine_tune", "tiny", "")]
    assert own == [0.4, 0.6]
    (kept,) = [one for one in pool if one["curation"] == "d4"]
    assert (kept["teacher"], kept["kept"], kept["n_seeds"]) == ("small", "old", 2)
    assert value([{**kept, "sd": 0.1}], "accuracy", False).sd == 10  # of seeds that are not here one by one
    assert value([kept], "accuracy", False).sd == 0


def test_references_and_what_was_not_run(metrics: Path) -> None:
    assert [one and one.value for one in lines(metrics, "Random")[""]] == [25, 25, 25, 25]
    (teacher,) = lines(metrics, "Teacher").items()
    assert teacher[0] == "teacher small, not big"
    assert (teacher[1][0].value, teacher[1][0].n) == (75, 8)
    item = Item.model_validate(ITEM)
    (panel,) = panels_of(item, read_results(metrics))
    shown = {(line.name, line.deviations): cells(item, line) for line in panel.lines}
    assert shown["Direct", ""] == ["50.0", "60.0", "10.0", "55.0"]
    assert shown["Absent, ours", "not run"] == ["", "", "", ""]
    assert ("Retired, ours", "not run") not in shown
    tight = "\N{NO-BREAK SPACE}"
    assert shown["Direct, ours", "student tiny, not paper_student"][0] == f"50.0{tight}±26.3 (n{tight}10, paper 12), 2 seeds, sd 14.1"


def test_the_first_name_of_a_columns_list_that_was_run_counts(metrics: Path) -> None:
    columns = {"one": {"where": {"curation": ["d1", "d4"]}}, "other": {"where": {"curation": ["d2", "d4"]}}}
    rows = {"r": {"ours": {"dataset": "a", "method": "fine_tune_cot", "split": "official"}}}
    item = Item.model_validate({**ITEM, "where": {}, "columns": columns, "rows": rows})
    found = [line.values for line in our_lines("r", item.rows["r"], item, {}, read_results(metrics))]
    assert [[one and one.value for one in values] for values in found] == [[50, 30]]


def test_sums_of_fields(metrics: Path) -> None:
    rows = {"train": {"ours": {}, "field": "rows.train+rows.validation", "by": []}}
    made = {"results": "splits", "unit": "questions", "columns": {"A": {"where": {"dataset": "a"}}}, "rows": rows, "decimals": 0}
    item = Item.model_validate({**ITEM, "where": {}, **made})
    (line,) = our_lines("train", item.rows["train"], item, {}, read_results(metrics))
    assert cells(item, line) == ["9"]


def test_dollars_where_they_are_known(metrics: Path) -> None:
    (metrics / "cost_accuracy.csv").write_text("cell,dollars\na-official-fine_tune-tiny-0,84.5\na-official-fine_tune-tiny-1,\n", encoding="utf-8")
    wanted = {"dataset": "a", "method": "fine_tune", "student": "tiny", "target": ""}
    found = [one["dollars"] for one in read_results(metrics)["cells"] if wanted.items() <= one.items()]
    assert found == [84.5, None]


def test_our_own_scores_are_shares(metrics: Path) -> None:
    pool = read_results(metrics)["cells"]
    assert impossible_ours(pool)[1] == []
    seeds = {**pool[0], "n": 687, "n_seeds": 3, "accuracy": 0.5362}  # 656, 365 and 84 right are 0.5361 in all: each share was rounded before
    assert impossible_ours([seeds]) == (1, [])
    pool[0]["accuracy"] = 0.4321
    assert impossible_ours(pool) == (len(pool), ["a-official-fine_tune-tiny"])


class Page(HTMLParser):
    """Open tags, headings of tables, and every address that a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href") and not (value or "").startswith("#")]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports on the results in the tree, and a cell with a name that a page must not take for markup."""
    out = tmp_path_factory.mktemp("report")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(out)}
    subprocess.run([sys.executable, "-m", "stages.report", *PAPERS, "--out", str(out / "report")], cwd=ROOT, env=environment, check=True)
    return out / "report"


@pytest.mark.parametrize("name", PAPERS)
def test_files(report: Path, name: str) -> None:
    page = Page((report / f"{name}.html").read_text(encoding="utf-8"))
    assert page.tags.count("h1") == 1
    assert page.fetched == []  # one file: nothing to fetch, no script
    assert "script" not in page.tags
    assert page.tags.count("table") == page.tags.count("caption")
    text = (report / f"{name}.md").read_text(encoding="utf-8")
    widths = [[line.count("|") - line.count("\\|") for line in block.splitlines() if line.startswith("|")] for block in text.split("\n\n")]
    assert all(len(set(block)) <= 1 for block in widths)
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (report / picture).read_bytes()[:4] == b"\x89PNG"
        assert (report / picture).with_suffix(".svg").read_text(encoding="utf-8").startswith("<svg")
    assert (report / f"{name}.csv").read_text(encoding="utf-8").startswith("item,panel,line,column,side,value,low,high,n\n")


def test_names_are_no_markup(metrics: Path) -> None:
    from stages.report_page import as_html, as_markdown

    item = Item.model_validate({**ITEM, "title": "A <b>|</b> table", "notes": ["</script><script>alert(1)</script>"]})
    shown = {"one": (item, panels_of(item, read_results(metrics)), "")}
    paper = Paper(name="<i>", cite="&", items={"one": item})
    assert "script" not in Page(as_html(paper, shown, "")).tags
    assert "A <b>\\|</b> table" in as_markdown(paper, "x", shown, "")


@pytest.mark.parametrize("name", PAPERS)
def test_page_in_a_browser(report: Path, page: Any, name: str) -> None:
    """Light, dark and on paper; no part of the page is wider than the window, and links lead to their items."""
    page.goto((report / f"{name}.html").as_uri())
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        grounds.append(page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"))
    assert grounds == [["rgb(255, 255, 255)", "rgb(27, 27, 27)"], ["rgb(22, 24, 27)", "rgb(232, 232, 232)"]]
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
    done = subprocess.run([sys.executable, "-m", "stages.report", "other"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "wanted one of cascod, ft, scotd" in done.stderr
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == ["cascod", "ft", "scotd"]
