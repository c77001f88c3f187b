"""Scale: time and memory of each stage before training, by the number of completions, on made-up questions.

Every stage runs as DVC runs it, in a process of its own, so that its peak of memory is its own.
"""

import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

from stages.asking.request import Answer, Request
from stages.asking.store import Store
from stages.config.base import base_sha256
from stages.config.student import Student
from stages.records.example import Example
from stages.records.jsonl import write_json, write_rows
from tools.benchmark.teaching import few_shot_request, prose

ROOT = Path(__file__).parents[2]
SAMPLES = 5  # of each question
WRONG = 0.1  # of the completions
REQUESTS = 500  # a transaction
SHOTS = "\n\n".join(f"Q: {prose(random.Random(n), 40)}?\nA: The answer is {n}." for n in range(3))
# a data set is a YAML in stages/datasets: here that folder is the scratch one
PREPARE = """
import sys
from pathlib import Path
from stages.config import dataset
dataset.FOLDER = Path()
from stages.prepare import main
main("bench", Path("raw"), Path("examples.jsonl"), Path("demonstrations.jsonl"))
"""
# a training until its first step is there to be computed
START = """
from pathlib import Path
from stages.students.adapters import load_for_training
from stages.training.outline import outline_of
from stages.training.steps import Shape, Steps
from stages.training.tokenised import tokenised
from tools.benchmark.scale import tiny_student
settings = tiny_student()
texts = tokenised(Path("texts.jsonl"), Path("params.yaml"), load_for_training(settings, 0), settings).texts
tasks = outline_of(texts["train"]).tasks
assert Steps(texts["train"], settings, 0, Shape("tree", tasks, "batch", 0))[0]
"""
TELLING = """
try:
{code}
finally:
    from pathlib import Path
    Path("status.txt").write_text(Path("/proc/self/status").read_text())
"""
YAML = """
source: {kind: local, files: [rows.jsonl]}
columns: {question: question, answer: answer, answer_type: number}
"""


@dataclass(frozen=True)
class Cost:
    """Of one process: seconds by the clock and of CPU, bytes of resident memory at most."""

    seconds: float
    cpu: float
    peak: int


def cost_of(command: list[str], folder: Path) -> Cost:
    """Run `python COMMAND` of this project in `folder`. Raises CalledProcessError if it fails."""
    here = folder.resolve()
    places = {"PYTHONPATH": str(ROOT), "COT_STORE": f"{here}/store.sqlite", "COT_WORK": f"{here}/work"}
    began = time.perf_counter()
    words = [sys.executable, "-c", TELLING.format(code=indent(as_code(command), "    "))]
    process = subprocess.Popen(words, cwd=folder, env={**os.environ, **places})
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    # not the peak that `used` has: it counts what this process held when it made the other
    peak = re.findall(r"VmHWM:\s*(\d+) kB", (folder / "status.txt").read_text(encoding="utf-8"))
    return Cost(time.perf_counter() - began, used.ru_utime + used.ru_stime, int(peak[0]) * 1024)


def as_code(command: list[str]) -> str:
    """`-c CODE` or `-m MODULE WORD ...`."""
    kind, what, *words = command
    if kind == "-c":
        return what
    return f"import runpy, sys\nsys.argv = {['', *words]}\nrunpy.run_module({what!r}, run_name='__main__')"


def tiny_student() -> Student:
    """The student that comes with this project."""
    folder = ROOT / "students/tiny"
    base = {"path": str(folder), "sha256": base_sha256(folder)}
    return Student.model_validate({"base": base, "epochs": 1, "batch_size": 32, "lr": 1e-3})


def made_questions(count: int) -> Iterator[Example]:
    """The same ones in every run, each another text."""
    for number in range(count):
        question = f"{number}: {prose(random.Random(number), 45)}?"
        yield Example(f"bench-{number}", "bench", question, str(number % 1000), "number")


def made_answers(example: Example) -> dict[int, Answer]:
    """What the teacher said: some answers are wrong, and every 50th text is cut."""
    rng = random.Random(example.id)
    answers = {}
    for sample in range(SAMPLES):
        said = int(example.answer) + (rng.random() < WRONG)
        ended = "stop" if rng.randrange(50) else "length"
        answers[sample] = Answer(f" {prose(rng, 60)}. The answer is {said}.", ended, "", 300, 66)
    return answers


def make_files(folder: Path, questions: int) -> None:
    """The rows of a data set, what is known of a teacher, the split, and a store with all answers."""
    teacher = {
        "backend": "openai",
        "method": "few_shot_cot",
        "endpoint": "bench",
        "model": "bench",
        "api": "completions",
        "samples": SAMPLES,
        "temperature": 1.0,
        "max_tokens": 256,
    }
    params = {
        "datasets": {},
        "teachers": {"bench": teacher},
        "endpoints": {"bench": {"base_url": "http://127.0.0.1:9/v1", "mode": "replay"}},
        "curations": {"bench": {"filter": "answer", "finished_only": True}},
        "methods": {"few_shot_cot": {}, "fine_tune_cot": {}},
        "prices": {},
    }
    write_json(folder / "params.yaml", params)
    (folder / "bench.yaml").write_text(YAML, encoding="utf-8")
    (folder / "shots.txt").write_text(SHOTS, encoding="utf-8")
    rows = ({"question": one.question, "answer": one.answer} for one in made_questions(questions))
    write_rows(folder / "local/rows.jsonl", rows)
    ids = [f"bench-{number}" for number in range(questions)]
    parts = {
        "test": ids[::10],
        "validation": ids[1::50],
        "train": [name for place, name in enumerate(ids) if place % 10 and place % 50 != 1],
    }
    write_json(folder / "split.json", parts)
    fill_store(folder / "other.sqlite", questions)


def fill_store(path: Path, questions: int) -> None:
    store = Store(path)
    batch: list[tuple[Request | str, dict[int, Answer]]] = []
    for number, example in enumerate(made_questions(questions), 1):
        batch.append((few_shot_request(SHOTS, example), made_answers(example)))
        if len(batch) == REQUESTS or number == questions:
            store.put(batch)
            batch = []


STAGES: dict[str, list[str]] = {
    "store merge": ["-m", "tools", "store", "merge", "other.sqlite"],
    "prepare": ["-c", PREPARE],
    "teach": ["-m", "stages.teach", "bench", "raw", "examples.jsonl", "shots.txt", "said.jsonl", "said.json"],
    "curate": [
        *("-m", "stages.curate", "bench", "examples.jsonl", "split.json", "said.jsonl"),
        *("kept.jsonl", "kept.json"),
    ],
    "render": [
        *(
            "-m",
            "stages.render",
            "fine_tune_cot",
            "examples.jsonl",
            "split.json",
            "texts.jsonl",
            "texts.json",
        ),
        *("--corpus", "kept.jsonl"),
    ],
    "start, first": ["-c", START],
    "start, again": ["-c", START],
}


def measure_stages(folder: Path, completions: int) -> Iterator[str]:
    """A line for each stage as soon as it is measured."""
    make_files(folder, completions // SAMPLES)
    for name, command in STAGES.items():
        cost = cost_of(command, folder)
        yield (
            f"{completions:>11,} {name:12} {cost.seconds:8.1f} s {cost.cpu:8.1f} s of CPU"
            f" {cost.peak / 1e6:8,.0f} MB"
        )
    kept = json.loads((folder / "kept.json").read_text(encoding="utf-8"))["all"]
    size = (folder / "texts.jsonl").stat().st_size
    yield f"{completions:>11,} kept: {kept['rows_out']:,}; their texts: {size / 1e6:,.0f} MB"
