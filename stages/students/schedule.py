"""Which answers are decoded together: the rows of one prompt read it once, prompts of like length at once."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile

READ = 4096  # tokens that are read at once, a matter of memory; one prompt may be longer
ALIKE = 0.8  # prompts are read together if the shortest is at least so long as this part of the longest
HEADER = 16  # tokens that all prompts must begin with before these are read apart


@dataclass(eq=False)
class AnswerRow:
    """One answer in the making: a row of the batch."""

    place: int  # of its prompt
    sample: int
    prompt: list[int]
    prefix: list[int]  # what the model that speaks has read before: the prompt, or a decoder's first token
    max_tokens: int
    tokens: list[int] = field(default_factory=list)  # said so far

    @property
    def cached(self) -> int:
        """Tokens whose keys and values are in the cache: all but the last."""
        return len(self.prefix) + len(self.tokens) - 1

    @property
    def last(self) -> int:
        return self.tokens[-1] if self.tokens else self.prefix[-1]


def common_header(prompts: list[list[int]]) -> list[int]:
    """What all prompts begin with and read on from, if it pays to read that apart."""
    first = min(prompts)
    last = max(prompts)
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    shared = [token for token, _ in pairs][: min(map(len, prompts)) - 1]
    return shared if len(prompts) > 1 and len(shared) >= HEADER else []


def group_rows(rows: Iterable[AnswerRow], largest: int) -> deque[list[AnswerRow]]:
    """Rows of the same prompt together, at most `largest` of them.

    The longest prompts come first, so that the last rows to join are the shortest.
    """
    together: dict[tuple[int, ...], list[AnswerRow]] = {}
    for row in rows:
        together.setdefault(tuple(row.prompt), []).append(row)
    parts = [
        group[start : start + largest]
        for group in together.values()
        for start in range(0, len(group), largest)
    ]
    return deque(sorted(parts, key=lambda group: -len(group[0].prompt)))


def next_groups(waiting: deque[list[AnswerRow]], free: int) -> list[list[AnswerRow]]:
    """Take prompts of about the same length that can be read at once and whose samples find a free row."""
    taken: list[list[AnswerRow]] = []
    while waiting and len(waiting[0]) <= free:
        shorter = len(waiting[0][0].prompt)
        longest = len(taken[0][0].prompt) if taken else 0
        if taken and (shorter < ALIKE * longest or (len(taken) + 1) * longest > READ):
            break
        free -= len(waiting[0])
        taken.append(waiting.popleft())
    return taken
