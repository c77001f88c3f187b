"""Solvers of the generated tasks, which read the questions in another way than the generators do."""

import json
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from stages.records.example import Example

COLORS = "red|blue|green|yellow|black|white|pink|brown|gold|gray"
FRAME_WORDS = {
    "Join",
    "The",
    "What",
    "Each",
    "A",
    "Which",
    "Write",
    "On",
    "Read",
    "Someone",
    "My",
    "From",
    "Put",
}


def solve_last_letter(question: str) -> str:
    """Every capitalised word that does not belong to a frame is a name."""
    return "".join(word[-1] for word in re.findall(r"[A-Z][a-z]+", question) if word not in FRAME_WORDS)


def solve_coin_flip(question: str) -> str:
    """Count the turning verbs; the side that is asked comes first in the questions that begin with what they
    ask.
    """
    turns = len(re.findall(r"\b(?:flips|turns|gives)\b", question))
    sides = re.findall(r"heads|tails", question)
    asked, start = (sides[0], sides[-1]) if re.match(r"Is|My|Say", question) else (sides[-1], sides[0])
    return "yes" if (start == asked) == (turns % 2 == 0) else "no"


def solve_shuffled_objects(question: str) -> str:
    """Follow each thing instead of each person; the person asked for is the name left when holdings and swaps
    are struck out.
    """
    story, choices = question.split(" Answer Choices: ")
    holding = rf"([A-Z]\w*)(?:: | has the | holds the )((?:{COLORS}) \w+)"
    swap = r"([A-Z]\w*) (?:and ([A-Z]\w*) (?:swap|trade)|(?:swaps|trades) with ([A-Z]\w*))\."
    holder = {thing: person for person, thing in re.findall(holding, story)}
    for first, second, other in re.findall(swap, story):
        trade = {first: second or other, second or other: first}
        holder = {thing: trade.get(person, person) for thing, person in holder.items()}
    (asked,) = [
        name
        for name in re.findall(r"[A-Z]\w*", re.sub(f"{holding}|{swap}", "", story))
        if name in holder.values()
    ]
    return next(
        letter for letter, thing in re.findall(r"\((\w)\) (\w+ \w+)\.", choices) if holder[thing] == asked
    )


SOLVERS: dict[str, Callable[[str], str]] = {
    "gen_last_letter": solve_last_letter,
    "gen_coin_flip": solve_coin_flip,
    "gen_shuffled_objects": solve_shuffled_objects,
}
SIZES: list[tuple[str, dict[str, int]]] = [
    *[("gen_last_letter", {"words": words}) for words in (2, 3, 4, 8)],
    *[("gen_coin_flip", {"people": people}) for people in (2, 4, 7)],
    *[
        ("gen_shuffled_objects", {"people": people, "swaps": swaps})
        for people, swaps in ((2, 1), (3, 3), (5, 5), (7, 9))
    ],
]


def make(folder: Path, dataset: str, **settings: Any) -> list[Example]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps({"questions": 200, "seed": 0, **settings}))
    examples: list[Example] = import_module(f"stages.datasets.{dataset}").parse(folder)
    return examples
