"""How long `split` takes, and how much memory, on made-up questions of three kinds.

arithmetic  sixteen templates; other names and numbers in every row
objects     the same, with two things out of 200 in every row: nearly every row is another skeleton, near many
words       8 to 29 of 50,000 words, whose frequency falls with their rank (Zipf); one row in ten repeats
            another but for a word
"""

import os
import random
import subprocess
import sys
import time
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate, product
from pathlib import Path

from stages.records.example import Example, write_examples

ROOT = Path(__file__).parents[2]
BEGINNINGS = (
    "{a} has {n} {x} and puts {m} {y} beside them before the shop opens in the morning.",
    "A farmer packs {n} {x} into every crate and {a} carries {m} crates full of {y} to the truck.",
    "There are {n} {x} on the upper shelf, and {a} takes {m} of them down to make room for {y}.",
    "On Monday {a} counts {n} {x} while {b} counts {m} {y} at the other end of the long hall.",
)
ENDS = (
    "{b} brings {k} more {x} in the evening. How many {x} and {y} are there now?",
    "If one of the {x} costs {k} dollars, what does {b} pay for all that there is?",
    "Then {k} of the {y} break. How many whole {y} can {a} still sell to {b}?",
    "{b} wants to share everything among {k} friends. How many {x} does each friend get?",
)
SYLLABLES = ["".join(pair) for pair in product("bdfgklmnprstvz", "aeiou")]
VOCABULARY = 50_000


def word(number: int) -> str:
    """A word of two syllables or more, another for each number."""
    rest, last = divmod(number + len(SYLLABLES), len(SYLLABLES))
    return (word(rest - len(SYLLABLES)) if rest >= len(SYLLABLES) else SYLLABLES[rest]) + SYLLABLES[last]


def from_templates(rng: random.Random, things: int) -> Iterator[str]:
    names = [word(100 + number).title() for number in range(200)]
    nouns = [word(1000 + number) for number in range(things)]
    while True:
        first, second = rng.sample(names, 2)
        numbers = {slot: rng.randint(2, 99) for slot in "nmk"}
        text = f"{rng.choice(BEGINNINGS)} {rng.choice(ENDS)}"
        yield text.format(a=first, b=second, x=rng.choice(nouns), y=rng.choice(nouns), **numbers)


def of_words(rng: random.Random) -> Iterator[str]:
    shares = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))

    def draw(count: int) -> list[str]:
        return [word(bisect(shares, rng.random() * shares[-1])) for _ in range(count)]

    words = draw(20)
    while True:
        if rng.random() < 0.1:
            words[rng.randrange(len(words))] = draw(1)[0]
        else:
            words = draw(rng.randint(8, 29))
        yield f"{' '.join(words)}?"


KINDS = {
    "arithmetic": lambda: from_templates(random.Random(0), 1),
    "objects": lambda: from_templates(random.Random(0), 200),
    "words": lambda: of_words(random.Random(0)),
}


def measure(folder: Path, kind: str, rows: int) -> str:
    """Seconds, CPU seconds and memory of a `split` of so many questions."""
    source = folder / "examples.jsonl"
    write_examples(
        source,
        (
            Example(f"big-{row}", "big", question, "1", "number")
            for row, question in zip(range(rows), KINDS[kind](), strict=False)
        ),
    )
    command = [sys.executable, "-m", "stages.split", "sample", str(source), str(folder)]
    began = time.perf_counter()
    child = subprocess.Popen([*command, str(folder / "split.json"), str(folder / "leakage.json")], cwd=ROOT)
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise ValueError(f"split of {rows} questions, {kind}: exit code {child.returncode}, wanted 0")
    return (
        f"{kind}: {rows:,} questions in {seconds:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of CPU,"
        f" {used.ru_maxrss / 2**20:.2f} GiB at most"
    )
