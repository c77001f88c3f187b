"""What the generated tasks share: phrasings (texts with {slots}) that are filled and read back, distinct
draws, written rationales.
"""

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import NamedTuple, TypeVar

from pydantic import Field

from stages.config.load import Block, check
from stages.records.example import Example

# Two to four letters: a small vocabulary spends about one token a letter on a name
LISTED = """
Abe Al Amy Ann Art Ben Bob Cal Dan Dee Don Ed Eli Eve Fay Flo Gil Gus Hal Ian Ida Jan Jay Jim Joe Jon Kay Ken
Kim Lee Leo Lou Max Meg Mia Ned Pam Pat Peg Ray Ron Roy Sam Sid Sue Ted Tim Tom Una Val Vic Wes Zoe
"""
SHORT_NAMES = LISTED.split()


class DrawSettings(Block):
    """How many questions a generated data set has and which; each task adds its size."""

    questions: int = Field(default=200, ge=1)
    seed: int = 0


AnySettings = TypeVar("AnySettings", bound=DrawSettings)


class WrittenRationale(NamedTuple):
    text: str  # a rationale without the blank before it
    answer: str  # where the rationale leads, right or wrong
    style: str
    error: str  # the wrong step's name; "": no step is wrong


def generate_examples(
    raw: Path, dataset: str, model: type[AnySettings], draw: Callable[[random.Random, AnySettings], Example]
) -> list[Example]:
    """The questions that raw/settings.json asks for, all different; the first n are the same whatever
    `questions` is.

    Raises ValueError for settings that are wrong or that allow fewer different questions than they ask for.
    """
    path = raw / "settings.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    settings = check(f"datasets.{dataset}", values, model)
    rng = random.Random(settings.seed)
    found: dict[str, Example] = {}
    for _ in range(100 * settings.questions):
        example = draw(rng, settings)
        found.setdefault(example.question, replace(example, id=f"{dataset}-{len(found)}"))
        if len(found) == settings.questions:
            return list(found.values())
    raise ValueError(
        f"{dataset}: found {len(found)} different questions, wanted {settings.questions}; ask for fewer or"
        " larger ones"
    )


def phrasing_pattern(text: str) -> re.Pattern[str]:
    """A phrasing as a pattern with one group a slot; a slot's second occurrence must repeat its first."""
    parts: list[str] = []
    slots: set[str] = set()
    for literal, slot, _, _ in Formatter().parse(text):
        parts.append(re.escape(literal))
        if slot:
            parts.append(f"(?P={slot})" if slot in slots else f"(?P<{slot}>.+?)")
            slots.add(slot)
    return re.compile("".join(parts))


def read_slots(question: str, phrasings: Mapping[str, str]) -> dict[str, str]:
    """What stands in the slots of the one phrasing that fits. Raises ValueError if none fits, or more than
    one.
    """
    fits = {
        name: found
        for name, text in phrasings.items()
        if (found := phrasing_pattern(text).fullmatch(question))
    }
    if len(fits) != 1:
        raise ValueError(
            f"{question!r} fits {len(fits)} phrasings ({', '.join(fits)}), wanted 1 of:"
            f" {', '.join(phrasings)}"
        )
    return next(iter(fits.values())).groupdict()


def join_steps(opening: str, steps: list[str], closing: str, rng: random.Random) -> str:
    """Opening, steps and closing as one text, with one of several links between the steps."""
    link = rng.choice(["", "Then ", "Next, ", "Now "])
    linked = [step if place == 0 else link + step for place, step in enumerate(steps)]
    return " ".join(part for part in [opening, *linked, closing] if part)
