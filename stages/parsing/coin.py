"""Coins that people flip or leave: ten phrasings of the task, how the scripted teacher reasons about it, and
a question's contrast.

What stages/datasets/gen_coin_flip.py and gen_coin_contrast.py share.
"""

import random
import re
from typing import NamedTuple

from pydantic import Field

from stages.parsing.generated import SHORT_NAMES, DrawSettings, WrittenRationale, join_steps, read_slots
from stages.records.example import Example

# {events} are sentences, {chain} is one; without {asked} it is the side of the start that is asked for
PHRASINGS = {
    "still": "A coin lies {start} up. {events} Does it still lie {start} up?",
    "asked_first": "Is the coin {asked} up in the end? At first it is {start} up. {events}",
    "table": "On the table lies a penny with {start} up. {events} Does the penny show {asked} now?",
    "line": "People in a line pass on a coin that shows {start}: {chain}. Does it come out with {asked} up?",
    "game": "A game begins with a coin, {start} up. {events} When the game ends, is {asked} up?",
    "after": "A coin starts {start} up. {chain}. After all this, is it {asked} up?",
    "guess": "My guess is that a coin ends {asked} up. It starts {start} up. {events} Am I right?",
    "told": "Say yes or no: does the coin show {asked} at the end? Start: {start} up. {events}",
    "same": "A coin shows {start}. {chain}. Is the same side up as at the start?",
    "day": "In the morning a penny shows {start}. {events} In the evening, does it show {asked}?",
}
ACTS = {  # True: the coin is turned
    "flips it": True,
    "turns it over": True,
    "gives it a flip": True,
    "does not flip it": False,
    "leaves it alone": False,
    "does not turn it over": False,
}
SIDES = ["heads", "tails"]
ACT = re.compile(rf"\b({'|'.join(SHORT_NAMES)}) ({'|'.join(ACTS)})")

# style: (a flip, no flip). Every step names who acts and ends with the side that is up afterwards
STEPS = {
    "colon": ("{name} flips: {after}.", "{name} does not: {after}."),
    "so": (
        "{name} flips the coin, so it is {after} up.",
        "{name} does not flip the coin, so it stays {after} up.",
    ),
    "arrow": ("{name} flips it, {before} -> {after}.", "{name} leaves it, {before} -> {after}."),
    "now": ("{name} turns it over, now {after}.", "{name} keeps it as it is, still {after}."),
    "bracket": ("{name} (flip): {after}.", "{name} (no flip): {after}."),
    "counted": ("{name} makes flip {count}: {after}.", "{name} leaves it at {count}: {after}."),
    "up": ("{name} makes a flip and up comes {after}.", "{name} makes no flip and up stays {after}."),
}
OPENINGS = [
    "Start: {start}.",
    "The coin starts {start} up.",
    "At first {start} is up.",
    "It begins with {start}.",
    "Before anyone acts: {start}.",
    "We start from {start}.",
]
CLOSINGS = [
    "It ends with {end}, asked is {asked}: {answer}.",
    "In the end it is {end} and {asked} is asked, so {answer}.",
    "Last side {end}, wanted side {asked}: {answer}.",
    "At the end {end} is up; is that {asked}? {answer}.",
    "Final: {end}. Asked: {asked}. Same side: {answer}.",
    "So the coin shows {end}. We look for {asked}: {answer}.",
]


class Settings(DrawSettings):
    people: int = Field(default=4, ge=1, le=12)  # Wei et al.: 2 in the demonstrations, up to 4 in the test


class Facts(NamedTuple):
    start: str
    asked: str
    events: list[tuple[str, bool]]  # who, and whether the coin is turned


def other_side(side: str) -> str:
    return SIDES[1 - SIDES.index(side)]


def draw_question(rng: random.Random, settings: Settings) -> Example:
    """Each person turns the coin with probability 1/2, so that yes and no are equally likely."""
    template = rng.choice(list(PHRASINGS))
    text = PHRASINGS[template]
    start = rng.choice(SIDES)
    asked = rng.choice(SIDES)
    flips = [rng.random() < 0.5 for _ in range(settings.people)]
    acts = [rng.choice([act for act, turns in ACTS.items() if turns == flip]) for flip in flips]
    events = [
        f"{name} {act}" for name, act in zip(rng.sample(SHORT_NAMES, settings.people), acts, strict=True)
    ]
    question = text.format(
        start=start,
        asked=asked,
        events=" ".join(f"{event}." for event in events),
        chain=", then ".join(events),
    )
    end = other_side(start) if sum(flips) % 2 else start
    answer = "yes" if end == (asked if "{asked}" in text else start) else "no"
    return Example("", "gen_coin_flip", question, answer, "yes_no", template=template)


def contrast_question(question: str, rng: random.Random) -> str:
    """The question with one person's act turned into an opposite one: its answer is the other one."""
    found = rng.choice(list(ACT.finditer(question)))
    opposite = rng.choice([act for act, turns in ACTS.items() if turns != ACTS[found[2]]])
    return f"{question[: found.start(2)]}{opposite}{question[found.end(2) :]}"


def facts(question: str) -> Facts:
    """Start, asked side and events, read from the text of the question."""
    slots = read_slots(question, PHRASINGS)
    acts = re.findall(rf"([A-Z]\w*) ({'|'.join(ACTS)})", slots.get("events") or slots["chain"])
    events = [(name, ACTS[act]) for name, act in acts]
    return Facts(slots["start"], slots.get("asked", slots["start"]), events)


def rationale(question: str, rng: random.Random, wrong: bool) -> WrittenRationale:
    """One way to reason about a question; if `wrong`, one person's turn is miscounted."""
    start, asked, events = facts(question)
    slip = rng.randrange(len(events)) if wrong else -1
    error = "" if not wrong else "missed flip" if events[slip][1] else "flip too many"
    style = rng.choice(list(STEPS))
    steps = []
    side = start
    count = 0
    for place, (name, flips) in enumerate(events):
        turned = flips != (place == slip)
        before = side
        side = other_side(side) if turned else side
        count = count + turned
        step = STEPS[style][0 if flips else 1]
        steps.append(step.format(name=name, before=before, after=side, count=count))
    answer = "yes" if side == asked else "no"
    closing = rng.choice(CLOSINGS).format(end=side, asked=asked, answer=answer)
    opening = rng.choice(OPENINGS).format(start=start)
    return WrittenRationale(join_steps(opening, steps, closing, rng), answer, style, error)
