"""A run against a server that refuses 1 % of the prompts, finds 1 % too long, fails on 2 % and drops 1 %: all
others are answered, the rest is counted by kind, and the next run asks for exactly the rest.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import Remote, serve
from live_calls import KEY, asked_number, questions
from stage_run import StageRun

from stages.endpoint import live
from stages.records.completion import read_completions

COUNT = 400
REFUSED, TOO_LONG, FAILING, DROPPED = range(7, 11), range(50, 54), range(100, 108), range(300, 304)
MISSING = {"connection": 4, "http_500": 8, "refused": 4, "too_long": 4}


@pytest.fixture(scope="module")
def running() -> Iterator[Remote]:
    with serve(key=KEY, words=8) as server:
        yield server


@pytest.fixture
def folder(running: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StageRun:
    running.reset()
    monkeypatch.delenv("COT_MODE", raising=False)
    monkeypatch.setattr(live, "pause", lambda attempt: 0.001)
    run = StageRun(tmp_path / "run", running)
    run.teacher |= {"method": "zero_shot", "samples": 1, "max_missing": 0.05}
    run.endpoint["attempts"] = 3
    run.write(questions(COUNT))
    return run


def faults(kinds: dict[str | int, range]) -> list[dict[str, object]]:
    return [
        {"fault": name, "match": f"What is {number} + 1?"}
        for name, numbers in kinds.items()
        for number in numbers
    ]


def asked(folder: StageRun, before: int = 0) -> Counter[int]:
    """How often each question was asked, beginning with this call."""
    return Counter(int(asked_number(call)) for call in folder.server.calls()[before:])


def answered(folder: StageRun) -> set[int]:
    return {int(row.example_id.split("-")[1]) for row in read_completions(folder.folder / "out.jsonl")}


def counts(folder: StageRun) -> dict[str, object]:
    return dict(json.loads((folder.folder / "out.jsonl.counts").read_text()))


def test_what_one_prompt_meets_costs_that_prompt(folder: StageRun) -> None:
    refusing: dict[str | int, range] = {"moderated": REFUSED, "context_length": TOO_LONG}
    folder.server.script(faults({**refusing, 500: FAILING, "drop": DROPPED}))
    code, said = folder.finish()
    assert code == 0, said
    lost = {*REFUSED, *TOO_LONG, *FAILING, *DROPPED}
    assert answered(folder) == {*range(COUNT)} - lost
    assert counts(folder)["missing"] == MISSING
    tries = {number: 3 if number in (*FAILING, *DROPPED) else 1 for number in range(COUNT)}
    assert asked(folder) == tries

    before = folder.server.count()
    folder.server.script(faults(refusing))  # it has recovered
    code, said = folder.finish()
    assert code == 0, said
    assert asked(folder, before) == dict.fromkeys(lost, 1)
    assert answered(folder) == {*range(COUNT)} - {*REFUSED, *TOO_LONG}
    assert counts(folder)["missing"] == {"refused": 4, "too_long": 4}

    before = folder.server.count()
    folder.server.script([])  # and takes everything now
    code, said = folder.finish()
    assert code == 0, said
    assert asked(folder, before) == dict.fromkeys((*REFUSED, *TOO_LONG), 1)
    assert answered(folder) == {*range(COUNT)}
    assert "missing" not in counts(folder)


def test_more_than_may_be_missing_is_told_by_kind(folder: StageRun) -> None:
    folder.teacher["max_missing"] = 0.04
    folder.write(questions(COUNT))
    folder.server.script(
        faults({"moderated": REFUSED, "context_length": TOO_LONG, 500: FAILING, "drop": DROPPED})
    )
    code, said = folder.finish()
    assert code == 1
    for kind, count in MISSING.items():
        assert f"{count} {kind}" in said
    assert not (folder.folder / "out.jsonl").exists()
