"""Tracking shuffled objects, generated. `rationale` is how the scripted teacher reasons about it."""

import random
import re
from pathlib import Path
from string import ascii_uppercase
from typing import NamedTuple

from pydantic import Field

from stages.parsing.generated import (
    SHORT_NAMES,
    DrawSettings,
    WrittenRationale,
    generate_examples,
    join_steps,
    read_slots,
)
from stages.records.example import Example

HAS = "{person} has the {color} {thing}"
HOLDS = "{person} holds the {color} {thing}"
LIST = "{person}: {color} {thing}"
PAIR = "{a} and {b} {verb}."
WITH = "{a} {verb}s with {b}."
# name: (text, how it tells who has what, how it tells a swap)
STORIES = {
    "plain": ("{start}. {swaps} Which {thing} does {person} have at the end?", HAS, PAIR),
    "asked_first": ("Which {thing} does {person} have in the end? At first {start}. {swaps}", HAS, PAIR),
    "game": ("In a game {start}. {swaps} When the game is over, what is with {person}?", HOLDS, WITH),
    "list": ("Start: {start}. Moves: {swaps} What does {person} have now?", LIST, PAIR),
    "party": ("At a party {start}. {swaps} Which {thing} does {person} take home?", HAS, WITH),
    "school": ("In class {start}. {swaps} After the lesson, which {thing} does {person} hold?", HOLDS, PAIR),
    "find": ("Find the {thing} of {person} after the trades. Before: {start}. Trades: {swaps}", LIST, WITH),
    "shop": ("Before the shop opens, {start}. {swaps} What has {person} got when it opens?", HAS, WITH),
    "bus": ("On a bus {start}. {swaps} Which {thing} does {person} carry off the bus?", HOLDS, PAIR),
    "follow": ("Follow the swaps and say what {person} has last. {start}. {swaps}", HAS, PAIR),
}
PHRASINGS = {name: f"{text} Answer Choices: {{choices}}" for name, (text, _, _) in STORIES.items()}
THINGS = ["ball", "hat", "book", "cup", "pen", "bag", "card", "key"]
COLORS = ["red", "blue", "green", "yellow", "black", "white", "pink", "brown", "gold", "gray"]

# Every step names the pair and the full state after the swap
STEPS = {
    "after": "{a} and {b} swap: {state}.",
    "numbered": "{a} and {b} make swap {number}: {state}.",
    "gets": "{a} gets {a_color}, {b} gets {b_color}: {state}.",
    "so": "{a} trades with {b}, so {state}.",
    "bracket": "{a} and {b} change [{state}].",
    "arrow": "{a}-{b} -> {state}.",
    "now": "{a} swaps with {b}, now {state}.",
}
NOTATIONS = ["{} {}", "{}: {}", "{}={}", "{} ({})"]
OPENINGS = [
    "Start: {state}.",
    "At first {state}.",
    "To begin: {state}.",
    "We start with {state}.",
    "Before any swap: {state}.",
]
CLOSINGS = [
    "So {person} has the {color} {thing}, which is ({letter}).",
    "At the end {person} has {color}: ({letter}).",
    "The {color} {thing} is with {person}, so ({letter}).",
    "In the end {person} holds the {color} {thing}, choice ({letter}).",
    "{person} ends with {color}, and {color} is ({letter}).",
]


class Settings(DrawSettings):
    people: int = Field(default=3, ge=2, le=len(COLORS))  # BIG-bench: 3, 5 and 7; Fine-tune-CoT: 3
    swaps: int = Field(default=3, ge=1, le=20)  # BIG-bench, three objects: 3


class Facts(NamedTuple):
    held: dict[str, str]  # person -> colour at the start
    swaps: list[tuple[str, str]]
    person: str  # whose thing is asked for
    choices: list[str]  # "red ball", in the order of their letters


def states_after(held: dict[str, str], swaps: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Who holds which colour after each swap."""
    found = []
    for a, b in swaps:
        held = {**held, a: held[b], b: held[a]}
        found.append(held)
    return found


def draw_question(rng: random.Random, settings: Settings) -> Example:
    template = rng.choice(list(STORIES))
    thing = rng.choice(THINGS)
    people = rng.sample(SHORT_NAMES, settings.people)
    colors = rng.sample(COLORS, settings.people)
    pairs = [(a, b) for a, b in (rng.sample(people, 2) for _ in range(settings.swaps))]
    _, holding, swap = STORIES[template]
    start = ", ".join(
        holding.format(person=person, color=color, thing=thing)
        for person, color in zip(people, colors, strict=True)
    )
    moves = " ".join(swap.format(a=a, b=b, verb=rng.choice(["swap", "trade"])) for a, b in pairs)
    choices = [f"{color} {thing}" for color in rng.sample(colors, len(colors))]
    listed = " ".join(
        f"({letter}) {choice}." for letter, choice in zip(ascii_uppercase, choices, strict=False)
    )
    person = rng.choice(people)
    question = PHRASINGS[template].format(
        start=start, swaps=moves, thing=thing, person=person, choices=listed
    )
    end = states_after(dict(zip(people, colors, strict=True)), pairs)[-1][person]
    answer = ascii_uppercase[choices.index(f"{end} {thing}")]
    return Example("", "gen_shuffled_objects", question, answer, "choice", choices=choices, template=template)


def parse(raw: Path) -> list[Example]:
    return generate_examples(raw, "gen_shuffled_objects", Settings, draw_question)


def facts(question: str) -> Facts:
    """Holdings, swaps, the person asked for and the choices, read from the text of the question."""
    slots = read_slots(question, PHRASINGS)
    held = dict(re.findall(rf"([A-Z]\w*)[^A-Z]*? ({'|'.join(COLORS)}) ", slots["start"]))
    swaps = re.findall(r"([A-Z]\w*) (?:and|\w+ with) ([A-Z]\w*)", slots["swaps"])
    return Facts(held, swaps, slots["person"], re.findall(r"\([A-Z]\) ([^.]+)\.", slots["choices"]))


def with_slip(
    swaps: list[tuple[str, str]], people: list[str], rng: random.Random
) -> tuple[list[tuple[str, str]], str]:
    """The same swaps with one lost or made by the wrong pair, and the slip's name. Two people have no wrong
    pair.
    """
    at = rng.randrange(len(swaps))
    others = [person for person in people if person not in swaps[at]]
    if not others or rng.random() < 0.5:
        return swaps[:at] + swaps[at + 1 :], "lost swap"
    return [*swaps[:at], (swaps[at][0], rng.choice(others)), *swaps[at + 1 :]], "wrong pair"


def rationale(question: str, rng: random.Random, wrong: bool) -> WrittenRationale:
    """One way to reason about a question, with one wrong swap if `wrong`; its answer may be right all the
    same.
    """
    held, swaps, person, choices = facts(question)
    error = ""
    if wrong:
        swaps, error = with_slip(swaps, list(held), rng)
    style = rng.choice(list(STEPS))
    notation = rng.choice(NOTATIONS)

    def state(now: dict[str, str]) -> str:
        return ", ".join(notation.format(*item) for item in now.items())

    after = states_after(held, swaps)
    steps = [
        STEPS[style].format(a=a, b=b, a_color=now[a], b_color=now[b], state=state(now), number=number)
        for number, ((a, b), now) in enumerate(zip(swaps, after, strict=True), 1)
    ]
    color = [held, *after][-1][person]
    thing = choices[0].split()[-1]
    letter = ascii_uppercase[choices.index(f"{color} {thing}")]
    closing = rng.choice(CLOSINGS).format(person=person, color=color, thing=thing, letter=letter)
    opening = rng.choice(OPENINGS).format(state=state(held))
    return WrittenRationale(join_steps(opening, steps, closing, rng), letter, style, error)
