"""A judge's threshold: scores read from words, and whole curations against a server that says them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_server import Remote, serve
from ruamel.yaml import YAML

from stages import check, curate
from stages.config.load import read_params
from stages.judging.grade import Graded, grade_prompt, read_grade
from stages.records.completion import Completion, read_completions, write_completions
from stages.records.example import Example, write_examples
from tools import plan

EXAMPLES = [Example(f"toy-{row}", "toy", f"Question {row}?", "7", "number") for row in range(6)]
SPLIT = {"train": ["toy-0", "toy-1", "toy-2"], "validation": ["toy-3"], "test": ["toy-4", "toy-5"]}
# what the judge says to each sample of a question, and the grade that it means
REPLIES = {
    0: ("Score: 9", 9),
    1: ("Score: 4", 4),
    2: ("I would rather not say", None),
    3: ("**Score:** 6/10", 6),
}
FILES = [Path(name) for name in ("examples.jsonl", "split.json", "said.jsonl", "kept.jsonl", "funnel.json")]


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        *[("Score: 7", 7), ("Score: 10.", 10), ("**Score:** 8/10", 8), ("score (1-10): 3", 3)],
        ("Score = 7.5", 7.5),
        *[("Fine steps.\nScore: 2\n", 2), ("The score is 5.", 5), ("Score: 6. Yes, score: 6", 6)],
        *[("", None), (None, None), ("7", None), ("Score: N", None), ("Score: 0", None), ("Score: 11", None)],
        *[("Score: -3", None), ("Score: 4, or score: 5", None), ("underscore: 4", None)],
    ],
)  # fmt: skip
def test_grades_in_a_judges_words(reply: str | None, grade: float | None) -> None:
    assert read_grade(reply) == grade


def test_the_judge_sees_the_answer_given_and_not_the_gold_one() -> None:
    shown = grade_prompt(Graded("How many?", "Three and five.", "8"))
    assert re.search(r"Question:\nHow many\?\n\nReasoning:\nThree and five\.\n\nAnswer:\n8\n", shown)
    assert "Answer:" not in grade_prompt(Graded("How many?", "Who knows.", None))


@pytest.fixture(scope="module")
def running() -> Iterator[Remote]:
    with serve() as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, running: Remote) -> Path:
    """Four samples of six questions; one of each is wrong and needs no judge."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COT_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.delenv("COT_MODE", raising=False)
    running.reset()
    running.script(
        [{"fault": "say", "text": reply, "match": f"Thought {k} of"} for k, (reply, _) in REPLIES.items()]
    )
    write_params(running)
    rows = [
        Completion(f"toy-{row}", k, ["q"], [f"Thought {k} of {row}. --> {7 + k // 4}"], ["stop"], "m", "-->")
        for row in range(6)
        for k in range(5)
    ]  # fmt: skip
    write_examples(FILES[0], EXAMPLES)
    FILES[1].write_text(json.dumps(SPLIT))
    write_completions(FILES[2], rows)
    return tmp_path


def write_params(running: Remote, curation: dict[str, Any] | None = None, **endpoint: Any) -> None:
    block = {"backend": "openai", "endpoint": "local", "model": "m-1", "max_tokens": 8}
    values = {
        "methods": {},
        "prices": {"m-1": {"listed": "2026-01-01", "input": 1.0, "output": 1.0}},
        "judges": {"big": block},
        "endpoints": {"local": {"base_url": running.url, **endpoint}},
        "curations": {"graded": {"filter": "answer", "judge": {"by": "big", "least": 6}, **(curation or {})}},
    }
    YAML().dump(values, Path("params.yaml"))


def kept() -> list[tuple[str, int]]:
    return [(row.example_id, row.sample) for row in read_completions(FILES[3])]


def test_what_the_judge_scores_high_enough_stays(place: Path, running: Remote) -> None:
    curate.main("graded", *FILES)
    assert kept() == [(f"toy-{row}", k) for row in (0, 1, 2, 3) for k in (0, 3)]
    removed = json.loads(FILES[4].read_text())["train"]["removed"]
    assert {reason: count for reason, count in removed.items() if count} == {
        "wrong_answer": 3,
        "low_grade": 3,
        "without_grade": 3,
    }
    asked = [call["body"]["messages"][-1]["content"] for call in running.calls("/chat/completions")]
    assert len(asked) == 16  # no wrong one, none of a test question
    assert all(f"Question {row}?" not in text for text in asked for row in (4, 5))


def test_a_judge_is_paid_once(place: Path, running: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    curate.main("graded", *FILES)
    first = FILES[3].read_bytes(), FILES[4].read_bytes()
    monkeypatch.setenv("COT_MODE", "replay")
    curate.main("graded", *FILES)
    assert (FILES[3].read_bytes(), FILES[4].read_bytes()) == first
    assert running.count("/chat/completions") == 16
    write_params(running, {"judge": {"by": "big", "least": 4}})  # another threshold asks nobody
    curate.main("graded", *FILES)
    assert kept() == [(f"toy-{row}", k) for row in (0, 1, 2, 3) for k in (0, 1, 3)]


def test_replay_without_a_store_and_a_budget_that_is_spent(
    place: Path, running: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params(running, budget=0.0)
    with pytest.raises(ValueError, match="budget"):
        curate.main("graded", *FILES)
    monkeypatch.setenv("COT_MODE", "replay")
    with pytest.raises(ValueError, match="replay"):
        curate.main("graded", *FILES)
    assert running.count("/chat/completions") == 0
    assert not FILES[3].exists()


def test_what_never_gives_a_score_is_no_judge(place: Path, running: Remote) -> None:
    running.script([{"fault": "say", "text": "Certainly!"}])
    with pytest.raises(
        ValueError, match=r"judges\.big: 16 replies and no score in any, such as 'Certainly!'"
    ):
        curate.main("graded", *FILES)


def test_near_duplicates_and_selection_stand_around_the_judge(place: Path, running: Remote) -> None:
    """Near ones are not paid for; one of what the judge lets through is drawn."""
    rows = read_completions(FILES[2])
    again = [row.__class__(**{**vars(row), "sample": row.sample + 5}) for row in rows]
    write_completions(FILES[2], sorted([*rows, *again], key=lambda row: (row.example_id, row.sample)))
    near = {"threshold": 1.0, "words": 2, "among": "corpus"}
    write_params(running, {"near_duplicates": near, "select": {"by": "random", "keep": 1}})
    curate.main("graded", *FILES)
    assert running.count("/chat/completions") == 16
    assert [question for question, _ in kept()] == ["toy-0", "toy-1", "toy-2", "toy-3"]
    assert {sample for _, sample in kept()} <= {0, 3}


def test_the_plan_says_what_a_judge_will_cost(
    place: Path, running: Remote, capsys: pytest.CaptureFixture[str]
) -> None:
    for file, name in (
        (FILES[0], "examples/toy"),
        (FILES[1], "splits/toy-s"),
        (FILES[2], "completions/toy-t"),
    ):
        target = Path("data") / f"{name}{file.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    plan.plan_judge("graded", "toy", "s", "t")
    told = capsys.readouterr().out
    assert "curations.graded.judge, toy-s-t" in told
    assert re.search(r"\b16\b", told)
    assert running.count("/chat/completions") == 0
    plan.plan_judge("graded", "toy", "s", "other")
    assert "toy-other has no completions yet" in capsys.readouterr().out


def test_the_stamp_of_a_curation_has_its_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    params = read_params(Path(__file__).parents[2] / "params.yaml")
    monkeypatch.chdir(Path(__file__).parents[2])
    plain = check.stamps_of(params)["curate-d1"]
    assert "stages/judging/grade.py" not in plain
    params["curations"]["d1"]["judge"] = {"by": "gpt", "least": 7}
    judged = check.stamps_of(params)["curate-d1"]
    wanted = {
        "stages/judging/grade.py",
        "stages/judging/consult.py",
        "stages/teachers/openai.py",
        "params.yaml: judges.gpt",
    }
    assert wanted <= judged.keys()
    params["judges"]["gpt"]["model"] = "another"
    moved = check.stamps_of(params)["curate-d1"]
    assert {part for part in moved if moved[part] != judged[part]} == {"params.yaml: judges.gpt"}
    params["curations"]["d1"]["judge"] = {"by": "nobody", "least": 7}
    with pytest.raises(ValueError, match=r"no block `judges\.nobody`"):
        check.stamps_of(params)
