"""The page of a run: what it gathers, that it is one file and harmless, and what a browser does with it."""

import base64
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from made_cells import write_cell
from ruamel.yaml import YAML

from stages.config.load import block
from stages.config.run import Run
from stages.records.completion import Completion, write_completions
from stages.records.example import Example, write_examples
from tools.page import main
from tools.page.numbers import funnels, run_numbers
from tools.page.texts import run_texts

pytest_plugins = ["browser"]
RUN = {
    "preset": "made_up",
    "datasets": ["coins"],
    "splits": ["sample"],
    "teachers": ["wise"],
    "curations": ["d1"],
    "methods": ["cot"],
    "baselines": ["bare"],
    "students": ["tiny"],
    "seeds": [0, 1],
    "decodings": ["greedy"],
}
CELL = "coins-sample-wise-d1-cot-tiny"
NUMBERS: dict[str, Any] = {
    "n": 10, "samples": 1, "chance": 0.5, "teacher_accuracy": 0.9, "no_answer_rate": 0.1,
    "completion_rate": 1.0, "format_rate": 1.0, "length": {"words": {"mean": 12.25}},
}  # fmt: skip
HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
QUESTIONS = 400


def said(question: int, text: str, sample: int = 0, ending: str = "stop", **fields: Any) -> Completion:
    return Completion(f"coins-{question}", sample, ["Q"], [text], [ending], "m", "answer:", **fields)


def write_metrics(metrics: Path) -> None:
    for seed, accuracy in ((0, 0.4), (1, 0.6)):
        write_cell(metrics / "cells", f"{CELL}-{seed}-greedy", accuracy=accuracy, correct="", **NUMBERS)
    write_cell(metrics / "cells", "coins-sample-bare-tiny-0-greedy", accuracy=0.0, correct="", **NUMBERS)
    for folder in ("loss", "training", "funnels"):
        (metrics / folder).mkdir()
    (metrics / f"loss/{CELL}-0.csv").write_text("epoch,train_loss,validation_loss\n1,2.5,1.5\n2,1.25,1.0\n")
    (metrics / f"loss/{CELL}-1.csv").write_text("epoch,train_loss,validation_loss\n1,2.0,\n")
    (metrics / f"training/{CELL}-0.json").write_text('{"epoch_selected": 2}')
    train = {
        **{"rows_in": 8, "rows_out": 6, "questions_in": 4, "questions_out": 3},
        "length": {"words_from": {"020": 6}},
        "removed": {"wrong_answer": 2, "duplicate": 0},
    }
    (metrics / "funnels/coins-sample-wise-d1.json").write_text(json.dumps({"train": train}))
    (metrics / "cost_accuracy.csv").write_text(
        "cell,questions,completions,tokens_out,annotation,teacher,dollars,accuracy,low,high\n"
        f"{CELL}-0-greedy,4,8,100,2.68,,,0.4,0.17,0.69\ncoins-sample-bare-tiny-0-greedy,4,0,0,2.68,0.0,0.0,0.0,0.0,0.28\n"
    )


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A checkout with a run of three scored cells; one baseline is not scored yet."""
    monkeypatch.chdir(tmp_path)
    YAML().dump({"run": RUN}, tmp_path / "params.yaml")
    write_metrics(tmp_path / "metrics")
    return block("run", Run)


@pytest.fixture
def with_texts(run: Run) -> Run:
    data = Path("data")
    for folder in ("examples", "completions", "predictions", "splits"):
        (data / folder).mkdir(parents=True)
    examples = [
        Example(f"coins-{i}", "coins", HOSTILE if i == 0 else f"Coin {i}?", str(i), "number")
        for i in range(QUESTIONS)
    ]
    write_examples(data / "examples/coins.jsonl", examples)
    (data / "splits/coins-sample.json").write_text(json.dumps({"test": ["coins-0"], "train": ["coins-1"]}))
    teacher = [said(i, f"It is heads. answer: {i}", sample) for i in range(QUESTIONS) for sample in range(4)]
    write_completions(data / "completions/coins-wise.jsonl", teacher)
    student = [
        said(0, f"{HOSTILE} answer: 0", origin="selected"),
        said(0, "answer: 1", origin="epoch 1"),
        said(1, "heads heads answer: 2", origin="selected"),
        said(2, "I do not know 2", ending="length", origin="selected"),
    ]
    write_completions(data / f"predictions/{CELL}-0-greedy.jsonl", student)
    return run


def data_of(page: Path) -> Any:
    packed = re.search(r'id="data">([^<]*)<', page.read_text(encoding="utf-8"))
    assert packed
    return json.loads(gzip.decompress(base64.b64decode(packed[1])))


# ---------------------------------------------------------------- what is gathered


def test_the_grid_averages_seeds_with_the_interval_of_their_questions(run: Run) -> None:
    found = run_numbers(run)
    assert (len(found["cells"]), found["declared"]) == (3, 4)
    grid = found["grid"]
    assert grid["columns"] == [("coins", "sample", None)]
    taught, bare = grid["lines"]
    assert (taught["label"], bare["label"]) == ("cot (wise/d1/tiny)", "bare (tiny)")
    value = taught["values"][0]
    assert (value["accuracy"], value["n"], value["n_seeds"], value["min"], value["max"]) == (
        0.5,
        10,
        2,
        0.4,
        0.6,
    )
    # by hand: the centre is 0.5, half of the interval 1.96 sqrt(0.25/10 + (1.96/20)^2) / (1 + 1.96^2/10)
    assert (value["low"], value["high"]) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
    assert (bare["values"][0]["low"], bare["values"][0]["high"]) == (0.0, pytest.approx(0.2775, abs=1e-4))


def test_transfers_stand_behind_and_lead_to_what_was_said_there(run: Run, page: Any) -> None:
    YAML().dump({"run": {**RUN, "transfers": ["dice"]}}, Path("params.yaml"))
    for folder in ("examples", "transfers"):
        (Path("data") / folder).mkdir(parents=True)
    write_cell(Path("metrics/transfers"), f"{CELL}-0-greedy-dice", accuracy=0.2, correct="", **NUMBERS)
    answer = Completion("dice-0", 0, ["Q"], ["answer: 6"], ["stop"], "m", "answer:", origin="selected")
    write_completions(Path(f"data/transfers/{CELL}-0-greedy-dice.jsonl"), [answer])
    write_examples(Path("data/examples/dice.jsonl"), [Example("dice-0", "dice", "Roll?", "6", "number")])
    found = run_numbers(block("run", Run))
    assert found["grid"]["columns"] == [("coins", "sample", None), ("coins", "sample", "dice")]
    assert [value and value["accuracy"] for value in found["grid"]["lines"][0]["values"]] == [0.5, 0.2]
    assert found["grid"]["lines"][1]["values"][1] is None
    opened(page)
    page.locator(".heat button").nth(1).click()
    assert page.locator("#count").inner_text().startswith("1 rationale of 1, 100.0 % right")
    assert "cot (wise/d1/tiny), learned coins" in page.locator(".detail .who").inner_text()


def test_a_mentors_funnel_stands_beside_the_teachers(run: Run) -> None:
    train = {
        "rows_in": 3,
        "rows_out": 1,
        "questions_in": 3,
        "questions_out": 1,
        "removed": {"wrong_answer": 2},
    }
    Path("metrics/mentored").mkdir()
    name = "coins-sample-wise-d1-cot-large-0"
    Path(f"metrics/mentored/{name}.json").write_text(json.dumps({"train": train}))
    axes = {"dataset": "coins", "split": "sample", "teacher": "wise", "curation": "d1", "method": "cot"}
    cell = {**axes, "student": "tiny", "seed": 0, "mentor": "large"}
    theirs, own = funnels([cell])
    assert (theirs["whose"], theirs["rows_in"]) == ("wise/d1", 8)
    assert (own["whose"], own["rows_in"], own["words"]) == ("wise/d1, mentor large by cot, seed 0", 3, {})


def test_curves_funnels_and_costs(run: Run) -> None:
    found = run_numbers(run)
    first, second = found["losses"]  # the baseline trains nothing
    assert (first["train_loss"], first["validation_loss"], first["selected"]) == ([2.5, 1.25], [1.5, 1.0], 2)
    assert (second["train_loss"], second["validation_loss"], second["selected"]) == ([2.0], [None], None)
    (funnel,) = found["funnels"]
    assert (funnel["rows_in"], funnel["rows_out"], funnel["removed"]) == (8, 6, {"wrong_answer": 2})
    # what is the same of all, or known of one, tells nothing
    assert [*found["costs"]["kinds"]] == ["tokens_out", "completions"]
    assert [point["completions"] for point in found["costs"]["points"]] == [8, 0]


def test_texts_are_read_as_the_score_reads_them(with_texts: Run) -> None:
    found = run_texts(with_texts, 10_000)
    rows = found["rows"]
    student = [i for i, who in enumerate(rows["speaker"]) if found["speakers"][who]["kind"] == "student"]
    # the row of a kept epoch is left out
    assert [rows["outcome"][i] for i in student] == ["right", "wrong", "none"]
    assert [rows["read"][i] for i in student] == ["0", "2", None]
    assert [rows["lenient"][i] for i in student] == [None, None, "2"]
    assert [rows["notes"][i] for i in student] == ["", "", "ended by length"]
    assert found["questions"][0]["parts"] == {"sample": "test"}
    assert len(rows["question"]) == 4 * QUESTIONS + 3
    assert found["missing"] == [
        f"data/predictions/{name}-greedy.jsonl"
        for name in (f"{CELL}-1", "coins-sample-bare-tiny-0", "coins-sample-bare-tiny-1")
    ]


@pytest.mark.parametrize("limit", [0, 3, 41, 100])
def test_a_limit_leaves_whole_questions(limit: int, with_texts: Run) -> None:
    rows = run_texts(with_texts, limit)["rows"]
    assert max(0, limit - 8) < len(rows["question"]) + 1 <= limit + 1
    everything = run_texts(with_texts, 10_000)
    names = [everything["questions"][i]["id"] for i in everything["rows"]["question"]]
    found = run_texts(with_texts, limit)
    for place, question in enumerate(found["questions"]):
        assert rows["question"].count(place) == names.count(question["id"])


def test_the_page_is_one_file_that_holds_its_data(
    with_texts: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    main(out=Path("page.html"), limit=10_000)
    assert "3 cells, 1,603 of 1,603 rationales" in capsys.readouterr().out
    text = Path("page.html").read_text(encoding="utf-8")
    assert text.count("</script>") == 2
    assert not re.search(r"(?:src|href)=|https?://(?!www\.w3\.org/2000/svg)", text)
    found = data_of(Path("page.html"))
    assert found["questions"][0]["text"] == HOSTILE
    before = Path("page.html").read_bytes()
    main(out=Path("page.html"), limit=10_000)
    assert Path("page.html").read_bytes() == before


def test_words_for_what_is_not_there(tmp_path: Path) -> None:
    def page(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tools", "page", *words]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "", "PYTHONSAFEPATH": "1"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert "no params.yaml here; go to the root of a checkout" in page().stderr
    YAML().dump({"run": RUN}, tmp_path / "params.yaml")
    failed = page()
    assert (failed.returncode, failed.stdout) == (1, "")
    assert (
        failed.stderr
        == "error: metrics/cells: none of the 4 cells that `run` declares; `dvc repro` makes them\n"
    )


# ---------------------------------------------------------------- in a browser


def opened(page: Any, limit: int = 10_000) -> Any:
    main(out=Path("page.html"), limit=limit)
    page.goto(Path("page.html").resolve().as_uri())
    page.locator("html[data-ready]").wait_for(state="attached")
    return page


def test_numbers_alone(run: Run, page: Any) -> None:
    opened(page)
    assert (
        "Not there when this page was made: data/examples/coins.jsonl and 5 more; `dvc"
        in page.locator("#about").inner_text()
    )
    cells = [re.findall(r"[\d.]+", text) for text in page.locator(".heat button").all_inner_texts()]
    assert cells == [["50.0", "23.7", "76.3"], ["0.0", "0.0", "27.8"]]
    assert page.locator("#rationales").is_hidden()
    assert page.locator("#lengths svg").count() == 1
    assert page.locator("#losses polyline").count() == 3
    assert "6 kept, 2 wrong answer; 3 of 4 questions" in page.locator("#funnels").inner_text()
    page.locator(".heat button").first.focus()
    assert "2 seeds, from 40.0 to 60.0" in page.locator("#tip").inner_text()
    page.keyboard.press("ArrowDown")
    assert "bare (tiny)" in page.locator("#tip").inner_text()


def test_texts_are_found_and_never_run(with_texts: Run, page: Any) -> None:
    opened(page)
    page.locator(".heat button").first.click()
    assert page.locator("#count").inner_text().startswith("3 rationales of 1,603, 33.3 % right")
    assert page.locator(".detail .question").inner_text() == HOSTILE
    assert page.locator(".detail .step").first.inner_text() == f"{HOSTILE} answer: 0"
    assert page.evaluate("window.hacked") is None
    assert page.locator(".detail img, .list img").count() == 0
    page.keyboard.press("/")
    page.keyboard.type("heads heads")
    # the list is filtered a moment after a key: what is typed so far may leave one rationale too
    page.locator(".detail mark", has_text="heads heads").wait_for()
    assert page.locator("#count").inner_text().startswith("1 rationale of")
    assert page.locator(".detail mark").all_inner_texts() == ["heads heads"]
    assert "read: 2 · wrong" in page.locator(".detail .verdict").first.inner_text()
    assert page.locator(".detail details").count() == 4
    page.get_by_label("Outcome").select_option("right")
    assert "No rationale is left" in page.locator(".detail").inner_text()
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Outcome").select_option("noted")
    assert "ended by length" in page.locator(".detail").inner_text()


def test_a_long_list_has_few_entries_and_goes_by_keys(with_texts: Run, page: Any) -> None:
    opened(page)
    entries = page.locator(".list [role=option]")
    assert 0 < entries.count() < 60
    page.locator(".list").focus()
    page.keyboard.press("End")
    assert page.locator(".list [aria-selected=true]").get_attribute("aria-posinset") == "1603"
    assert page.locator(".list [aria-selected=true]").is_visible()
    assert "I do not know 2" in page.locator(".detail").inner_text()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("k")
    assert page.locator(".list [aria-selected=true]").get_attribute("aria-posinset") == "1601"
    assert 0 < entries.count() < 60


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_both_schemes_and_narrow_screens(scheme: str, width: int, with_texts: Run, page: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 700})
    opened(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ink, paper = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        ".map(colour => Number(colour.match(/\\d+/)[0]))"
    )
    assert (ink < 60 and paper > 200) if scheme == "light" else (ink > 200 and paper < 60)
