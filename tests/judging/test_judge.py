"""Pairwise judgement: blinded pairs, counts against closed forms, a language model in both orders, and the
page in a real browser.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_server import Remote, serve
from ruamel.yaml import YAML
from typer.testing import CliRunner

from stages.judging.judgement import (
    blind,
    judge_prompt,
    judgement_results,
    pair_up,
    read_choice,
    tally,
    votes_of,
)
from stages.records.completion import Completion, write_completions
from stages.records.example import Example, write_examples
from stages.records.jsonl import write_json
from stages.results.statistics import wilson
from tools import judge
from tools.pages.fill import with_data

pytest_plugins = ["browser"]
ROWS = 12
EXAMPLES = {
    f"made-{i}": Example(f"made-{i}", "made", f"Question {i}?", str(i), "number") for i in range(ROWS)
}


def model(name: str, right: set[int], rows: range = range(ROWS)) -> dict[str, Completion]:
    texts = {i: f"{name} thinks of {i}. The answer is {i if i in right else 99}." for i in rows}
    return {
        f"made-{i}": Completion(f"made-{i}", 0, ["p"], [text], ["stop"], name, "The answer is", "selected")
        for i, text in texts.items()
    }


FIRST, SECOND = model("Alpha", {0, 1, 2, 3}), model("Beta", {2, 3, 4})


def key(n: int = ROWS, seed: int = 0) -> dict[str, Any]:
    return {"first": "Alpha", "second": "Beta", **pair_up(FIRST, SECOND, EXAMPLES, n, seed)}


def sheet(
    made: dict[str, Any], wins: dict[str, int], rater: str = "one", swapped: bool = False
) -> dict[str, Any]:
    """The answers of a judge who prefers the first model (1), the second (-1) or neither (0)."""
    first = {pair["id"]: pair["first"] for pair in made["pairs"]}
    sides = {
        one: "tie" if not win else first[one] if win == 1 else {"A": "B", "B": "A"}[first[one]]
        for one, win in wins.items()
    }
    answers = {
        one: {"A": "B", "B": "A", "tie": "tie"}[side] if swapped else side for one, side in sides.items()
    }
    return {"study": made["study"], "rater": rater, "swapped": swapped, "answers": answers}


def test_pairs_are_blind_and_without_answers() -> None:
    made = key()
    for pair in made["pairs"]:
        other = "B" if pair["first"] == "A" else "A"
        assert (pair[pair["first"]], pair[other]) == tuple(
            f"{name} thinks of {pair['id'][5:]}." for name in ("Alpha", "Beta")
        )
        assert pair["both_right"] is (pair["id"] in ("made-2", "made-3"))
    assert {pair["first"] for pair in made["pairs"]} == {"A", "B"}  # by chance, not always the same
    seen = json.dumps(blind(made))
    assert not re.search(r"answer is|first|second|right|99", seen)


def test_pairs_are_drawn_by_seed() -> None:
    assert key(5) == key(5)
    assert [pair["id"] for pair in key(5)["pairs"]] != [pair["id"] for pair in key(5, seed=1)["pairs"]]
    assert (len(key(5)["pairs"]), key(5)["left_out"]["not_drawn"]) == (5, 7)
    assert key(5)["study"] != key(5, seed=1)["study"]


def test_what_cannot_be_compared_is_left_out_and_counted() -> None:
    silent = Completion(
        "made-0", 0, ["p"], ["The answer is 0."], ["stop"], "Alpha", "The answer is", "selected"
    )
    mixed = {**model("Alpha", set(), range(8)), "made-0": silent, "made-1": SECOND["made-1"]}
    made = pair_up(mixed, SECOND, EXAMPLES, ROWS, 0)
    assert (len(made["pairs"]), made["left_out"]) == (
        6,
        {"without_rationale": 1, "same_rationale": 1, "not_drawn": 0},
    )
    with pytest.raises(ValueError, match="12 questions in common, none with two different rationales"):
        pair_up(FIRST, FIRST, EXAMPLES, 3, 0)


def test_counts_by_hand() -> None:
    made = key()
    wins = {f"made-{i}": 1 for i in range(9)} | {"made-9": -1, "made-10": 0}
    found = judgement_results(made, [sheet(made, wins)])
    low, high = wilson(9, 10)
    # exact binomial: 2 x (1 + 10) / 2^10
    want = {
        "pairs": 11,
        "wins": 9,
        "losses": 1,
        "ties": 1,
        "win_rate": 0.9,
        "low": low,
        "high": high,
        "p": pytest.approx(22 / 1024),
    }
    assert found["all"] == want
    assert found["both_right"] == {**tally([1, 1]), "p": pytest.approx(0.5)}
    assert found["agreement"] == []


def test_an_order_that_decides_is_a_tie() -> None:
    """A judge that always takes A contradicts itself: no pair is decided, and the two orders never agree."""
    made = key()
    always = [
        {"study": made["study"], "rater": "m", "swapped": swapped, "answers": dict.fromkeys(EXAMPLES, "A")}
        for swapped in (False, True)
    ]
    found = judgement_results(made, always)
    assert (found["all"]["ties"], found["all"]["win_rate"], found["all"]["p"]) == (ROWS, None, 1.0)
    assert [row["said_A"] for row in found["raters"]] == [ROWS, ROWS]
    assert found["agreement"] == [{"between": ["m", "m, swapped"], "pairs": ROWS, "agreement": 0.0}]


def test_what_a_judge_answered_in_one_order_only_is_left_out() -> None:
    made = key()
    first, second = (
        sheet(made, {"made-0": 1, "made-1": 1, "made-2": 1}, "m"),
        sheet(made, {"made-1": 1, "made-2": -1, "made-3": -1}, "m", swapped=True),
    )
    found = judgement_results(made, [first, second, sheet(made, {"made-3": -1}, "person")])
    assert {name: found["all"][name] for name in ("pairs", "wins", "losses", "ties")} == {
        "pairs": 3,
        "wins": 1,
        "losses": 1,
        "ties": 1,
    }
    assert found["one_order"] == 2
    assert found["agreement"][0] == {"between": ["m", "m, swapped"], "pairs": 2, "agreement": 0.5}


def test_swapped_answers_are_turned_back() -> None:
    made, wins = key(), {f"made-{i}": (1, -1, 0)[i % 3] for i in range(ROWS)}
    assert votes_of(made, sheet(made, wins)) == votes_of(made, sheet(made, wins, swapped=True)) == wins


def test_raters_outvote_each_other() -> None:
    made = key()
    cast = [
        {"made-0": 1, "made-1": 1, "made-2": -1},
        {"made-0": 1, "made-1": -1, "made-2": 0},
        {"made-0": -1},
    ]
    found = judgement_results(made, [sheet(made, wins, f"rater {i}") for i, wins in enumerate(cast)])
    assert {name: found["all"][name] for name in ("pairs", "wins", "losses", "ties")} == {
        "pairs": 3,
        "wins": 1,
        "losses": 1,
        "ties": 1,
    }
    assert [(row["pairs"], row["agreement"]) for row in found["agreement"]] == [
        (3, pytest.approx(1 / 3)),
        (1, 0.0),
        (1, 0.0),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"study": "another"}, "belong to the pairs 'another'"),
        ({"answers": {"made-0": "C"}}, "no such pairs or choices: {'made-0': 'C'}"),
        ({"answers": {"other-0": "A"}}, "no such pairs or choices"),
    ],
)
def test_sheets_of_something_else_are_refused(change: dict[str, Any], message: str) -> None:
    made = key()
    with pytest.raises(ValueError, match=message):
        judgement_results(made, [{**sheet(made, {}), **change}])
    with pytest.raises(ValueError, match="given twice"):
        judgement_results(made, [sheet(made, {}), sheet(made, {})])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"answers": []}, "sheet.json: not a sheet of answers: answers is [], wanted dict"),
        ({"swapped": "no"}, "sheet.json: not a sheet of answers: swapped is 'no', wanted bool"),
        ({"rater": None}, "sheet.json: not a sheet of answers: rater is None, wanted str"),
        ({"answers": {"made-0": ["A"]}}, "no such pairs or choices: {'made-0': ['A']}"),
        ({"study": {}}, "belong to the pairs {}"),
    ],
)
def test_an_edited_sheet_is_refused(place: Path, change: dict[str, Any], told: str) -> None:
    write_json(Path("pairs.json"), key())
    write_json(Path("sheet.json"), {**sheet(key(), {}), **change})
    with pytest.raises(ValueError, match=re.escape(told)):
        call("read", "sheet.json")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "pairs.json: not JSON"),
        ("[]", "pairs.json: got list, wanted an object"),
        ("{}", "first, pairs, second, study missing"),
        ('{"study": "", "first": "", "second": "", "pairs": {}}', "pairs is {}, wanted a list"),
        (
            '{"study": "", "first": "", "second": "", "pairs": [{"id": "q"}]}',
            "a pair is {'id': 'q'}, wanted both_right, first, id",
        ),
    ],
)
def test_an_edited_key_is_refused(place: Path, text: str, told: str) -> None:
    Path("pairs.json").write_text(text)
    write_json(Path("sheet.json"), sheet(key(), {}))
    with pytest.raises(ValueError, match=re.escape(told)):
        call("read", "sheet.json")


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        *[
            ("A", "A"),
            ("B.", "B"),
            ("**B**", "B"),
            ("Reasoning A is better.", "A"),
            ("tie", "tie"),
            ("It's a Tie.", "tie"),
            ("A and B", None),
        ],
        *[
            ("", None),
            (None, None),
            ("Bad", None),
            ("neither", None),
            ("A tie", "tie"),
            ("It is not a tie: A", None),
            ("A tie, or B", None),
            ("Tie: A and B are equally good.", "tie"),
            ("A and B are tied.", "tie"),
            ("It is a tie between A and B", "tie"),
            ("no tie", None),
            ("A and B tie on facts, but A is clearer than B.", None),
            ("Reasoning A is better than Reasoning B.", "A"),
            ("B is worse than A", "A"),
            ("I prefer B over A", "B"),
            ("B is much clearer, and better, than A.", "B"),
            ("A is not better than B", None),
            ("A is hardly better than B", None),
            ("A is by no means better than B", None),
            ("I don't prefer A over B.", None),
            ("I can't prefer A to B; B it is", None),
            ("I do not prefer A over B", None),
            ("A is better than B, but B is clearer than A", None),
            ("Neither A nor B is better than the other", None),
        ],
    ],
)
def test_choices_in_a_judges_words(said: str | None, choice: str | None) -> None:
    assert read_choice(said) == choice


# --- commands
# ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running() -> Iterator[Remote]:
    with serve() as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two cells and their dataset."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COT_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.delenv("COT_MODE", raising=False)
    write_examples(Path("data/examples/made.jsonl"), EXAMPLES.values())
    for name, rows in (("made-a", FIRST), ("made-b", SECOND)):
        write_completions(Path(f"data/predictions/{name}.jsonl"), rows.values())
    return tmp_path


def call(*arguments: object) -> str:
    result = CliRunner().invoke(judge.app, [str(one) for one in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_a_language_model_judges_both_orders(place: Path, running: Remote) -> None:
    """One that takes whichever begins with "Alpha" wins every pair for the first model,
    wherever it stands.
    """
    running.reset()
    running.script(
        [
            {"fault": "say", "text": "A", "match": "Reasoning A:\\nAlpha"},
            {"fault": "say", "text": "Reasoning B."},
        ]
    )
    block = {"backend": "openai", "endpoint": "local", "model": "m-1", "max_tokens": 8}
    YAML().dump(
        {"methods": {}, "judges": {"big": block}, "endpoints": {"local": {"base_url": running.url}}},
        Path("params.yaml"),
    )
    assert running.url not in call(
        "pairs", "made-a", "made-b", "--out", "study", "--judge", "big", "--dry-run"
    )
    assert running.count("/chat/completions") == 0
    call("pairs", "made-a", "made-b", "--out", "study", "--judge", "big", "--n", 10)
    asked = [request["body"]["messages"][-1]["content"] for request in running.calls("/chat/completions")]
    made = json.loads(Path("study/pairs.json").read_text())
    assert sorted(asked) == sorted(
        judge_prompt(pair, swapped) for pair in made["pairs"] for swapped in (False, True)
    )
    told = call("read", "study/big.json", "study/big-swapped.json", "--out", "found.json")
    found = json.loads(Path("found.json").read_text())
    assert {name: found["all"][name] for name in ("pairs", "wins", "win_rate")} == {
        "pairs": 10,
        "wins": 10,
        "win_rate": 1.0,
    }
    assert found["agreement"][0]["agreement"] == 1.0
    assert "| all | 10 | 10 | 0 | 0 | 100.0%" in told
    call("pairs", "made-a", "made-b", "--out", "study", "--judge", "big", "--n", 10)
    assert running.count("/chat/completions") == 20  # paid once


def test_a_name_that_is_none(place: Path) -> None:
    with pytest.raises(ValueError, match="'made-c': wanted a cell, DATASET-TEACHER or a file"):
        call("pairs", "made-a", "made-c", "--out", "study")
    Path("params.yaml").write_text("judges: {big: {}}")
    with pytest.raises(ValueError, match=r"no block `judges\.small`; judges has: big"):
        call("pairs", "made-a", "made-b", "--out", "study", "--judge", "small")
    assert not Path("study").exists()
    with pytest.raises(ValueError, match=r"made\.jsonl line 1: not a row of Completion"):
        call("pairs", "data/examples/made.jsonl", "made-b", "--out", "study")


# --- the page
# ------------------------------------------------------------------------------------------------------------


def status(page: Any) -> str:
    return str(page.locator("#status").text_content())


def test_the_page_from_key_to_result(place: Path, page: Any) -> None:
    """Keys answer and move, a reload goes on where it was, the saved file is read back."""
    call("pairs", "made-a", "made-b", "--out", "study", "--n", 4)
    made = json.loads(Path("study/pairs.json").read_text())
    page.goto(Path("study/page.html").resolve().as_uri())
    assert page.locator("#question").text_content() == made["pairs"][0]["question"]
    assert [page.locator(f"#{side}").text_content() for side in "AB"] == [
        made["pairs"][0][side] for side in "AB"
    ]
    assert status(page) == "pair 1 of 4, 0 answered"
    page.keyboard.press("1")
    page.keyboard.press("2")
    assert status(page) == "pair 3 of 4, 2 answered"
    page.keyboard.press("ArrowLeft")
    assert page.locator("[data-choice=B]").get_attribute("aria-pressed") == "true"
    page.locator("#rater").press_sequentially("Ann B. 1")  # digits in the name are no answers
    page.reload()
    assert status(page) == "pair 3 of 4, 2 answered"
    page.keyboard.press("0")
    page.locator("[data-choice=A]").click()
    assert "all done" in status(page)
    assert page.locator("#progress").evaluate("bar => bar.value / bar.max") == 1
    with page.expect_download() as download:
        page.locator("#export").click()
    assert download.value.suggested_filename == "answers-Ann_B_1.json"
    download.value.save_as("answers.json")
    told = json.loads(Path("answers.json").read_text())
    assert (told["rater"], list(told["answers"].values())) == ("Ann B. 1", ["A", "B", "tie", "A"])
    output = call("read", "answers.json", "--pairs", "study/pairs.json")
    wins = sum(pair["first"] == side for pair, side in zip(made["pairs"], ["A", "B", None, "A"], strict=True))
    assert f"| all | 4 | {wins} | {3 - wins} | 1 |" in output


def test_the_page_goes_on_from_a_file(place: Path, page: Any) -> None:
    call("pairs", "made-a", "made-b", "--out", "study", "--n", 4)
    made = json.loads(Path("study/pairs.json").read_text())
    first = made["pairs"][0]["id"]
    Path("kept.json").write_text(
        json.dumps({"study": made["study"], "rater": "Ann", "answers": {first: "tie", "x": "A"}})
    )
    Path("other.json").write_text(json.dumps({"study": "other", "rater": "Ann", "answers": {first: "A"}}))
    page.goto(Path("study/page.html").resolve().as_uri())
    page.locator("#import").set_input_files("other.json")
    # not wait_for_function: the page's policy forbids its second look
    page.locator("#status", has_text="belongs to other pairs").wait_for()
    page.locator("#import").set_input_files("kept.json")
    page.locator("#status", has_text=re.compile(r"^pair 2 of 4, 1 answered")).wait_for()
    assert page.locator("#rater").input_value() == "Ann"


HOSTILE = (
    "</script><script>document.title = 'broken'</script><img src=x onerror=\"document.title = 'broken'\">"
    " __DATA__ &lt;b&gt; \u2028 é"
)


def test_texts_are_shown_and_never_run(tmp_path: Path, page: Any) -> None:
    pair = {"id": HOSTILE, "question": HOSTILE, "A": f"A {HOSTILE}", "B": "<!--<script>"}
    (tmp_path / "page.html").write_text(with_data("judge", {"study": "s", "pairs": [pair]}), encoding="utf-8")
    page.goto((tmp_path / "page.html").as_uri())
    assert [page.locator(f"#{one}").text_content() for one in ("question", "A", "B")] == [
        HOSTILE,
        f"A {HOSTILE}",
        "<!--<script>",
    ]
    assert page.title() == "Which reasoning is better?"
    page.keyboard.press("1")
    assert "1 answered" in status(page)


def test_the_page_names_no_model(place: Path) -> None:
    call("pairs", "made-a", "made-b", "--out", "study")
    assert not re.search(r"made-a|made-b|\"first\"|both_right", Path("study/page.html").read_text())
