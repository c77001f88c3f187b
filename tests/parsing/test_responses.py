"""Responses that come with the data: the maps of docs/datasets.md on made rows in their layouts, and what is
read from a response and not put beside it.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from curated import curate
from ruamel.yaml import YAML

from stages.config.curation import Curation
from stages.config.dataset import Columns, Dataset, Responses
from stages.config.load import check
from stages.corpus.funnel import Corpus
from stages.parsing.checks import check_columns
from stages.parsing.responses import responses_of
from stages.records.completion import Completion, read_completions, write_completions
from stages.records.example import Example
from stages.teach import counted
from stages.teachers import human, responses

THOUGHT, SAID = "Two and two. Is it 5? No.", "So it is \\boxed{4}."
MARKED = (
    f"<|begin_of_thought|>\n\n{THOUGHT}\n\n<|end_of_thought|>\n\n"
    f"<|begin_of_solution|>\n\n{SAID}\n\n<|end_of_solution|>"
)
WRONG = "2 + 2 = 5, so \\boxed{5}."
ROWS: dict[str, list[dict[str, Any]]] = {
    "OpenThoughts": [
        {
            "problem": "2 + 2?",
            "deepseek_reasoning": THOUGHT,
            "deepseek_solution": said,
            "ground_truth_solution": "We add: $\\boxed{4}$",
            "domain": "math",
            "source": "made",
            "test_cases": None,
            "starter_code": None,
        }
        for said in (SAID, WRONG)
    ]
    + [
        {
            "problem": "Write it.",
            "deepseek_reasoning": "",
            "deepseek_solution": "x",
            "ground_truth_solution": "",
        }
    ],
    "Bespoke-Stratos": [
        {
            "system": "Your role is ...",
            "conversations": [
                {"from": "user", "value": "2 + 2?"},
                {"from": "assistant", "value": said},
            ],
        }
        for said in (MARKED, MARKED)
    ],
    "s1K": [
        {
            "question": "2 + 2?",
            "solution": "4",
            "cot_type": "math",
            "gemini_thinking_trajectory": THOUGHT,
            "gemini_attempt": WRONG,
            "deepseek_thinking_trajectory": THOUGHT,
            "deepseek_attempt": SAID,
        }
    ],
    "OpenR1-Math": [
        {
            "problem": "2 + 2?",
            "solution": "Add.",
            "answer": "4",
            "generations": [
                f"<think>\n{THOUGHT}\n</think>\n\n{SAID}",
                f"<think>hm</think>{WRONG}",
                "<think>\nI",
            ],
            "is_reasoning_complete": [True, True, False],
            "messages": [],
        }
    ],
}
# of each: the responses as (said, thought), and which are right
WANTED = {
    "OpenThoughts": ([(SAID, THOUGHT), (WRONG, THOUGHT)], [True, False]),
    "Bespoke-Stratos": ([(SAID, THOUGHT)] * 2, [True, True]),
    "s1K": ([(WRONG, THOUGHT), (SAID, THOUGHT)], [False, True]),
    "OpenR1-Math": ([(SAID, THOUGHT), (WRONG, "hm"), ("", "I")], [True, False, False]),
}


def maps() -> dict[str, dict[str, Any]]:
    """The blocks of docs/datasets.md, by what stands before each."""
    page = (ROOT / "docs" / "datasets.md").read_text("utf-8").partition("## Corpora of others")[2]
    blocks = re.findall(
        r"^([\w-]+)[^\n]*:\n\n```yaml\n(.*?)```", page.partition("## Answers")[0], re.M | re.S
    )
    return {name: YAML(typ="safe").load(text) for name, text in blocks}


def taught(
    folder: Path, monkeypatch: pytest.MonkeyPatch, columns: dict[str, Any], rows: list[dict[str, Any]]
) -> tuple[list[Example], list[Completion], dict[str, Any]]:
    """(examples, completions, counts) of rows in local/."""
    monkeypatch.chdir(folder)
    Path("local").mkdir(exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    Path("local/made.jsonl").write_text(lines, encoding="utf-8")
    values = {"source": {"kind": "local", "files": ["made.jsonl"]}, "columns": columns}
    dataset = check("", values, Dataset, "made.yaml")
    check_columns(Path("local/made.jsonl"), dataset.columns, "made")
    monkeypatch.setattr(responses, "read_dataset", lambda name: dataset)
    examples = [
        one.example
        for one in responses.parse_answered(Path("local"), "made", dataset.columns, ["made.jsonl"])
    ]
    settings = responses.Settings(backend="responses")
    counts: dict[str, Any] = {}
    rows_out = list(
        counted(responses.complete(examples, settings, Path("none"), ""), examples, counts, "teach")
    )
    counts["sources"] = responses.coverage(examples, settings, Path("none"))
    write_completions(Path("completions.jsonl"), rows_out)
    assert read_completions(Path("completions.jsonl")) == rows_out
    return examples, rows_out, counts


def right(examples: list[Example], rows: list[Completion]) -> list[bool]:
    by_id = {example.id: example for example in examples}
    parts = {"train": list(by_id), "validation": [], "test": []}
    kept, _ = curate(rows, by_id, parts, Curation(filter="answer"), set())
    return [(row.example_id, row.sample) in {(one.example_id, one.sample) for one in kept} for row in rows]


@pytest.mark.parametrize("name", ROWS)
def test_a_map_of_the_page_reads_its_rows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = maps()[name]
    check("", {**block, "source": {**block["source"], "revision": "0"}}, Dataset, "page")
    examples, rows, counts = taught(tmp_path, monkeypatch, block["columns"], ROWS[name])
    said, correct = WANTED[name]
    assert [(example.question, example.answer) for example in examples] == [("2 + 2?", "4")]
    assert [(row.texts[0], row.reasoning[0]) for row in rows] == said
    assert {row.reader for row in rows} == {"stated"}
    assert right(examples, rows) == correct
    gold = {
        "Bespoke-Stratos": "the first answer that the responses state",
        "OpenR1-Math": "column answer",
    }
    assert counts["sources"]["gold"] == gold.get(name, f"column {block['columns'].get('solution')}")


def corpus_counts(rows: list[Completion], example: Example) -> dict[str, object]:
    corpus = Corpus()
    corpus.add(rows, example)
    return corpus.counts()


def test_whether_a_response_was_cut_is_what_the_rows_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, rows, _ = taught(tmp_path, monkeypatch, maps()["OpenR1-Math"]["columns"], ROWS["OpenR1-Math"])
    assert [row.finish_reasons for row in rows] == [["stop"], ["stop"], ["length"]]
    _, rows, _ = taught(tmp_path, monkeypatch, maps()["s1K"]["columns"], ROWS["s1K"])
    assert [row.finish_reasons for row in rows] == [["unknown"], ["unknown"]]
    assert corpus_counts(rows, Example("made-0", "made", "2 + 2?", "4", "latex"))["unfinished"] is None


PLAIN = {"question": "prompt", "answer": "gold", "answer_type": "number"}


@pytest.mark.parametrize(
    ("prompt", "response"),
    [
        ("2 + 2?", SAID),
        ([{"role": "user", "content": "2 + 2?"}], [{"role": "assistant", "content": SAID}]),
        (
            [{"from": "system", "value": "S"}, {"from": "human", "value": "2 + 2?"}],
            [[{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": SAID}]],
        ),
    ],
)
def test_prompt_and_response_in_every_form(
    prompt: Any, response: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {**PLAIN, "responses": {"columns": ["response"], "model": "m", "rationalised": True}}
    row = {"prompt": prompt, "response": response, "gold": 4}
    examples, rows, counts = taught(tmp_path, monkeypatch, columns, [row])
    assert (examples[0].question, examples[0].answer) == ("2 + 2?", "4")
    assert [row.texts for row in rows] == [[SAID]]
    assert counts["sources"]["rationalised"] is True
    assert rows[0].rationalised
    assert corpus_counts(rows, examples[0])["rationalised"] == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "q", "response": 5, "gold": 1}, "row 0: response holds '5', wanted a text"),
        ({"prompt": 5, "response": "r", "gold": 1}, "row 0: prompt is '5', wanted a text or a conversation"),
        (
            {"prompt": [{"role": "user", "content": "a"}] * 2, "response": "r", "gold": 1},
            "row 0: prompt has 2 turns of a user, wanted one question",
        ),
        (
            {"prompt": "q", "response": [{"role": "referee", "content": "r"}], "gold": 1},
            "row 0, response: got the turn .*referee.*wanted role and content",
        ),
    ],
)
def test_a_broken_row_is_named(
    row: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=said):
        taught(tmp_path, monkeypatch, {**PLAIN, "responses": {"columns": ["response"], "model": "m"}}, [row])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"question": "q", "answer_type": "number"}, "`answer` names the gold answers' column"),
        ({"question": "q", "answer": "a", "solution": "s", "answer_type": "number"}, "`solution` goes with"),
    ],
)
def test_columns_name_a_gold_answer(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check("columns", values, Columns)


@pytest.mark.parametrize(
    ("rationale", "answer", "kept"),
    [
        ("2 + 2 = 4.", "4", True),
        ("2 + 2 = 5. \\boxed{5}", "4", False),
        ("2 + 2 = 5\n#### 5", "4", False),
        ("Is it 5? \\boxed{4}", "4", True),
    ],
)
def test_a_rationale_with_an_answer_of_its_own_is_read_with_it(
    rationale: str, answer: str, kept: bool
) -> None:
    example = Example("made-0", "made", "2 + 2?", answer, "number", rationale=rationale)
    rows = list(human.complete([example], human.Settings(backend="human"), Path("none"), ""))
    assert right([example], rows) == [kept]


@pytest.mark.parametrize(
    ("told", "reasons"),
    [
        (True, ["stop", "stop"]),
        (False, ["length", "length"]),
        ("stop", ["stop", "stop"]),
        ("True", ["stop", "stop"]),
        ("length", ["length", "length"]),
        ([True, False], ["stop", "length"]),
        (None, ["unknown", "unknown"]),
    ],
)
def test_how_responses_ended_is_told_for_each_or_for_all(told: Any, reasons: list[str]) -> None:
    columns = Responses(columns=["r"], finished="f", model="m")
    found = responses_of({"r": ["It is 4.", "It is 5."], "f": told}, columns, "row 0")
    assert [response.finish_reason for response in found] == reasons
