"""`python -m stages.teach` as a process, in a folder with params.yaml, against the local API server.

A process with real signals, but forked from this one: that spares it the second that its imports take.
"""

import multiprocessing
import os
import signal
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api_server import Remote
from conftest import ROOT
from live_calls import KEY, questions
from ruamel.yaml import YAML

from stages import teach
from stages.asking.request import read_request
from stages.asking.store import Store
from stages.config.cli import run
from stages.records.example import Example, write_examples

FORK = multiprocessing.get_context("fork")


class Started:
    """A stage under way, or ended; `said` is what it has printed so far."""

    def __init__(self, main: Callable[[], None], said: Path) -> None:
        self.file = said
        self.process = FORK.Process(target=main)
        self.process.start()

    @property
    def said(self) -> str:
        return self.file.read_text() if self.file.exists() else ""

    def signal(self, number: int) -> None:
        os.kill(self.process.pid or 0, number)

    def end(self) -> tuple[int, str]:
        """Exit code and what it said, when it has ended."""
        self.process.join(120)
        assert self.process.exitcode is not None, f"still running after two minutes: {self.said}"
        return self.process.exitcode, self.said


class StageRun:
    """A folder with params.yaml and ten questions."""

    def __init__(self, folder: Path, server: Remote) -> None:
        self.folder = folder
        self.server = server
        self.store = folder / "store" / "answers.sqlite"
        self.started = 0
        self.endpoint: dict[str, Any] = {"base_url": server.url, "key_env": "LOCAL_KEY", "concurrency": 8}
        self.teacher: dict[str, Any] = {"backend": "openai", "endpoint": "here", "model": "m"}
        self.teacher |= {"method": "zero_shot_cot", "samples": 2, "temperature": 0.7, "max_tokens": 40}
        self.teacher["seed"] = 100
        folder.mkdir(exist_ok=True)
        (folder / "demonstrations.txt").write_text("")
        self.write(questions(10))

    def write(self, examples: list[Example]) -> None:
        """The questions, and params.yaml as the endpoint and the teacher are now."""
        write_examples(self.folder / "examples.jsonl", examples)
        price = {"listed": "2026-01-01", "input": 1000.0, "output": 2000.0}
        params = {
            "teachers": {"t": self.teacher},
            "methods": {"zero_shot_cot": {}},
            "prices": {"m": price},
            "endpoints": {"here": self.endpoint},
        }
        YAML(typ="safe").dump(params, self.folder / "params.yaml")

    def start(
        self,
        out: str = "out.jsonl",
        *,
        fresh: bool = False,
        arm: Callable[[], None] = lambda: None,
        **environment: str,
    ) -> Started:
        """Begin to ask, in an interpreter of its own if `fresh`; `arm` is called in the process before."""
        self.started += 1
        said = self.folder.with_name(f"{self.folder.name}-said-{self.started}.txt")
        arguments = ["t", "raw", "examples.jsonl", "demonstrations.txt", out, f"{out}.counts"]

        def main() -> None:
            sys.stdout = sys.stderr = said.open("w", buffering=1)
            os.dup2(sys.stdout.fileno(), 1)
            os.dup2(sys.stdout.fileno(), 2)
            os.chdir(self.folder)
            os.environ.update(
                PYTHONPATH=str(ROOT), COT_STORE=str(self.store), LOCAL_KEY=KEY, OMP_NUM_THREADS="1"
            )
            os.environ.update(environment)
            signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
            if fresh:
                os.execv(sys.executable, [sys.executable, "-m", "stages.teach", *arguments])
            arm()
            sys.argv = ["teach", *arguments]
            run(teach.main)

        return Started(main, said)

    def finish(self, out: str = "out.jsonl", **environment: str) -> tuple[int, str]:
        return self.start(out, **environment).end()

    def stored(self) -> set[tuple[str, int]]:
        """(prompt, sample) of every answer on disk."""
        if not self.store.exists():
            return set()
        store = Store(self.store)
        query = "SELECT r.key, a.sample FROM answer a JOIN request r ON r.id = a.request"
        rows = store.db.execute(query).fetchall()
        bodies = store.db.execute("SELECT key, body FROM request").fetchall()
        store.db.close()  # no connection is open when the next process is forked
        prompts = {key: read_request(zlib.decompress(body).decode()).prompt for key, body in bodies}
        return {(prompts[key], sample) for key, sample in rows}

    def calls(self, since: int = 0) -> list[tuple[str, int]]:
        """(prompt, sample) of every call: the seed tells the sample."""
        bodies = [call["body"] for call in self.server.calls()[since:]]
        return [(body["messages"][0]["content"], body["seed"] - 100) for body in bodies]
