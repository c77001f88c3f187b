"""One optimizer step's texts, shaped like the papers': real lengths, random tokens."""

import random
from dataclasses import dataclass

import numpy as np

from stages.students.tokens import Target, Tokens
from tools.benchmark.lengths import VOCABULARY, Lengths, read_lengths

EOS = 1  # the end-of-text token
FIRST = 10  # the least random one
ALPHA = 0.3  # CasCoD section 4.2


@dataclass(frozen=True)
class Shape:
    """How a workload is made of a data set's lengths."""

    lengths: str
    diversity: int  # completions per question
    sequences: int  # completions a step, by default
    cascod: bool = False


SHAPES = {
    "gsm8k": Shape("gsm8k", 1, 64),
    "multiarith": Shape("multiarith", 64, 64),  # Fine-tune-CoT's largest D
    "csqa": Shape("csqa", 30, 60),  # SCoTD's N
    "date": Shape("date", 8, 64),
    "bbh": Shape("bbh", 8, 64),
    "cascod": Shape("bbh_cascod", 1, 24, cascod=True),
}


@dataclass(frozen=True)
class Workload:
    name: str
    texts: list[Tokens]  # of one step, in seeded order; CasCoD's two of an example stand next to each other
    longest: int  # tokens of the data set's longest text with its end
    diversity: int
    cascod: bool

    @property
    def tasks(self) -> list[str]:
        return ["rationale", "answer"] if self.cascod else ["cot"]

    @property
    def labels(self) -> dict[str, int]:
        """Per task, of the whole step."""
        return {task: sum(text.counts().get(task, 0) for text in self.texts) for task in self.tasks}


def random_ids(rng: random.Random, n: int) -> list[int]:
    """`n` tokens that mean nothing."""
    return [rng.randrange(FIRST, VOCABULARY) for _ in range(n)]


def causal_text(
    example: int,
    unit: int,
    context: list[int],
    target: list[int],
    task: str,
    weight: float,
) -> Tokens:
    """A text for causal students: context, target, end; the end is a label only."""
    labels = np.array([*target, EOS], np.int32)
    inputs = np.array(context + target, np.int32)
    return Tokens(
        str(example),
        str(unit),
        False,
        np.array([], np.int32),
        inputs,
        [Target(len(context) - 1, labels, task, weight)],
        False,
    )


def cascod_pair(example: int, parts: list[list[int]]) -> list[Tokens]:
    """The two texts of CasCoD's equations 4 to 6, of the tokens of its parts."""
    prompt, rationale, ask, answer = parts
    first = causal_text(example, 0, prompt, rationale, "rationale", 1 - ALPHA)
    return [first, causal_text(example, 0, prompt + rationale + ask, answer, "answer", ALPHA)]


def draw_records(found: Lengths, n: int, rng: random.Random) -> list[int]:
    """Places of n records, some of them twice if there are not so many; a few stand for all by being of
    middling length.
    """
    order = rng.sample(range(len(found.parts)), len(found.parts))
    middle = sum(parts[0] for parts in found.parts) / len(found.parts)
    order = sorted(order, key=lambda place: abs(found.parts[place][0] - middle)) if n <= 4 else order
    return [order[i % len(order)] for i in range(n)]


def workload(name: str, sequences: int | None = None, seed: int = 0) -> Workload:
    """A step of `sequences` completions (CasCoD: two texts each). Raises ValueError for an unknown name."""
    if name not in SHAPES:
        raise ValueError(f"unknown workload {name!r}, wanted one of {', '.join(SHAPES)}")
    shape = SHAPES[name]
    rng = random.Random(seed)
    found = read_lengths()[shape.lengths]
    wanted = sequences or shape.sequences
    groups: list[list[Tokens]] = []
    for example, place in enumerate(draw_records(found, -(-wanted // shape.diversity), rng)):
        if shape.cascod:
            groups.append(cascod_pair(example, [random_ids(rng, n) for n in found.parts[place]]))
            continue
        prompt = random_ids(rng, found.parts[place][0])
        lengths = [found.parts[place][1]] + [rng.choice(found.parts)[1] for _ in range(shape.diversity - 1)]
        groups += [
            [causal_text(example, unit, prompt, random_ids(rng, n), "cot", 1.0)]
            for unit, n in enumerate(lengths)
        ]
    groups = groups[:wanted]
    rng.shuffle(groups)
    return Workload(
        name, [made for group in groups for made in group], found.longest + 1, shape.diversity, shape.cascod
    )
