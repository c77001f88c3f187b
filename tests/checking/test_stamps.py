"""What an edit reruns: for each kind of edit, the stamps that move and the stages of dvc.yaml that hang on
them.
"""

import itertools
import re
import shutil
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from ruamel.yaml import YAML

from stages import check
from stages.checking import code, parts, stamp_files, stamps
from stages.config import dataset
from stages.config.load import read_params

DATASETS = ("gen_last_letter", "gen_coin_flip")
STAGES: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]


class Checkout:
    """A copy of the code and the parameters, small, in which files are edited and stamps are made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "stages", folder / "stages", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "local", folder / "local")
        self.params = YAML(typ="safe").load(ROOT / "params.yaml")
        self.params["run"] |= {"datasets": [*DATASETS], "splits": ["sample"], "simulators": ["scripted"]}
        self.write()

    def write(self) -> None:
        with (self.folder / "params.yaml").open("w") as file:
            YAML().dump(self.params, file)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file}: no {old!r}"
        path.write_text(text.replace(old, new, 1))

    def append(self, file: str, text: str) -> None:
        with (self.folder / file).open("a") as out:
            out.write(text)

    def set(self, *path: str, to: object) -> None:
        block = self.params
        for key in path[:-1]:
            block = block.setdefault(key, {})
        block[path[-1]] = to
        self.write()

    def stamps(self) -> dict[str, parts.Stamp]:
        return check.stamps_of(read_params())


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    made = Checkout(tmp_path)
    monkeypatch.setattr(code, "ROOT", tmp_path)
    monkeypatch.setattr(stamps, "ROOT", tmp_path)
    monkeypatch.setattr(dataset, "FOLDER", tmp_path / "stages/datasets")
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture(scope="module")
def unedited() -> list[dict[str, parts.Stamp]]:
    """The stamps of a fresh checkout, once they have been made."""
    return []


def both(*names: str) -> set[str]:
    return {name.replace("*", dataset) for name in names for dataset in DATASETS}


TEACH = both("teach-*-scripted")
LAS = both("las-*-scripted")
ALL_METHODS = {"fine_tune_cot", "zero_shot_cot", "fine_tune"}
PREDICT = {f"predict-{name}" for name in ALL_METHODS}
RENDER = {f"render-{name}" for name in ALL_METHODS}
CURATE = {"curate-d1", "curate-d4"}


def comment(file: str) -> Callable[[Checkout], None]:
    return lambda c: c.append(file, "\n# a remark\n")


EDITS: dict[str, tuple[Callable[[Checkout], None], set[str]]] = {
    "a comment in cli": (comment("stages/config/cli.py"), set()),
    "a constant in cli": (lambda c: c.append("stages/config/cli.py", "\nWIDTH = 80\n"), set()),
    "a comment in load": (comment("stages/config/load.py"), set()),
    "wording in load": (
        lambda c: c.edit("stages/config/load.py", "wanted blocks of named values", "wanted named blocks"),
        set(),
    ),
    "wording of faults": (lambda c: c.edit("stages/config/faults.py", "missing", "not there"), set()),
    "a docstring in a method": (
        lambda c: c.edit("stages/methods/fine_tune_cot.py", '"""', '"""Reworded: '), set()
    ),
    "the transport": (lambda c: c.append("stages/endpoint/transport.py", "\nTRIES = 9\n"), set()),
    "a new method": (
        lambda c: shutil.copy("stages/methods/fine_tune_cot.py", "stages/methods/mine.py"), set()
    ),
    "an unused method": (lambda c: c.append("stages/methods/scott.py", "\nX = 1\n"), set()),
    "a parameter of an unused method": (lambda c: c.set("methods", "cascod", "alpha", to=0.5), set()),
    "local/README.md": (comment("local/README.md"), set()),
    "a file of local/ that no block names": (lambda c: c.append("local/other.csv", "a,b\n"), set()),
    "a method's code": (
        lambda c: c.append("stages/methods/fine_tune_cot.py", "\nX = 1\n"),
        {"render-fine_tune_cot", "predict-fine_tune_cot"},
    ),
    "a constant of the trainer": (
        lambda c: c.append("stages/training/trainer.py", "\nX = 1\n"), {"train-tiny"}
    ),
    "the student's block model": (
        lambda c: c.append("stages/config/student.py", "\nX = 1\n"),
        {"exam-tiny", "logits-tiny", "train-tiny"},
    ),
    "how a student is trained": (lambda c: c.set("students", "tiny", "lr", to=0.5), set()),
    "the base of a student": (
        lambda c: c.set("students", "tiny", "base", to={"hub": "owner/name", "revision": "0a1b"}),
        {"base-tiny"},
    ),
    "how a base is fetched": (
        lambda c: c.append("stages/fetching/wheels.py", "\nX = 1\n"), {"base-tiny"}
    ),
    "the scripted teacher": (lambda c: c.append("stages/teachers/scripted.py", "\nX = 1\n"), {*TEACH, *LAS}),
    "another backend": (lambda c: c.append("stages/teachers/openai.py", "\nX = 1\n"), set()),
    "a data set's parser": (
        lambda c: c.append("stages/datasets/gen_last_letter.py", "\nX = 1\n"),
        {"prepare-gen_last_letter", "teach-gen_last_letter-scripted", "las-gen_last_letter-scripted"},
    ),
    "a data set's licence": (
        lambda c: c.edit("stages/datasets/gen_last_letter.yaml", "licence:", "licence: still"), set()
    ),
    "a data set's demonstrations": (
        lambda c: c.append("stages/datasets/gen_last_letter.txt", "\nQ: one more"),
        {"prepare-gen_last_letter"},
    ),
    "how answers are read": (
        lambda c: c.append("stages/text/answers.py", "\nX = 1\n"), {"appraise", "score", *CURATE, *LAS}
    ),
    "how rows are written": (
        lambda c: c.append("stages/records/sequence.py", "\nX = 1\n"),
        {"logits-tiny", "train-tiny", *RENDER, *PREDICT, *TEACH, *LAS},
    ),
    "a comment in a printed table": (comment("stages/reporting/published/ft.yaml"), set()),
    "a printed table": (lambda c: c.append("stages/reporting/published/ft.yaml", "\nx: 1\n"), {"report"}),
    "the report's template": (lambda c: c.append("stages/reporting/page.py", "\nX = 1\n"), {"report"}),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_moves_what_it_decides(
    checkout: Checkout, unedited: list[dict[str, parts.Stamp]], edit: str
) -> None:
    before = unedited[0] if unedited else checkout.stamps()
    unedited[:] = [before]
    make, expected = EDITS[edit]
    make(checkout)
    moved = stamp_files.moved(before, checkout.stamps())
    assert set(itertools.chain(*moved.values())) == expected


def test_the_block_of_the_asking_method_belongs_to_its_teachers(checkout: Checkout) -> None:
    checkout.set("run", "teachers", to=["gpt"])
    checkout.set("run", "curations", to=["d1"])
    checkout.set("teachers", "gpt", "method", to="few_shot_cot")
    before = checkout.stamps()
    checkout.set("methods", "few_shot_cot", "answer_prefix", to="so it is")
    moved = stamp_files.moved(before, checkout.stamps())
    assert moved == {"params.yaml: methods.few_shot_cot": sorted(both("teach-*-gpt"))}


def test_a_variant_moves_with_the_block_and_the_file_that_it_is_like(checkout: Checkout) -> None:
    """What is trained and asked with it, a teacher that it asks, and a training whose epoch it chooses."""
    checkout.set("methods", "mine", to={"like": "fine_tune_cot", "prompt_weight": 0.1})
    checkout.set("methods", "shown", to={"like": "few_shot_cot"})
    checkout.set("run", "methods", to=["mine"])
    checkout.set("run", "teachers", to=["gpt"])
    checkout.set("run", "curations", to=["d1"])
    checkout.set("teachers", "gpt", "method", to="shown")
    checkout.set("students", "tiny", "select", to="accuracy")
    before = checkout.stamps()
    checkout.set("methods", "fine_tune_cot", "format", to="gpt3_release")
    checkout.set("methods", "few_shot_cot", "answer_prefix", to="so it is")
    checkout.set("methods", "cascod", "alpha", to=0.5)
    checkout.append("stages/methods/fine_tune_cot.py", "\nX = 1\n")
    of_mine = ["predict-mine", "render-mine", "train-tiny"]
    assert stamp_files.moved(before, checkout.stamps()) == {
        "params.yaml: methods.fine_tune_cot": of_mine,
        "params.yaml: methods.few_shot_cot": sorted(both("teach-*-gpt")),
        "stages/methods/fine_tune_cot.py": of_mine,
    }


def test_soft_labels_move_with_what_decides_them_alone(checkout: Checkout) -> None:
    """Two students that want the same have the same stamp; neither how they learn it nor what teaches a third
    moves it.
    """
    soft = {"teacher": "smollm2", "top_k": 8}
    for name in ("one", "two"):
        checkout.set("students", name, to={**checkout.params["students"]["tiny"], "distil": {**soft}})
    checkout.set("run", "students", to=["tiny", "one", "two"])
    before = checkout.stamps()
    assert before["logits-one"] == before["logits-two"]
    checkout.set("students", "two", "lr", to=0.5)
    checkout.set("students", "two", "distil", "alpha", to=0.9)
    checkout.set("students", "qwen2_5_coder_0_5b", "base", "bytes", to=1)
    assert stamp_files.moved(before, checkout.stamps()) == {}
    checkout.set("students", "two", "distil", "top_k", to=9)
    decides = "params.yaml: what decides a teacher's logits"
    assert stamp_files.moved(before, checkout.stamps()) == {decides: ["logits-two"]}
    checkout.set("students", "smollm2", "base", "sha256", to="0" * 64)
    assert stamp_files.moved(before, checkout.stamps()) == {decides: ["logits-one", "logits-two"]}
    before = checkout.stamps()
    checkout.append("stages/training/distil.py", "\nX = 1\n")
    checkout.append("stages/training/teacher.py", "\nX = 1\n")
    assert stamp_files.moved(before, checkout.stamps()) == {
        "stages/training/distil.py": ["logits-one", "logits-two", "train-one", "train-two"],
        "stages/training/teacher.py": ["logits-one", "logits-two"],
    }


def test_who_teaches_on_policy_belongs_to_the_training(checkout: Checkout) -> None:
    live = {"teacher": "smollm2", "on_policy": {}}
    checkout.set("students", "live", to={**checkout.params["students"]["tiny"], "distil": live})
    checkout.set("run", "students", to=["tiny", "live"])
    before = checkout.stamps()
    checkout.set("students", "smollm2", "base", "sha256", to="0" * 64)
    checkout.append("stages/training/on_policy.py", "\nX = 1\n")
    assert stamp_files.moved(before, checkout.stamps()) == {
        "params.yaml: who teaches": ["train-live"],
        "stages/training/on_policy.py": ["train-live"],
    }


def test_a_file_of_local_that_a_block_names_reruns_its_users(checkout: Checkout) -> None:
    """Of a curation and of a teacher's block, under whatever key: a backend that reads a file
    is never stale. So do the answers that the teacher gave before.
    """
    checkout.append("local/golden.txt", "gen_coin_flip-1\n")
    checkout.append("local/answers.csv", "id,text\n")
    checkout.set("curations", "d1", to={"filter": "golden", "golden": "golden.txt"})
    checkout.set("teachers", "gpt", "extra", to={"file": "local/answers.csv"})
    checkout.append("given.jsonl", "{}\n")
    checkout.set("teachers", "gpt", "answers", to="given.jsonl")
    checkout.set("run", "teachers", to=["gpt"])
    checkout.set("run", "curations", to=["d1"])
    before = checkout.stamps()
    checkout.append("local/golden.txt", "gen_coin_flip-2\n")
    checkout.append("local/answers.csv", "1,a\n")
    checkout.append("given.jsonl", "{}\n")
    assert stamp_files.moved(before, checkout.stamps()) == {
        "local/golden.txt": ["curate-d1"],
        "local/answers.csv": sorted(both("teach-*-gpt")),
        "given.jsonl": sorted(both("teach-*-gpt")),
    }


def test_stamps_are_written_and_read_back(checkout: Checkout, tmp_path: Path) -> None:
    folder = tmp_path / "data/code"
    made = checkout.stamps()
    stamp_files.write_stamps(folder, {**made, "old": {"a": "b"}})
    stamp_files.write_stamps(folder, made)
    assert stamp_files.read_stamps(folder) == made
    assert sorted(path.name for path in folder.iterdir()) == sorted(made)


# ---- dvc.yaml


def dependencies(stage: dict[str, Any], run: dict[str, Any]) -> Iterator[list[str]]:
    """`deps` of a template, once for each of its cells, with the cell's axes filled in."""
    axes = {axis: run[declared[6:-1]] for axis, declared in stage.get("matrix", {}).items()}
    for values in itertools.product(*axes.values()):
        fill = {f"item.{axis}": str(value) for axis, value in zip(axes, values, strict=True)}
        fill["key"] = "-".join(map(str, values))
        yield [Template(dep).substitute(fill) for dep in stage["deps"]]


class Template(string.Template):
    idpattern = r"[a-z.]+"


@pytest.mark.parametrize("name", [name for name in STAGES if name != "check"])
def test_every_stage_depends_on_the_stamp_of_its_own_module(name: str, checkout: Checkout) -> None:
    checkout.set("run", "extra_datasets", to=["gen_shuffled_objects"])
    checkout.set("run", "transfers", to=["gen_shuffled_objects"])
    made = checkout.stamps()
    module = re.search(r"python -m stages\.(\w+)", STAGES[name]["cmd"])[1]
    for deps in dependencies(STAGES[name], checkout.params["run"]):
        (stamp,) = [dep.removeprefix("data/code/") for dep in deps if dep.startswith("data/code/")]
        assert f"stages/{module}.py" in made[stamp]
        assert not [dep for dep in deps if dep.startswith(("stages", "tools", "local"))]


def test_mentors_and_second_trainings_have_stamps_of_their_own(checkout: Checkout) -> None:
    before = checkout.stamps()
    checkout.set("run", "mentors", to=["tiny"])
    checkout.set("run", "mentored", to=["tiny"])
    checkout.set("run", "first_methods", to=["fine_tune_cot"])
    checkout.set("run", "second_methods", to=["std_cot"])
    found = checkout.stamps()
    asked, joined = {"mentor-fine_tune_cot-tiny"}, {"join-d1-tiny", "join-d4-tiny"}
    own = {"second-std_cot", "render-std_cot", "predict-std_cot"}
    assert found.keys() - before.keys() == asked | joined | own
    assert {name: found[name] for name in before} == before  # and move none of the others
    for path, value, moved in (
        (("mentors", "tiny", "samples"), 5, asked | joined),
        (("methods", "std_cot", "second"), {"lr": 1e-5}, {"second-std_cot"}),
        (("methods", "fine_tune_cot", "reader"), "marked", asked),
    ):
        checkout.set(*path, to=value)
        again = checkout.stamps()
        assert {name for name in again if again[name] != found[name]} == moved
        found = again
