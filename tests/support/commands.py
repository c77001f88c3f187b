"""The commands that README and docs/ print, and what shows that each would run."""

import glob
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

from checkouts import CELL, OTHER_CELL
from dvc.cli import main as dvc
from dvc.cli import parse_args
from dvc.repo import Repo
from dvc.utils.hydra import apply_overrides
from pages import PAGES, ROOT, Block, fenced_blocks
from typer.testing import CliRunner

from stages.check import check_all
from stages.config.load import read_params
from tools.cot import app

MARK = re.compile(r"# needs a (GPU|key)\b")
STAND_INS = {
    "CELL": CELL,
    "CELL_A": CELL,
    "CELL_B": OTHER_CELL,
    "DATASET-TEACHER": "gen_last_letter-scripted",
}
# What takes minutes, or files that only people or a run leave: its words are looked at, and it is run in
RUN_IN = {
    ("cot", "benchmark"): "tests/tools/test_benchmark.py",
    ("cot", "export", "corpus"): "tests/tools/test_export_corpus.py",
    ("cot", "export", "student"): "tests/tools/test_export_student.py",
    ("cot", "doctor"): "tests/tools/test_doctor.py",
    ("cot", "pretrain"): "tests/students/test_tiny.py",
    ("cot", "report"): "tests/reporting/test_report.py",
    ("cot", "mirror"): "tests/datasets/test_download.py",
    ("cot", "pin"): "tests/datasets/test_download.py",
    ("cot", "presets", "run"): "tests/tools/test_presets.py",
    ("cot", "repro", "--ray"): "tests/tools/test_repro_cluster.py",
    ("cot", "repro"): "tests/tools/test_repro.py",
    ("cot", "serve"): "tests/tools/test_serve.py",
    ("cot", "judge", "read"): "tests/judging/test_judge.py",
    ("cot", "store", "import", "--teacher"): "tests/asking/test_import_own.py",
    ("cot", "store", "merge"): "tests/asking/test_store.py",
    ("cot", "store", "prune"): "tests/asking/test_store.py",
    ("cot", "store", "settle"): "tests/asking/test_store.py",
}


@dataclass(frozen=True)
class Command:
    page: str
    text: str

    @property
    def marked(self) -> bool:
        return bool(MARK.search(self.text))

    @property
    def words(self) -> list[str]:
        """Without comment and variables; a name that stands for one of yours gets a value."""
        words = shlex.split(self.text, comments=True)
        while words and re.match(r"\w+=", words[0]):
            words = words[1:]
        return [STAND_INS.get(word, word) for word in words]

    @property
    def variables(self) -> list[str]:
        return re.findall(r"(?:^|export )([A-Z_]+)=", self.text)


def commands_of(block: Block) -> Iterator[Command]:
    """The lines of a block; those of a loop are one command, and so are those that a backslash joins."""
    lines: list[str] = []
    for line in block.text.replace("\\\n", " ").split("\n"):
        lines.append(line)
        if lines[0].startswith("for ") and not line.startswith("done"):
            continue
        if text := "\n".join(lines).strip():
            yield Command(block.page.relative_to(ROOT).as_posix(), text)
        lines = []


def all_commands() -> list[Command]:
    blocks = [block for page in PAGES for block in fenced_blocks(page)]
    return [command for block in blocks if block.language == "bash" for command in commands_of(block)]


def check_overrides(words: list[str]) -> None:
    """`dvc exp run -S ...`: params.yaml knows the keys, and what comes of it passes `check`."""
    overrides = [word for word in words if word != "-S"]
    assert len(overrides) * 2 == len(words), f"wanted -S KEY=VALUE, got {words}"
    apply_overrides("params.yaml", overrides)
    check_all(read_params())


def check_cot(words: list[str], only_words: bool = False) -> str:
    """What `cot ...` prints, in this process. `--help` behind the words refuses unknown commands, options."""
    spread = [path for word in words for path in (sorted(glob.glob(word)) or [word])]  # as a shell does
    done = CliRunner().invoke(app, [*spread, "--help"] if only_words else spread)
    assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
    return done.output


def run_in(words: list[str]) -> str | None:
    """The test that runs a command, where it is not run here."""
    return next((file for start, file in RUN_IN.items() if tuple(words[: len(start)]) == start), None)


def check_command(command: Command) -> None:
    """Run a command, or look at what tells that it would run. Fails for a program that is not known here."""
    match command.words:
        case ["make", target]:
            subprocess.run(["make", "--dry-run", target], check=True, capture_output=True)
        case ["dvc", "repro", *more]:
            assert parse_args(["repro", *more])
            assert all(Repo().stage.collect(target) for target in more)
        case ["dvc", "exp", "run", *more]:
            assert parse_args(["exp", "run", *more])
            check_overrides(more)
        case ["dvc", *more]:
            assert dvc(more) == 0
        case ["git", *more]:
            subprocess.run(["git", *more], check=True, capture_output=True)
        case ["cot", *more] if "|" in more:  # ... | xargs -d '\n' dvc exp run
            check_overrides(check_cot(more[: more.index("|")]).splitlines())
        case ["cot", *more]:
            elsewhere = run_in(command.words)
            assert elsewhere is None or (ROOT / elsewhere).is_file(), elsewhere
            check_cot(more, only_words=command.marked or elsewhere is not None)
        case ["export", _]:
            assert command.variables
        case ["pip", "install", "-e", extra]:
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            assert extra.removeprefix(".[").removesuffix("]") in extras
        case _:
            assert command.marked, f"{command.page}: how is {command.text!r} to be run?"
