"""A training is killed at random moments, while a state is written and after its end: it ends with the bytes
of one that nobody killed. `pytest --rounds 5 -s tests/training/test_kills.py`: 25 kills.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from test_train import environment, files, write_project

# trainings in processes of their own, forked from one that has imported what they need; each line that comes
# in starts one, a note of each step goes into the log
FORKING = """
import os, sys, torch
from pathlib import Path
import stages.train, stages.training.fit, stages.training.trainer
import stages.students.adapters, stages.students.save
torch.set_num_threads(1)
real = stages.training.trainer.Distiller.training_step
def step(trainer, *values):
    with open("steps", "a") as log:
        log.write(f"{trainer.state.global_step}\\n")
    return real(trainer, *values)
stages.training.trainer.Distiller.training_step = step
print("ready", flush=True)
for folder in sys.stdin:
    if not (child := os.fork()):
        os.chdir(folder.strip())
        os.environ["COT_WORK"] = str(Path("../work-" + Path.cwd().name).resolve())
        os.dup2(os.open("said", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
        files = ("base", "sequences.jsonl", "code", "out", "loss.csv", "counts.json")
        stages.train.main("small", 5, *map(Path, files))
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
OUTS = ("out", "loss.csv", "counts.json")
KILLS = 5  # a round


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "it did not come to pass within two minutes"
        time.sleep(0.001)


class Trainings:
    """Starts trainings as DVC does: without the outs of the last one."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", FORKING],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.read() == "ready"

    def read(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def start(self, folder: Path) -> int:
        shutil.rmtree(folder / "out", ignore_errors=True)
        for name in OUTS[1:]:
            (folder / name).unlink(missing_ok=True)
        assert self.process.stdin
        self.process.stdin.write(f"{folder}\n")
        self.process.stdin.flush()
        return int(self.read())

    def end(self) -> int:
        """The exit code of the one that was started last."""
        return int(self.read())


def steps_of(folder: Path) -> list[str]:
    log = folder / "steps"
    return log.read_text().splitlines() if log.exists() else []


def moment(kill: int, folder: Path, rng: random.Random) -> Callable[[], object]:
    """What a kill waits for: a step, a state that is being written, or the end of the training."""
    work = folder.with_name(f"work-{folder.name}")
    before = len(steps_of(folder))
    more = rng.randrange(1, 5)
    if kill == KILLS - 1:
        return lambda: any(work.glob("*/finished.json"))
    if kill % 2:
        return lambda: len(steps_of(folder)) >= before + more and any(work.glob("*/part"))
    return lambda: len(steps_of(folder)) >= before + more


def outs(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in files(folder).items() if name.split("/")[0] in OUTS}


def test_a_training_that_is_killed_anywhere_ends_the_same(random_student, tmp_path, kill_round) -> None:
    rng = random.Random(kill_round)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        write_project(folder, random_student("gpt2"))  # 24 steps, 6 an epoch
    trainings = Trainings(environment(tmp_path, COT_CHECKPOINT_SECONDS="0"))
    trainings.start(whole)
    assert trainings.end() == 0, (whole / "said").read_text()
    exits = []
    for kill in range(KILLS):
        ready = moment(kill, killed, rng)
        child = trainings.start(killed)
        wait_for(ready)
        time.sleep(rng.uniform(0, 0.01))
        with suppress(ProcessLookupError):  # after its end
            os.kill(child, signal.SIGKILL)
        exits.append(trainings.end())
    assert exits[:-1] == [-signal.SIGKILL] * (KILLS - 1), (killed / "said").read_text()
    assert exits[-1] in (-signal.SIGKILL, 0)
    at_the_end = len(steps_of(killed))
    trainings.start(killed)
    assert trainings.end() == 0, (killed / "said").read_text()
    trainings.process.stdin.close()
    assert outs(killed) == outs(whole)
    again = Counter(steps_of(killed))
    assert set(again) == set(steps_of(whole))
    repeated = again.total() - len(again)
    assert repeated <= KILLS - 1, "more than the step that a kill hit is trained again"
    assert len(steps_of(killed)) == at_the_end, "a training that had ended is trained again"
    print(
        f"training, round {kill_round}: {exits.count(-signal.SIGKILL)} kills, every restart worked, the same"
        f" bytes; of {len(again)} steps 0 lost, {repeated} trained again"
    )
