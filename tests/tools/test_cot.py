"""`cot`: what it lists, that every command explains itself, what is wrong in one line, whose code it runs."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from stages.asking.request import Answer, Request
from stages.asking.store import Store
from stages.check import stamps_of
from stages.checking.stamp_files import write_stamps
from stages.config.load import read_params
from tools import cot
from tools.cot import LateGroup, real_command

HEAVY = ("torch", "transformers", "polars", "openai", "numpy", "pydantic", "datasets", "rich")
WIDTH = 80  # columns of the smallest terminal
# of tools/: no commands
SHARED = {"__init__", "__main__", "cot", "terminal", "tables", "pages", "found_rows", "readers", "lines"}


def entries() -> dict[str, object]:
    group = get_command(cot.app)
    assert isinstance(group, LateGroup)
    return dict(group.commands)


def all_commands() -> Iterator[tuple[str, ...]]:
    """Every command and command of a group, as it is typed."""
    yield ()
    for name, entry in entries().items():
        yield (name,)
        command = real_command(entry)
        if isinstance(command, TyperGroup):
            yield from ((name, inner) for inner in command.commands)


def typed(*words: str) -> str:
    done = CliRunner().invoke(cot.app, words, prog_name="cot", catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def start(
    *words: str, folder: Path, code: str = "from tools.cot import main; main()"
) -> subprocess.CompletedProcess[str]:
    """`cot` as the installed script starts it, from this checkout's code, in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COT_STORE": str(folder / "no store")}
    environment["PYTHONSAFEPATH"] = "1"  # a script's path does not begin with the current folder
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_a_command_is_a_file_or_folder_of_its_name() -> None:
    paths = [path for path in (ROOT / "tools").iterdir() if path.name != "__pycache__"]
    assert {path.stem for path in paths} == entries().keys() | SHARED


def test_help_lists_every_command_on_a_line_under_its_panel() -> None:
    lines = typed("--help").splitlines()
    assert max(map(len, lines)) < WIDTH
    for name in entries():
        assert sum(line.startswith(f"  {name} ") for line in lines) == 1
    panels = [line for line in lines if line and not line.startswith((" ", "Usage:", "Options:"))]
    assert panels == [f"{panel}:" for panel in (cot.BEFORE, cot.RESULTS, cot.ANSWERS, cot.PROJECT)]
    assert typed() == typed("--help")


def test_help_imports_nothing_that_takes_time(tmp_path: Path) -> None:
    code = f"""
import sys
from tools.cot import app
app(["--help"], standalone_mode=False)
print([name for name in {HEAVY} if name in sys.modules])
"""
    assert start(folder=tmp_path, code=code).stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("words", list(all_commands()), ids=" ".join)
def test_every_command_says_what_it_does_and_takes(words: tuple[str, ...]) -> None:
    text = typed(*words, "--help")
    assert text.startswith(f"Usage: {' '.join(['cot', *words])} ")
    assert "Options:" in text
    about = text.split("\n\n")[1]
    assert about.startswith("  ")
    assert "..." not in text.partition("\nCommands:")[2], "a command's first line does not fit"


WRONG_WORDS = {
    "chek": "cot: No such command 'chek'. Did you mean 'check'?; see `cot --help`",
    "compare HEAD --markdwon": (
        "cot compare: No such option: --markdwon (Possible options: --markdown); see `cot compare --help`"
    ),
    "judge pairs a b": "cot judge pairs: Missing option '--out'; see `cot judge pairs --help`",
    "study sheet a --out x --cases many": (
        "cot study sheet: Invalid value for '--cases': Input should be a valid integer,"
        " unable to parse string as an integer; see `cot study sheet --help`"
    ),
    "keep": "cot keep: Missing argument 'name'; see `cot keep --help`",
}


@pytest.mark.parametrize("words", WRONG_WORDS)
def test_wrong_words_are_one_line(words: str, tmp_path: Path) -> None:
    done = start(*words.split(), folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {WRONG_WORDS[words]}\n")


NOWHERE = {
    "presets list": "no params.yaml here; go to the root of a checkout",
    "check": "no params.yaml here",
    "plan": "no params.yaml here",
    "repro": "no params.yaml here",
    "show corpus a-b-c-d": "no params.yaml here",
    "report": "no params.yaml here",
    "keep name": "no params.yaml here",
    "study failures": "metrics/cells: no cells, wanted their numbers as NAME.json",
    "judge pairs a b --out x": "'a': wanted a cell, DATASET-TEACHER or a file",
    "judge read answers.json": "No such file or directory: 'answers.json'",
    "compare HEAD": "'HEAD' is no revision here",
    "store stats": "no store: no store there yet",
    "store import none.jsonl": "No such file or directory: 'none.jsonl'",
}


@pytest.mark.parametrize("words", NOWHERE)
def test_outside_a_checkout_and_without_files_one_line_says_so(words: str, tmp_path: Path) -> None:
    done = start(*words.split(), folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert NOWHERE[words] in done.stderr
    assert [path for path in tmp_path.iterdir() if path.name != "no store"] == []


def test_in_a_folder_of_a_checkout_the_error_names_its_root(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("")
    (tmp_path / "data").mkdir()
    done = start("check", folder=tmp_path / "data")
    assert done.stderr == f"error: {tmp_path / 'data'}: no params.yaml here; go to {tmp_path}\n"


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    environment = {**os.environ, "COT_STORE": str(tmp_path / "store.sqlite")}
    store = Store(tmp_path / "store.sqlite")
    answer = Answer("x" * 1000, "stop", "", 1, 1)
    store.put((Request("chat", "m", str(number)), {0: answer}) for number in range(2000))
    command = f"{sys.executable} -m tools store export | head -1"
    done = subprocess.run(command, cwd=ROOT, env=environment, shell=True, capture_output=True, text=True)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_in_another_checkout_its_own_code_runs(tmp_path: Path) -> None:
    """As in a git worktree and in the folder of `dvc exp run --temp`: there `stages` is another one, too."""
    for folder in ("tools", "stages"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "tools/cot.py").write_text(
        "import sys, stages\ndef run_command(): print('another', stages.__file__, sys.argv[1:])\n"
    )
    (tmp_path / "tools/__main__.py").write_bytes((ROOT / "tools/__main__.py").read_bytes())
    done = start("compare", "HEAD", folder=tmp_path)
    assert done.stdout == f"another {tmp_path / 'stages/__init__.py'} ['compare', 'HEAD']\n", done.stderr


def test_check_tells_changed_code_and_writes_nothing(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    done = start("check", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "params.yaml is valid\n"), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
    write_stamps(tmp_path / "data/code", stamps_of(read_params(tmp_path / "params.yaml")))
    train = tmp_path / "data/code/train-tiny"
    before = train.read_text().replace("  stages/train.py", "0  stages/train.py")
    train.write_text(before)
    done = start("check", folder=tmp_path)
    assert done.stdout == "params.yaml is valid\nstages/train.py changed: train-tiny will run anew\n"
    assert train.read_text() == before


OLD_FORMS = re.compile(r"python -m\s+(tools\.\w+|stages\.\w+ .*--(show|dry-run|licences|mirror))")
TEXTS = ("*.py", "*.md", "*.yaml", "*.yml", "*.sh", "*.html", "Makefile")


def texts() -> Iterator[tuple[str, str]]:
    """Every tracked text of the project that may name a command, but what stages write."""
    listed = subprocess.run(["git", "ls-files", "-z", *TEXTS], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if path.is_file() and not name.startswith("metrics/report/"):
            yield name, path.read_text(encoding="utf-8")


def test_texts_name_commands_that_there_are() -> None:
    known = {*all_commands()}
    groups = {words[0] for words in known if len(words) == 2}
    for name, text in texts():
        assert name == "tests/tools/test_cot.py" or not OLD_FORMS.search(text), name
        for first, second in re.findall(r"`cot ([a-z]+)(?: ([a-z]+))?", text):
            words = (first, second) if first in groups and second else (first,)
            assert words in known, f"{name}: `cot {first} {second}`"


@pytest.mark.parametrize("path", sorted((ROOT / "stages").rglob("*.py")), ids=lambda path: path.stem)
def test_stages_import_no_tools(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert not {name for name in imported if name.partition(".")[0] == "tools"}
