"""docs/extending.md as a newcomer reads it: its files written, its commands typed, its runs run as far as the
text that is trained.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkouts import copy_checkout
from commands import all_commands
from dvc.repo import Repo
from dvc.utils.hydra import apply_overrides
from networkx import dfs_postorder_nodes
from pages import ROOT, lay_out

from stages.records.example import read_examples
from stages.records.sequence import read_sequences

ONE_AFTER_THE_OTHER = """
import runpy, shlex, sys
for command in sys.argv[1:]:
    _, _, *sys.argv = shlex.split(command)
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:
            raise
"""
COT = (sys.executable, "-m", "tools")
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
PAGE = ROOT / "docs" / "extending.md"
COMMANDS = [command for command in all_commands() if command.page == "docs/extending.md"]


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with all files of the page."""
    folder = tmp_path_factory.mktemp("extended")
    copy_checkout(folder)
    (folder / "dvc.lock").unlink()
    lay_out(PAGE, folder)
    shutil.copy(folder / "params.yaml", folder / "params.before")
    return folder


def run(folder: Path, *words: str) -> str:
    """What a command prints in a checkout, which is this one's code no more."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {
        "PATH": path,
        "DVC_NO_ANALYTICS": "1",
        "COT_STORE": str(folder / "store.sqlite"),
    }
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def repro(folder: Path, overrides: list[str], target: str) -> None:
    """What `dvc exp run -S ...` does, up to one stage (training is the same for all): its commands, in DVC's
    order, in one process.
    """
    shutil.copy(folder / "params.before", folder / "params.yaml")
    apply_overrides(folder / "params.yaml", overrides)
    with contextlib.chdir(folder):
        repo = Repo()
        (stage,) = repo.stage.collect(target)
        commands = [before.cmd for before in dfs_postorder_nodes(repo.index.graph, stage)]
    run(folder, sys.executable, "-c", ONE_AFTER_THE_OTHER, *commands)


def overrides_of(page_says: str) -> list[str]:
    """The `-S` of the page's one `dvc exp run` that names this."""
    (command,) = [command for command in COMMANDS if "exp run" in command.text and page_says in command.text]
    return [word for word in command.words[3:] if word != "-S"]


def test_all_commands_of_the_page_are_known() -> None:
    said = {command.text for command in COMMANDS if "exp run" not in command.text}
    assert said == {
        "cot check",
        "cot datasets",
        "cot show training gen_last_letter-sample-scripted-d1-answer_first-tiny-0-greedy",
    }


def test_check_accepts_all_of_the_page(extended: Path) -> None:
    assert "valid" in run(extended, *COT, "check")
    assert "riddles" in run(extended, *COT, "datasets")


def test_the_own_data_set(extended: Path) -> None:
    repro(extended, overrides_of("teachers=[human]"), "render@riddles-sample-human-d1-fine_tune_cot")
    examples = read_examples(extended / "data/examples/riddles.jsonl")
    assert [(example.answer, example.id) for example in examples][:2] == [
        ("5", "riddles-0"),
        ("3", "riddles-1"),
    ]
    trained = read_sequences(extended / "data/sequences/riddles-sample-human-d1-fine_tune_cot.jsonl")
    assert {row.segments[1].text for row in trained} <= {
        f"{example.rationale} --> {example.answer}END" for example in examples
    }
    assert trained


def test_the_own_parser(extended: Path) -> None:
    baselines = ["run.teachers=[]", "run.curations=[]", "run.methods=[]"]
    repro(extended, ["run.datasets=[text_riddles]", *baselines], "prepare@text_riddles")
    examples = read_examples(extended / "data/examples/text_riddles.jsonl")
    assert [example.answer for example in examples] == ["5", "3"]


def test_the_own_method(extended: Path) -> None:
    cell = "gen_last_letter-sample-scripted-d1-answer_first"
    repro(extended, overrides_of("answer_first"), f"render@{cell}")
    trained = read_sequences(extended / f"data/sequences/{cell}.jsonl")
    assert [segment.task for segment in trained[0].segments] == [None, "answer", "rationale"]
    assert "Because: " in run(extended, *COT, "show", "training", f"{cell}-tiny-0-greedy")


def test_the_own_backend_and_an_edit_of_its_file(extended: Path) -> None:
    repro(extended, overrides_of("teachers=[notes]"), "render@riddles-sample-notes-d1-fine_tune_cot")
    path = extended / "data/sequences/riddles-sample-notes-d1-fine_tune_cot.jsonl"
    assert all(
        " less " in row.segments[1].text or " are " in row.segments[1].text for row in read_sequences(path)
    )
    notes = extended / "local" / "notes.csv"
    notes.write_text(notes.read_text().replace("Twice", "Two times"))
    assert run(extended, sys.executable, "-m", "stages.check", "data/code").splitlines() == [
        "local/notes.csv moved: teach-riddles-notes"
    ]
