"""Procedural text that teaches `tiny` to copy, look up, spell, count and trade.

A skill is a function rng -> (prompt, completion). None of them is an evaluation task: no skill concatenates
last letters, flips anything repeatedly, or follows more than one trade.
"""

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

WORDS = Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split()
COLORS = "red blue green yellow black white brown pink gray orange purple gold silver".split()
THINGS = (
    "ball book cup hat key pen coat lamp card ring shoe box bag coin apple map clock rope spoon stone ticket"
    " doll flower letter shell".split()
)
ONSETS = "b c d f g h j k l m n p r s t v w z br ch cl dr fr gr kr pl sh sl st th tr wh".split() + [""] * 3
VOWELS = "a e i o u a e i o ai ee ea ia ie oo y".split()
CODAS = ["", "", "", *"n r l s t m d k x ck ll nn rd rt ss th ng rk".split()]
SEPARATORS = ["-", " ", ", "]


def name(rng: random.Random) -> str:
    """An invented name of two to nine letters, such as `Trolan`."""
    text = "".join(
        rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS)
        for _ in range(rng.choice([1, 1, 2, 2, 3]))
    )
    return (text if len(text) > 1 else text + "n")[:9].capitalize()


def names(rng: random.Random, n: int) -> list[str]:
    """`n` different names."""
    found: dict[str, None] = {}
    while len(found) < n:
        found[name(rng)] = None
    return list(found)


def thing(rng: random.Random) -> str:
    return f"{rng.choice(COLORS)} {rng.choice(THINGS)}" if rng.random() < 0.7 else rng.choice(THINGS)


def things(rng: random.Random, n: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < n:
        found[thing(rng)] = None
    return list(found)


def either(rng: random.Random) -> str:
    """A word, a name or a number."""
    pick = rng.random()
    return rng.choice(WORDS) if pick < 0.5 else name(rng) if pick < 0.85 else str(rng.randrange(100))


def copy(rng: random.Random) -> tuple[str, str]:
    text = " ".join(either(rng) for _ in range(rng.randint(2, 16)))
    return f"{rng.choice(['Copy', 'Repeat', 'Say again'])}: {text}.", f" {text}."


def spell(rng: random.Random) -> tuple[str, str]:
    words = [name(rng) if rng.random() < 0.8 else rng.choice(WORDS) for _ in range(rng.randint(1, 4))]
    by = rng.choice(SEPARATORS)
    asked = {"-": "dashes", " ": "spaces", ", ": "commas"}[by]
    return (
        f"Spell {' '.join(words)} with {asked}.",
        " " + ". ".join(f"{word}: {by.join(word)}" for word in words) + ".",
    )


def join(rng: random.Random) -> tuple[str, str]:
    word = name(rng)
    by = rng.choice(SEPARATORS)
    return f"Join the letters {by.join(word)}.", f" {word}."


def letter_at(rng: random.Random) -> tuple[str, str]:
    word = name(rng)
    at = rng.randrange(len(word) - 1)
    ordinal = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"][at]
    return f"What is the {ordinal} letter of {word}?", f" {'-'.join(word[: at + 1])}, so it is {word[at]}."


def owners(rng: random.Random) -> tuple[list[str], list[str], str]:
    count = rng.randint(2, 6)
    people = names(rng, count)
    goods = things(rng, count)
    verb = rng.choice(["has", "holds", "owns", "gets", "is given"])
    return people, goods, " ".join(f"{p} {verb} the {g}." for p, g in zip(people, goods, strict=True))


def who_has(rng: random.Random) -> tuple[str, str]:
    people, goods, text = owners(rng)
    at = rng.randrange(len(people))
    return f"{text} Who has the {goods[at]}?", f" {people[at]} has the {goods[at]}."


def what_has(rng: random.Random) -> tuple[str, str]:
    people, goods, text = owners(rng)
    at = rng.randrange(len(people))
    return f"{text} What does {people[at]} have?", f" {people[at]} has the {goods[at]}."


def reorder(rng: random.Random) -> tuple[str, str]:
    people, goods, text = owners(rng)
    order = rng.sample(range(len(people)), len(people))
    listed = ", ".join(people[i] for i in order)
    return (
        f"{text} List them in the order {listed}.",
        " " + ", ".join(f"{people[i]}: {goods[i]}" for i in order) + ".",
    )


def trade(rng: random.Random) -> tuple[str, str]:
    people, goods, text = owners(rng)
    i, j = rng.sample(range(len(people)), 2)
    verb = rng.choice(["trade", "change places", "trade what they have", "make a trade"])
    after = list(goods)
    after[i], after[j] = goods[j], goods[i]
    listed = ", ".join(f"{p}: {g}" for p, g in zip(people, after, strict=True))
    return f"{text} {people[i]} and {people[j]} {verb}. Now:", f" {listed}."


def pairs(rng: random.Random) -> tuple[str, str]:
    keys = list(dict.fromkeys(either(rng) for _ in range(rng.randint(2, 10))))
    values = [either(rng) for _ in keys]
    at = rng.randrange(len(keys))
    arrow = rng.choice([" = ", " -> ", ": "])
    return (
        "; ".join(f"{k}{arrow}{v}" for k, v in zip(keys, values, strict=True)) + f". Find {keys[at]}.",
        f" {keys[at]}{arrow}{values[at]}.",
    )


def chain(rng: random.Random) -> tuple[str, str]:
    loop = list(dict.fromkeys(either(rng) for _ in range(rng.randint(3, 6))))
    links = [f"{a} leads to {b}" for a, b in pairwise(loop)]
    rng.shuffle(links)
    return f"{'. '.join(links)}. Start at {loop[0]}.", f" {', then '.join(loop)}."


def choose(rng: random.Random) -> tuple[str, str]:
    people = names(rng, rng.randint(2, 7))
    good, bad = rng.sample(
        ["sings", "reads", "walks", "cooks", "does not sing", "does not read", "does not walk", "sits"], 2
    )
    does = [rng.random() < 0.5 for _ in people]
    text = " ".join(f"{p} {good if d else bad}." for p, d in zip(people, does, strict=True))
    chosen = [p for p, d in zip(people, does, strict=True) if d]
    return f"{text} Who {good}?", f" {', '.join(chosen) or 'Nobody'}."


def count(rng: random.Random) -> tuple[str, str]:
    items = [either(rng) for _ in range(rng.randint(1, 10))]
    return (
        f"Count these: {', '.join(items)}.",
        " " + ", ".join(f"{i} {x}" for i, x in enumerate(items, 1)) + f". There are {len(items)}.",
    )


def add(rng: random.Random) -> tuple[str, str]:
    a = rng.randrange(50)
    b = rng.randrange(50)
    return (
        (f"What is {a} + {b}?", f" {a} + {b} = {a + b}.")
        if rng.random() < 0.5
        else (f"What is {a + b} - {b}?", f" {a + b} - {b} = {a}.")
    )


def retell(rng: random.Random) -> tuple[str, str]:
    events = [
        f"{name(rng)} {rng.choice(['finds', 'takes', 'sees', 'paints', 'washes'])} the {thing(rng)}"
        for _ in range(rng.randint(1, 5))
    ]
    told = ". Then ".join(events)
    return f"First, {told}. Tell it step by step.", " " + " ".join(
        f"Step {i}: {e}." for i, e in enumerate(events, 1)
    )


SKILLS: list[Callable[[random.Random], tuple[str, str]]] = [
    copy, spell, join, letter_at, who_has, what_has, reorder, trade, pairs, chain, choose, count, add, retell,
]  # fmt: skip
# the ones that plain practice leaves far from solved: they get more of it
HARD = [spell, who_has, trade, chain, choose]


def document(rng: random.Random, hard_share: float = 0.0) -> str:
    """One training document: a prompt and its completion, without an end mark. A share of them is drawn from
    the hard skills alone.
    """
    hard = bool(hard_share) and rng.random() < hard_share
    return "".join(rng.choice(HARD if hard else SKILLS)(rng))
