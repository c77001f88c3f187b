"""Targets: what rendered sequences train, as numbers, and what no method may render."""

from collections import Counter, defaultdict
from typing import Any

from stages.records.completion import Completion
from stages.records.sequence import END, Segment, Sequence

PARTS = ("train", "validation")


def task_weights(sequences: list[Sequence]) -> dict[str, float]:
    """Each task's weight.

    Raises ValueError for what is a fault of the method: a sequence or a target without text to train, a mark
    that only prompts have, a task with two weights.
    """
    weights: dict[str, float] = {}
    for sequence in sequences:
        where = sequence.example_id
        if not any(segment.task for segment in sequence.segments):
            raise ValueError(f"{where}: a sequence without a task, wanted something to train")
        for segment in sequence.segments:
            if END in segment.text:
                raise ValueError(
                    f"{where}: {segment.text[:200]!r} contains {END!r}, which stands for the end-of-text"
                    " token in prompts"
                )
            if segment.task is None:
                continue
            if not segment.text.strip():
                raise ValueError(
                    f"{where}: the target of task {segment.task!r} is {segment.text!r}, wanted a text that is"
                    " not empty"
                )
            known = weights.setdefault(segment.task, segment.weight)
            if known != segment.weight:
                raise ValueError(
                    f"{where}: task {segment.task!r} has weights {known} and {segment.weight}, wanted one"
                )
    return weights


def task_counts(sequences: list[Sequence]) -> dict[str, dict[str, int]]:
    """Per task the sequences that train it, and its targets' characters and words without end-of-text."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sequence in sequences:
        trained: dict[str, list[Segment]] = defaultdict(list)
        for segment in sequence.segments:
            if segment.task:
                trained[segment.task].append(segment)
        for task, segments in trained.items():
            texts = [segment.text for segment in segments]
            characters = sum(map(len, texts))
            words = sum(len(text.split()) for text in texts)
            counts[task].update(sequences=1, characters=characters, words=words)
    return {task: dict(count) for task, count in sorted(counts.items())}


def part_counts(sequences: list[Sequence], completions: int) -> dict[str, Any]:
    """What one part trains. An epoch sees one of a question's drawn sequences."""
    per_question = Counter(sequence.example_id for sequence in sequences)
    drawn = Counter(sequence.example_id for sequence in sequences if sequence.draw)
    units = {(sequence.example_id, sequence.unit) for sequence in sequences if sequence.unit}
    return {
        "completions": completions,
        # trained in one step each
        "units": len(units) + sum(not sequence.unit for sequence in sequences),
        "questions": len(per_question),
        "sequences": len(sequences),
        "sequences_per_epoch": len(sequences) - sum(drawn.values()) + len(drawn),
        "sequences_per_question": {
            "mean": round(len(sequences) / len(per_question), 4) if per_question else None,
            "most": max(per_question.values(), default=0),
        },
        "tasks": task_counts(sequences),
    }


def count_targets(
    sequences: list[Sequence], parts: dict[str, list[str]], completions: list[Completion]
) -> dict[str, Any]:
    """The figures of metrics/rendered: tokens are counted in train, where there is a tokenizer."""
    kept = Counter(completion.example_id for completion in completions)
    counts: dict[str, Any] = {"weights": dict(sorted(task_weights(sequences).items()))}
    for part in PARTS:
        trained = [sequence for sequence in sequences if sequence.part == part]
        counts[part] = part_counts(trained, sum(kept[question] for question in parts[part]))
    return counts
