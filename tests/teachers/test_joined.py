"""Two teachers as one: what comes out, what it rests on, and that nothing is paid twice."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_server import Remote, serve
from conftest import ROOT
from ruamel.yaml import YAML

from stages import check, teach
from stages.config.load import read_params
from stages.records.completion import read_completions
from stages.records.example import Example, write_examples
from stages.teachers import joined

EXAMPLES = [Example(f"made-{row}", "made", f"Question {row}?", str(row), "number") for row in range(5)]


@pytest.fixture(scope="module")
def running() -> Iterator[Remote]:
    with serve() as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, running: Remote) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COT_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.delenv("COT_MODE", raising=False)
    running.reset()
    running.script([])
    served = {"backend": "openai", "endpoint": "local", "temperature": 1.0, "max_tokens": 50}
    teachers = {
        "large": {**served, "model": "m-large", "samples": 2},
        "small": {**served, "model": "m-small", "samples": 3},
        "both": {"backend": "joined", "teachers": ["large", "small"]},
    }
    write({"teachers": teachers, "endpoints": {"local": {"base_url": running.url}}})
    write_examples(Path("examples.jsonl"), EXAMPLES)
    Path("shown.txt").write_text("")
    return tmp_path


def write(values: dict[str, Any]) -> None:
    YAML().dump({"methods": {"chat_cot": {}}, "prices": {}, **values}, Path("params.yaml"))


def taught(teacher: str) -> list[tuple[str, int, str, list[str]]]:
    teach.main(teacher, Path("raw"), Path("examples.jsonl"), Path("shown.txt"), Path("out"), Path("counts"))
    return [(row.example_id, row.sample, row.model, row.texts) for row in read_completions(Path("out"))]


def test_one_after_the_other_and_paid_once(place: Path, running: Remote) -> None:
    large, small = taught("large"), taught("small")
    calls = running.count("/chat/completions")
    both = taught("both")
    assert running.count("/chat/completions") == calls > 0  # all was in the store
    wanted = []
    for example in EXAMPLES:
        own = [row for rows in (large, small) for row in rows if row[0] == example.id]
        wanted += [(example.id, sample, row[2], row[3]) for sample, row in enumerate(own)]
    assert both == wanted
    assert json.loads(Path("counts").read_text())["models"] == {"m-large": 10, "m-small": 15}


def test_it_asks_by_itself_too(place: Path, running: Remote) -> None:
    both = taught("both")
    calls = running.count("/chat/completions")
    assert len(both) == 25
    small = taught("small")
    assert [row[3] for row in small] == [row[3] for row in both if row[2] == "m-small"]
    assert running.count("/chat/completions") == calls


@pytest.mark.parametrize(
    ("teachers", "message"),
    [
        (["large", "nobody"], r"no block `teachers\.nobody`"),
        (["large", "both"], r"`teachers\.both` cannot be joined"),
        (["large", "large"], r"`teachers\.large` cannot be joined"),
        (["large", "lean"], r"`teachers\.lean` cannot be joined"),
    ],
)
def test_what_cannot_be_joined(place: Path, teachers: list[str], message: str) -> None:
    params = read_params()
    params["teachers"]["lean"] = {**params["teachers"]["large"], "samples_test": 1}
    settings = joined.Settings(backend="joined", teachers=teachers)
    with pytest.raises(ValueError, match=message):
        joined.members(settings, params)


def test_its_stamp_has_what_it_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    params = read_params()
    params["teachers"]["both"] = {"backend": "joined", "teachers": ["scripted", "gpt"]}
    params["run"]["teachers"] = ["both"]
    before = check.stamps_of(params)["teach-gen_coin_flip-both"]
    wanted = {
        *("stages/teachers/joined.py", "stages/teachers/scripted.py", "stages/teachers/openai.py"),
        *("stages/methods/chat_cot.py", "stages/datasets/gen_coin_flip.py", "params.yaml: teachers.gpt"),
    }
    assert wanted <= before.keys()
    params["teachers"]["gpt"]["model"] = "another"
    params["teachers"]["gpt_diverse"]["model"] = "another"
    after = check.stamps_of(params)["teach-gen_coin_flip-both"]
    assert {part for part in after if after[part] != before[part]} == {"params.yaml: teachers.gpt"}
    params["teachers"]["both"]["teachers"] = ["scripted", "nobody"]
    with pytest.raises(ValueError, match=r"no block `teachers\.nobody`"):
        check.stamps_of(params)
