"""D samples of what is learned from, `samples_test` of the rest: found, asked so, told by a dry run."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages import allot, teach
from stages.asking.conversation import Asking
from stages.asking.request import Answer
from stages.checking.stamps import of_allotment
from stages.config.load import check
from stages.config.samples import Samples
from stages.records.completion import read_completions
from stages.records.example import Example, write_examples
from stages.records.jsonl import write_json
from stages.teachers import openai

EXAMPLES = [
    Example(f"made-{row}", "made", f"What is {row} + 1?", str(row + 1), "number") for row in range(20)
]
SPLITS = {
    "tenth": {"scheme": "sample", "test": 0.5, "validation": 0.1, "train": 4, "seed": 0},
    "other": {"scheme": "sample", "test": 0.5, "validation": 0.1, "train": "full", "seed": 1},
}
PARAMS: dict[str, Any] = {
    "run": {"splits": ["tenth"]},
    "splits": SPLITS,
    "teachers": {
        "even": {"backend": "openai", "endpoint": "e", "model": "m", "samples": 4, "temperature": 0.7},
        "lean": {
            "backend": "openai", "endpoint": "e", "model": "m", "samples": 4, "temperature": 0.7,
            "samples_test": 1,
        },
    },
    "endpoints": {"e": {"base_url": "http://localhost:9/v1"}},
    "prices": {"m": {"listed": "2026-01-01", "input": 1.0, "output": 2.0}},
    "methods": {},
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COT_STORE", str(tmp_path / "store.sqlite"))
    write_json(Path("params.yaml"), PARAMS)
    write_examples(Path("examples.jsonl"), EXAMPLES)
    Path("shown.txt").write_text("")
    return tmp_path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """In the endpoint's place: every sample that is wanted comes. Counts them by prompt."""
    asked: Counter[str] = Counter()

    def connect(name: str, examples: list[Example], asking: Asking, answers: Path | None) -> Any:
        kept: dict[str, dict[int, Answer]] = {}

        def fulfil(wanted: list[Any]) -> dict[Any, str]:
            for want in wanted:
                asked[want.request.prompt.split("\n")[0]] += len(want.samples)
                kept.setdefault(want.key, {}).update({k: Answer("Answer: 1", "stop") for k in want.samples})
            return {}

        return openai.transport.Answerer(lambda key: kept.get(key, {}), fulfil)

    monkeypatch.setattr(openai.transport, "connect", connect)
    return asked


def allotted(teacher: str, *splits: str) -> list[str]:
    write_json(Path("params.yaml"), PARAMS | {"run": {"splits": list(splits)}})
    allot.main(teacher, Path("examples.jsonl"), Path("raw"), Path("allotted.json"))
    found: list[str] = json.loads(Path("allotted.json").read_text())
    return found


def learned(split: str) -> set[str]:
    """As the stage `split` has it."""
    from stages.split import main

    main(split, Path("examples.jsonl"), Path("raw"), Path("split.json"), Path("leakage.json"))
    parts = json.loads(Path("split.json").read_text())
    return {*parts["train"], *parts["validation"]}


def test_what_no_split_of_the_run_learns_from(place: Path) -> None:
    """Test questions, and what a small training part leaves; of two splits both count."""
    ids = [example.id for example in EXAMPLES]
    tenth, other = learned("tenth"), learned("other")
    assert 0 < len(tenth) < len(other) < len(tenth | other) < len(ids)
    assert allotted("lean", "tenth") == [one for one in ids if one not in tenth]
    assert allotted("lean", "tenth", "other") == [one for one in ids if one not in tenth | other]


def test_without_the_key_no_split_matters(place: Path) -> None:
    assert allotted("even", "tenth") == allotted("even", "tenth", "other") == []


def test_stamps_hold_the_splits_where_they_count() -> None:
    even, lean = (PARAMS["teachers"][name] for name in ("even", "lean"))
    moved = {"splits": SPLITS | {"tenth": SPLITS["tenth"] | {"seed": 7}}}
    assert of_allotment(even, ["tenth"], PARAMS) == of_allotment(even, ["tenth", "other"], moved)
    first = of_allotment(lean, ["tenth"], PARAMS)
    assert first != of_allotment(even, ["tenth"], PARAMS)
    assert first != of_allotment(lean, ["tenth"], moved)
    assert first != of_allotment(lean, ["tenth", "other"], PARAMS)
    assert first == of_allotment(lean | {"samples_test": 0}, ["tenth"], PARAMS)


@pytest.mark.parametrize("few", [0, 1, 3, 4])
def test_each_question_is_asked_as_often_as_it_should(place: Path, server: Counter[str], few: int) -> None:
    params = PARAMS | {"teachers": {"lean": PARAMS["teachers"]["lean"] | {"samples_test": few}}}
    write_json(Path("params.yaml"), params)
    rest = {example.id for example in EXAMPLES} - learned("tenth")
    write_json(Path("allotted.json"), sorted(rest))
    paths = [Path(name) for name in ("raw", "examples.jsonl", "shown.txt", "out.jsonl", "counts.json")]
    teach.main("lean", *paths, allotted=Path("allotted.json"))
    wanted = Counter({example.id: few if example.id in rest else 4 for example in EXAMPLES})
    rows = read_completions(Path("out.jsonl"))
    assert Counter(row.example_id for row in rows) == +wanted
    assert server == +Counter({example.question: wanted[example.id] for example in EXAMPLES})
    counts = json.loads(Path("counts.json").read_text())
    assert (counts["questions_not_learned"], counts["samples_test"]) == (len(rest), few)
    assert counts["completions"] == wanted.total()


def test_the_ids_are_wanted(place: Path, server: Counter[str]) -> None:
    paths = [Path(name) for name in ("raw", "examples.jsonl", "shown.txt", "out.jsonl", "counts.json")]
    with pytest.raises(ValueError, match=r"teachers\.lean\.samples_test: wanted --allotted"):
        teach.main("lean", *paths)
    teach.main("even", *paths)
    assert "samples_test" not in json.loads(Path("counts.json").read_text())
    assert server.total() == 4 * len(EXAMPLES)


def test_a_dry_run_says_both_numbers_and_what_is_saved(place: Path) -> None:
    rest = [example.id for example in EXAMPLES[:5]]
    told = teach.plan("lean", EXAMPLES, "", rest)
    assert "missing: 65 samples: 0 under way, 65 to be asked" in told
    assert "samples: 4 of each of 15 questions, 1 of 5 that no split learns from: 65 completions" in told
    assert "saved:   15 of 80 completions (19%), dollars: expected unknown, at most 0.0" in told
    assert "saved" not in teach.plan("even", EXAMPLES, "")


def test_more_on_the_rest_is_refused() -> None:
    refuse: Callable[[], Samples] = lambda: check("teachers.t", {"samples": 2, "samples_test": 3}, Samples)  # noqa: E731
    with pytest.raises(ValueError, match=r"`samples_test` is 3, wanted at most `samples`, 2"):
        refuse()
