"""Demonstrations of our own (stages/datasets/NAME.txt): worked by hand, read by our readers, no row of a data
set; and every data set that a preset shows demonstrations of has some.
"""

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from stages import download
from stages.config.dataset import demonstrations_file, read_dataset
from stages.config.method import method_of
from stages.methods import few_shot_cot
from stages.parsing.demonstrations import demonstrations_text
from stages.parsing.readers import parse_raw
from stages.records.example import Example
from stages.text.answers import READERS, read_answer
from stages.text.formats import Shot, parse_demonstrations
from tools.presets.reading import sizes_of
from tools.presets.writing import preset_params

# the answers, worked by hand from the questions
GOLD = {
    "openbook_qa": "BDAC",
    "quarel": "ABBAB",
    "arc_easy": "CAB",
    "arc_challenge": "CAD",
    "bb_sub": "BAD",
    "agieval": "CADB",
}
SCOTD = "extracted/liunian-harold-li/scotd/21668aad67e737da8a734fc3420edb315e75b4a7"


def shots_of(name: str) -> list[Shot]:
    file = demonstrations_file(name)
    assert file is not None
    example = Example(f"{name}-0", name, "?", "A", "choice")
    return parse_demonstrations(file.read_text(encoding="utf-8"), "few_shot_cot", example)[1]


def options(question: str) -> list[str]:
    """Option texts, on one line or on lines of their own."""
    return [option.strip() for option in re.findall(r"\([A-E]\) (.*?)(?=\([A-E]\)|$|\n)", question)]


@pytest.mark.parametrize("name", GOLD)
def test_each_answer_is_read_as_its_gold_one(name: str) -> None:
    prefix = few_shot_cot.answer_prefix(few_shot_cot.Settings())
    shots = shots_of(name)
    assert len(shots) == len(GOLD[name])
    for (shot, gold), reader in product(zip(shots, GOLD[name], strict=True), READERS):
        reply = f"{shot.rationale} The answer is {shot.answer}"
        read = read_answer(reply, prefix, "choice", options(shot.question), reader)
        assert read.strict == read.lenient == gold, (reader, reply)


@pytest.mark.parametrize("name", [*GOLD, "sst2", "imdb", "anli_csqa_obqa"])
def test_each_states_its_answer_once_and_at_the_end(name: str) -> None:
    text = demonstrations_text(name, None, Path("nowhere"))
    blocks = text.strip().split("\n\n")
    assert len(blocks) == len(shots_of(name)) > 2
    for block in blocks:
        assert re.fullmatch(r"Q: .+\nA: .+ The answer is [^.]+\.", block, re.DOTALL)
        assert block.count("he answer is") == 1


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z]+", text.lower()))


def asked_by_others(name: str, mirror: Path, folder: Path) -> list[str]:
    """All questions of a data set that the mirror holds; of QuaRel SCoTD's five."""
    if name == "quarel":
        (folder / "quarel.json").write_bytes((mirror / SCOTD / "quarel.json").read_bytes())
        example = Example("quarel-0", "quarel", "?", "A", "choice")
        shown = demonstrations_text(name, "quarel.json", folder)
        return [shot.question for shot in parse_demonstrations(shown, "few_shot", example)[1]]
    dataset = read_dataset(name, {})
    download.collect(dataset.source, folder)
    return [example.question for example in parse_raw(name, dataset, folder)]


@pytest.mark.parametrize("name", [*GOLD, "sst2"])
def test_none_is_a_row_of_its_data_set_or_near_one(
    name: str, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four fifths of all words in common is what the leakage report calls a near twin."""
    monkeypatch.setenv("COT_MIRROR", str(mirror))
    rows = [words(question) for question in asked_by_others(name, mirror, tmp_path)]
    assert len(rows) >= 5
    for shot in shots_of(name):
        own = words(shot.question)
        assert max(len(own & row) / len(own | row) for row in rows) < 0.8, shot.question


def needs_demonstrations(name: str, params: dict[str, Any]) -> bool:
    """Whether a method refuses to ask without them."""
    method, settings, _ = method_of(name, params["methods"])
    try:
        method.ask(Example("x-0", "x", "?", "A", "choice", ["a", "b"]), [], settings, "")
    except ValueError as error:
        return "has no demonstrations" in str(error)
    return False


def shown_datasets(params: dict[str, Any]) -> set[str]:
    """The data sets that a run asks with demonstrations, students' and teachers' questions alike."""
    run = params["run"]
    students = {name for name in [*run["methods"], *run["baselines"]] if needs_demonstrations(name, params)}
    asking = {params["teachers"][name].get("method") for name in run["teachers"]} - {None}
    teachers = {name for name in asking if needs_demonstrations(name, params)}
    asked = set(run["datasets"]) if teachers or students else set()
    return asked | (set(run["transfers"]) if students else set())


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "presets").glob("*.yaml")))
def test_what_a_preset_shows_demonstrations_of_has_some(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for size in sizes_of(name):
        for params in preset_params(name, size).values():
            for shown in shown_datasets(params):
                assert read_dataset(shown, params).demonstrations or demonstrations_file(shown), shown
