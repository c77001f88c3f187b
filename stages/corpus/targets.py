"""Targets: what rendered sequences train, as numbers, and what no method may render."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stages.records.example import LEARNED
from stages.records.sequence import END, Segment, Sequence


def check_weights(sequence: Sequence, weights: dict[str, float]) -> None:
    """Each task's weight goes into `weights`, those of the sequences before.

    Raises ValueError for what is a fault of the method: a sequence or a target without text to train, a mark
    that only prompts have, a task with two weights.
    """
    where = sequence.example_id
    if not any(segment.task for segment in sequence.segments):
        raise ValueError(f"{where}: a sequence without a task, wanted something to train")
    for segment in sequence.segments:
        if END in segment.text:
            raise ValueError(
                f"{where}: {segment.text[:200]!r} contains {END!r}, which stands for the end-of-text token in"
                " prompts"
            )
        if segment.task is None:
            continue
        if not segment.text.strip():
            raise ValueError(
                f"{where}: the target of task {segment.task!r} is {segment.text!r}, wanted a text that is not"
                " empty"
            )
        check_runs(segment, where)
        known = weights.setdefault(segment.task, segment.weight)
        if known != segment.weight:
            raise ValueError(
                f"{where}: task {segment.task!r} has weights {known} and {segment.weight}, wanted one"
            )


def check_runs(segment: Segment, where: str) -> None:
    """Raises ValueError for runs that are not one after the other in the segment's text."""
    done = 0
    for run in segment.runs or ():
        if not done <= run.start < run.stop <= len(segment.text):
            raise ValueError(
                f"{where}: task {segment.task!r} has {run} in a text of {len(segment.text)} characters,"
                f" wanted one from {done} on, not empty, that ends with the text or before"
            )
        done = run.stop


@dataclass
class PartTargets:
    """What one part trains, added up question by question. An epoch sees one of a question's drawn sequences.

    Per task the sequences that train it, and its targets' characters and words without end-of-text; of those
    with weights of their own (runs) also the characters in these.
    """

    units: int = 0  # trained in one step each
    questions: int = 0
    sequences: int = 0
    drawn: int = 0  # of them
    drawing: int = 0  # questions with drawn ones
    most: int = 0  # sequences of a question
    tasks: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, sequences: list[Sequence]) -> None:
        """All of one question, one at least."""
        drawn = sum(sequence.draw for sequence in sequences)
        units = [sequence.unit for sequence in sequences]
        self.units += len(set(filter(None, units))) + units.count("")
        self.questions += 1
        self.sequences += len(sequences)
        self.drawn += drawn
        self.drawing += bool(drawn)
        self.most = max(self.most, len(sequences))
        for sequence in sequences:
            self.add_tasks(sequence)

    def add_tasks(self, sequence: Sequence) -> None:
        trained: dict[str, list[Segment]] = defaultdict(list)
        for segment in sequence.segments:
            if segment.task:
                trained[segment.task].append(segment)
        for task, segments in trained.items():
            texts = [segment.text for segment in segments]
            characters = sum(map(len, texts))
            words = sum(len(text.split()) for text in texts)
            self.tasks[task].update(sequences=1, characters=characters, words=words)
            if any(segment.runs is not None for segment in segments):
                runs = [run for segment in segments for run in segment.runs or ()]
                self.tasks[task].update(characters_in_runs=sum(run.stop - run.start for run in runs))

    def counts(self, completions: int) -> dict[str, Any]:
        mean = round(self.sequences / self.questions, 4) if self.questions else None
        return {
            "completions": completions,
            "units": self.units,
            "questions": self.questions,
            "sequences": self.sequences,
            "sequences_per_epoch": self.sequences - self.drawn + self.drawing,
            "sequences_per_question": {"mean": mean, "most": self.most},
            "tasks": {task: dict(count) for task, count in sorted(self.tasks.items())},
        }


@dataclass
class Targets:
    """The figures of metrics/rendered: tokens are counted in train, where there is a tokenizer."""

    weights: dict[str, float] = field(default_factory=dict)
    parts: dict[str, PartTargets] = field(default_factory=lambda: {part: PartTargets() for part in LEARNED})

    def add(self, sequences: list[Sequence]) -> None:
        """All of one question, one at least. Raises ValueError as `check_weights` does."""
        for sequence in sequences:
            check_weights(sequence, self.weights)
        self.parts[sequences[0].part].add(sequences)

    def counts(self, parts: Mapping[str, list[str]], sizes: Mapping[str, int]) -> dict[str, Any]:
        """`parts`: the split's questions. `sizes`: how many completions each question has."""
        counts: dict[str, Any] = {"weights": dict(sorted(self.weights.items()))}
        for name, part in self.parts.items():
            counts[name] = part.counts(sum(sizes.get(question, 0) for question in parts[name]))
        return counts
