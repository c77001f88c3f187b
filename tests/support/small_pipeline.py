"""A repository with a small DVC pipeline of the project's shape: shared steps, cells, a table of all cells.

Every stage notes its name in a journal outside the repository: what ran, and how often.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from checkouts import GIT
from conftest import ROOT


def heed_signals() -> None:
    """Tests that run under `nohup` or in a shell's background have these ignored, and so what they start."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


PIPELINE = """
stages:
  check:
    cmd: python step.py check data/code/train rules.txt
    deps: [rules.txt, local]
    outs:
      - data/code: {persist: true}
  render:
    matrix: {cell: "${run.cells}"}
    cmd: python step.py render@${item.cell} data/texts/${item.cell} texts/${item.cell}
    deps: ["texts/${item.cell}"]
    outs: ["data/texts/${item.cell}"]
  train:
    matrix: &cell {cell: "${run.cells}"}
    cmd: python step.py train@${item.cell} data/students/${item.cell}/weights data/texts/${item.cell} step.txt
    deps: [data/code/train, step.txt, "data/texts/${item.cell}"]
    outs: ["data/students/${item.cell}"]
    plots:
      - metrics/loss/${item.cell}.json: {cache: false}
  score:
    matrix: *cell
    cmd: python step.py score@${item.cell} metrics/cells/${item.cell}.json data/students/${item.cell}/weights
    deps: ["data/students/${item.cell}", data/code/train]
    plots:
      - metrics/cells/${item.cell}.json: {cache: false}
  summarize:
    cmd: python step.py summarize metrics/table.md
    deps: [metrics/cells]
    outs:
      - metrics/table.md: {cache: false}
"""
STEP = """
import os, sys, time
from pathlib import Path

name, out, *read = sys.argv[1:]
with open(os.environ["JOURNAL"], "a") as journal:
    print(name, os.environ.get("CUDA_VISIBLE_DEVICES"), os.getcwd(), os.getpid(), file=journal)
texts = [Path(path).read_text() for path in read]
if "fail" in "".join(texts):
    sys.exit(f"{name}: no such luck")
if name.startswith("train@") and "slow" in "".join(texts):
    time.sleep(600)
made = {Path(out): " ".join(texts) + f" {name}"}
if name.startswith("train@"):
    made[Path("metrics/loss") / f"{name[6:]}.json"] = '{"loss": 1}'
if name.startswith("score@"):
    made[Path(out)] = f'{{"length": {len(texts[0])}}}'
for path, text in made.items():
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
"""


class SmallPipeline:
    """Cells a, b, c, ... in a folder; all committed but the results."""

    def __init__(self, folder: Path, cells: str) -> None:
        self.folder = folder / "repository"
        self.journal = folder / "journal"
        (self.folder / "texts").mkdir(parents=True)
        (self.folder / "local").mkdir()
        files = {
            "dvc.yaml": PIPELINE,
            "step.py": STEP,
            "params.yaml": f"run: {{cells: [{', '.join(cells)}]}}\n",
            "rules.txt": "rules",
            "step.txt": "step",
            "local/own.txt": "own",
            ".gitignore": "/data/\n",
        }
        files |= {f"texts/{cell}": cell * 10 for cell in cells}
        for name, text in files.items():
            (self.folder / name).write_text(text)
        for words in (["git", "init", "--quiet"], [sys.executable, "-m", "dvc", "init", "--quiet"]):
            subprocess.run(words, cwd=self.folder, check=True)
        self.commit()

    def commit(self) -> None:
        subprocess.run(["git", "add", "."], cwd=self.folder, check=True)
        subprocess.run([*GIT, "commit", "--quiet", "--message", "all"], cwd=self.folder, check=True)

    def start(self, *words: str, **environment: str) -> "subprocess.Popen[str]":
        """`cot repro WORDS`, under way; its two streams are one."""
        given = os.environ | {"PYTHONPATH": str(ROOT), "JOURNAL": str(self.journal), **environment}
        return subprocess.Popen(
            [sys.executable, "-m", "tools", "repro", *words],
            cwd=self.folder,
            env=given,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=heed_signals,
        )

    def repro(self, *words: str, **environment: str) -> tuple[int, str]:
        """Its status and what it printed."""
        process = self.start(*words, **environment)
        said, _ = process.communicate(timeout=300)
        return process.returncode, said

    def ran(self) -> list[list[str]]:
        """Of every stage that ran since the last call: its name, GPU, folder and process; then forgotten."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        self.journal.unlink(missing_ok=True)
        return [line.split() for line in lines]

    def names(self) -> list[str]:
        return sorted(name for name, *_ in self.ran())

    def left(self) -> list[str]:
        """Worktrees that Git knows or that lie there."""
        known = subprocess.run(
            ["git", "worktree", "list"], cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout.splitlines()[1:]
        return known + [str(path) for path in self.folder.glob(".dvc/tmp/side/worker*/")]
