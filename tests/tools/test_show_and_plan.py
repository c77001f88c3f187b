"""`cot show` and `cot plan`: a name is enough, the files follow from it, and what is not there is said."""

import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
from conftest import ROOT
from rich.console import Console
from ruamel.yaml import YAML
from typer.testing import CliRunner

from stages.records.completion import Completion, write_completions
from stages.records.example import Example, write_examples
from stages.records.sequence import END, Segment, Sequence
from tools import cot
from tools.show import print_sequences

CORPUS = "made-sample-good-d1"
CELL = f"{CORPUS}-fine_tune_cot-tiny-0-greedy"
BASELINE = "made-sample-fine_tune-tiny-0-greedy"
RUN = {
    "preset": "made_up",
    "datasets": ["made"],
    "splits": ["sample"],
    "teachers": ["good", "paid"],
    "curations": ["d1"],
    "methods": ["fine_tune_cot"],
    "baselines": ["fine_tune"],
    "students": ["tiny"],
    "seeds": [0],
    "decodings": ["greedy"],
    "simulators": ["rules"],
    "transfers": ["made"],
}
PARAMS = {
    "run": RUN,
    "teachers": {
        "good": {"backend": "scripted", "samples": 2, "seed": 0, "error_rate": 0.0},
        "paid": {
            "backend": "openai",
            "endpoint": "nowhere",
            "model": "m",
            "method": "zero_shot_cot",
            "max_tokens": 8,
        },
    },
    "simulators": {"rules": {"backend": "scripted", "seed": 0, "error_rate": 0.0}},
    "curations": {"d1": {"filter": "answer", "per_question": 1}},
    "methods": {"fine_tune_cot": {}, "fine_tune": {}, "zero_shot_cot": {}},
    "endpoints": {"nowhere": {"base_url": "http://127.0.0.1:9/v1"}},
    "prices": {"m": {"input": 1.0, "output": 2.0, "listed": "2026-01-01"}},
}


def answers(model: str, count: int, wrong: tuple[int, ...] = ()) -> list[Completion]:
    return [
        Completion(
            f"made-{row}",
            sample,
            ["p"],
            [f"{model} {row}.{sample}. --> {99 if row in wrong else row}"],
            ["stop"],
            model,
            "-->",
            "selected",
        )
        for row in range(count)
        for sample in range(2)
    ]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six questions with a teacher's completions, a corpus, and predictions of two cells; entered."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COT_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.delenv("COT_MODE", raising=False)
    YAML().dump(PARAMS, tmp_path / "params.yaml")
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    examples = [Example(f"made-{row}", "made", f"Question {row}?", str(row), "number") for row in range(6)]
    ids = [example.id for example in examples]
    parts = {"train": ids[:3], "validation": ids[3:4], "test": ids[4:], "templates": dict.fromkeys(ids, "t")}
    data = tmp_path / "data"
    write_examples(data / "examples/made.jsonl", examples)
    (data / "splits").mkdir()
    (data / "splits/made-sample.json").write_text(json.dumps(parts))
    (data / "demonstrations").mkdir()
    (data / "demonstrations/made.txt").write_text("")
    write_completions(data / "completions/made-good.jsonl", answers("good", 6, wrong=(1,)))
    write_completions(data / f"corpora/{CORPUS}.jsonl", answers("good", 1))
    test = [row for row in answers("student", 6, wrong=(5,)) if row.example_id in parts["test"]]
    for cell in (CELL, BASELINE):
        write_completions(data / f"predictions/{cell}.jsonl", test)
    write_completions(data / f"transfers/{BASELINE}-made.jsonl", test)
    return tmp_path


def typed(*words: str) -> str:
    return CliRunner().invoke(cot.app, words, prog_name="cot", catch_exceptions=False).output


@pytest.mark.parametrize("name", [CORPUS, CELL])
def test_what_became_of_completions(name: str, checkout: Path) -> None:
    text = typed("show", "corpus", name)
    assert [text.count(f"made-{row}: gold '{row}'") for row in range(4)] == [1, 1, 1, 0]
    assert text.count("] kept") == 2
    assert text.count("] wrong_answer") == 1
    assert text.count("] over_budget") == 3
    assert typed("show", "corpus", name, "-n", "1").count("gold") == 1


def test_what_is_trained(checkout: Path) -> None:
    distilled = typed("show", "training", CELL)
    assert distilled.count("[cot x 1]") == 2
    assert "good 0.1." in distilled
    gold = typed("show", "training", BASELINE, "--count", "2")
    assert gold.count("Question") == 2
    assert "good" not in gold


def printed(sequences: list[Sequence], colours: bool) -> str:
    out = StringIO()
    system = "standard" if colours else None
    print_sequences(sequences, Console(file=out, width=200, force_terminal=colours, color_system=system))
    return out.getvalue()


def test_the_brackets_of_a_text_are_shown_as_they_are() -> None:
    segments = [
        Segment("A: [Rationale]"),
        Segment(" Bold [red]text[/red].", "rationale", 0.7, end=True),
        Segment("[Answer]"),
        Segment(" 0", "answer", 0.3),
    ]
    lines = printed([Sequence("made-0", segments, "train", unit="0")], colours=False).splitlines()
    assert "made-0 (train, unit 0)" in lines[0]
    assert [line.rstrip() for line in lines[1:]] == [
        "A: [Rationale]   [context]",
        f" Bold [red]text[/red].{END}   [rationale x 0.7]",
        "[Answer]   [context]",
        f" 0{END}   [answer x 0.3]",
    ]


def test_trained_text_has_its_tasks_colour() -> None:
    right = Segment("right", "cot")
    wrong = Segment("wrong", "counterfactual")
    text = printed([Sequence("made-0", [right]), Sequence("made-1", [wrong])], colours=True)
    assert "\x1b[32mright" in text
    assert "\x1b[31mwrong" in text


@pytest.mark.parametrize("cell", [CELL, BASELINE, f"{BASELINE}-made"])
def test_what_was_answered_wrongly(cell: str, checkout: Path) -> None:
    text = typed("show", "mistakes", cell)
    assert text.count("made-5") == 2
    assert "made-4" not in text
    assert "student 5.1. --> 99" in text
    assert typed("show", "mistakes", cell, "-n", "1").count("made-5") == 1


MISSING = {
    (
        "corpus",
        "made-sample-paid-d1",
    ): "data/completions/made-paid.jsonl not found: `dvc repro teach@made-paid`",
    ("training", CELL.replace("good", "paid")): "not found: `dvc repro curate@made-sample-paid-d1` makes it",
    ("mistakes", CELL.replace("good", "paid")): (
        f"not found: `dvc repro predict@{CELL.replace('good', 'paid')}` makes it, `dvc pull` brings it"
    ),
    ("mistakes", f"{CELL}-made"): f"not found: `dvc repro predict_transfer@{CELL}-made` makes it",
    ("mistakes", "nothing"): "'nothing' is no cell",
    ("corpus", BASELINE): f"'{BASELINE}': wanted DATASET-SPLIT-TEACHER-CURATION",
}


@pytest.mark.parametrize("words", MISSING, ids=" ".join)
def test_what_is_not_there(words: tuple[str, str], checkout: Path) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is compared below)
        typed("show", *words)
    assert MISSING[words] in str(caught.value)


def test_a_run_is_planned_and_nothing_is_asked(checkout: Path) -> None:
    text = typed("plan")
    assert "good, made\n" in text
    assert "paid, made\nmissing: 12 samples: 0 under way, 12 to be asked" in text
    assert f"rules, {CELL}\n" in text
    assert text.count("is not paid: nothing to estimate") == 2
    assert f"rules: {CELL.replace('good', 'paid')} has no predictions yet" in text


def test_one_teacher_and_one_data_set_are_planned(checkout: Path) -> None:
    assert typed("plan", "paid", "made").startswith("paid, made\nmissing: 12 samples")
    with pytest.raises(ValueError, match=r"'other' is no teacher and no simulator .*: good, paid, rules"):
        typed("plan", "other")
    with pytest.raises(ValueError, match=r"'other' is no data set of this run; .* list: made"):
        typed("plan", "paid", "other")
