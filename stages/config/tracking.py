"""Tracking: a run's numbers and texts in a tracker, beside the files that DVC keeps; $COT_TRACKING names it.

A tracker decides no result and ends no stage: where it fails, one line says so, and the stage goes on.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import typer

from stages.config.visible import visible
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.jsonl import write_json

FOLDER = Path("dvclive")
PROJECT = "cot-distill"
SAMPLES = 8  # answers of a student
Numbers = Mapping[str, float]


class Tracker(Protocol):
    """A run that is shown while it goes on."""

    def __init__(self, run: str, resume: bool) -> None: ...

    def log(self, numbers: Numbers, step: int) -> None: ...

    def show(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Texts, as a table."""

    def close(self) -> None: ...


class DvcLive:
    """Files below dvclive/RUN, with a dvc.yaml by which DVC and its VS Code extension find them. It shows no
    texts.
    """

    def __init__(self, run: str, resume: bool) -> None:
        from dvclive import Live

        folder = FOLDER / run
        self.live = Live(str(folder), resume=resume, save_dvc_exp=False, dvcyaml=False)
        # JSON is YAML; DVCLive's own would be added to Git within `dvc exp run`
        plots = [{"plots/metrics": {"x": "step"}}]
        write_json(folder / "dvc.yaml", {"metrics": ["metrics.json"], "plots": plots})

    def log(self, numbers: Numbers, step: int) -> None:
        self.live.step = step
        for name, value in numbers.items():
            self.live.log_metric(name, value)
        self.live.make_summary()

    def show(self, rows: Sequence[Mapping[str, str]]) -> None:
        pass

    def close(self) -> None:
        self.live.end()


class Trackio:
    """A run in Trackio's folder in the user's cache, or where TRACKIO_SPACE_ID or TRACKIO_SERVER_URL says."""

    def __init__(self, run: str, resume: bool) -> None:
        import trackio

        often = "allow" if resume else "never"
        self.trackio = trackio
        self.run = trackio.init(PROJECT, run, resume=often, auto_log_gpu=False, auto_log_cpu=False)

    def log(self, numbers: Numbers, step: int) -> None:
        self.run.log(dict(numbers), step=step)

    def show(self, rows: Sequence[Mapping[str, str]]) -> None:
        self.run.log({"samples": self.trackio.Table(data=[dict(row) for row in rows])})

    def close(self) -> None:
        self.trackio.finish()


TRACKERS: dict[str, type[Tracker]] = {"dvclive": DvcLive, "trackio": Trackio}


class Tracking:
    """A run of the tracker that $COT_TRACKING names; with none, nothing happens."""

    def __init__(self, run: str, resume: bool = False) -> None:
        self.tracker: Tracker | None = None
        self.name = os.environ.get("COT_TRACKING") or "none"
        if self.name != "none":
            self.attempt(lambda: self.start(run, resume))

    def start(self, run: str, resume: bool) -> None:
        if self.name not in TRACKERS:
            raise ValueError(f"wanted {', '.join(TRACKERS)} or none")
        self.tracker = TRACKERS[self.name](run, resume)

    def attempt(self, action: Callable[[], Any]) -> None:
        """Whatever a tracker stumbles over, the stage goes on without it."""
        try:
            action()
        except Exception as error:
            self.tracker = None
            advice = "; `pip install -e '.[tracking]'` brings it" if isinstance(error, ImportError) else ""
            what = visible(f"COT_TRACKING={self.name}: {error or type(error).__name__}".splitlines()[0])
            typer.echo(f"{what}{advice}; the stage goes on without a tracker", err=True)

    def log(self, numbers: Mapping[str, float | None], step: int) -> None:
        """Numbers of a step, without those that are unknown."""
        if tracker := self.tracker:
            known = {name: value for name, value in numbers.items() if value is not None}
            self.attempt(lambda: tracker.log(known, step))

    def show(self, rows: Sequence[Mapping[str, str]]) -> None:
        if tracker := self.tracker:
            self.attempt(lambda: tracker.show(rows))

    def close(self) -> None:
        if tracker := self.tracker:
            self.attempt(tracker.close)


def show_samples(cell: str, rows: Sequence[Completion], questions: Sequence[Example]) -> None:
    """The first answers of a student, beside the gold ones."""
    asked = {question.id: question for question in questions}
    tracking = Tracking(cell)
    tracking.show(
        [
            {
                "question": asked[row.example_id].question,
                "gold": asked[row.example_id].answer,
                "said": row.texts[-1],
            }
            for row in rows[:SAMPLES]
        ]
    )
    tracking.close()


def show_costs(corpus: str, figures: Mapping[str, Any]) -> None:
    """What a teacher's completions took: those figures that are numbers."""
    tracking = Tracking(corpus)
    tracking.log({name: value for name, value in figures.items() if type(value) in (int, float)}, 0)
    tracking.close()
