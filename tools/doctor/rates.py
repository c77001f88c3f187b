"""Rates: how fast a student is trained and answers.

Of a core as measured (metrics/benchmarks, float32). No GPU has been measured: its seconds are arithmetic.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parents[2] / "metrics/benchmarks"
# a GPU by arithmetic: 6 operations a weight and token that is trained, 2 a token that is written, at a share
# of the 312e12 a second of an A100. The shares are guesses, the second one low: one token at a time
A100 = 312e12
TRAINING_SHARE = 0.3
WRITING_SHARE = 0.02
HOUR = 3600


@cache
def measured(kind: str) -> dict[int, float]:
    """Weights -> tokens a second, in float32 on one core. kind: "train" or "write"."""
    five = lines("train_cpu.json", "gsm8k 5M")
    weights = five["weights_body"] + five["weights_head"]
    from_files = {
        "train": [
            (weights, five, "ours"),
            (None, lines("student_cpu.json", "train smollm2"), "ours float32"),
        ],
        "write": [
            (weights, lines("generate_cpu.json", "plain 5M"), "ours_128"),
            (None, lines("student_cpu.json", "greedy smollm2"), "ours float32"),
        ],
    }
    smollm2 = 134_515_008  # its float32 weights, tied
    return {
        count or smollm2: next(line for line in run["lines"] if line["layout"] == layout)["tokens_per_second"]
        for count, run, layout in from_files[kind]
    }


def lines(file: str, name: str) -> dict[str, Any]:
    runs = json.loads((BENCHMARKS / file).read_text(encoding="utf-8"))["runs"]
    found: dict[str, Any] = next(run for run in runs if run["name"] == name)
    return found


def rate(kind: str, parameters: int) -> float:
    """Tokens a second: of the measured model of the next size up, else of the largest, divided by how many
    times larger this one is.
    """
    known = measured(kind)
    larger = [weights for weights in sorted(known) if weights >= parameters]
    if larger:
        return known[larger[0]]
    return known[max(known)] * max(known) / parameters


def gpu_seconds(parameters: int, trained: float, written: float) -> float:
    """Of an A100, for so many tokens."""
    return (6 * trained / TRAINING_SHARE + 2 * written / WRITING_SHARE) * parameters / A100


def duration(seconds: float) -> str:
    """In the unit that suits."""
    if seconds < 90 * 60:
        return f"{max(1, round(seconds / 60)):,} min"
    return f"{seconds / HOUR:,.0f} h"
