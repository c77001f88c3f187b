"""Demonstrations: the text that is shown before a question. One for a whole dataset, or one under each `===
SUBTASK ===` line.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from stages.records.example import Example

MARK = re.compile(r"^=== (\S+) ===\n", re.MULTILINE)


def joined(texts: Mapping[str, str]) -> str:
    """One text for a dataset of several subtasks."""
    return "".join(f"=== {subtask} ===\n{text.strip()}\n\n" for subtask, text in texts.items())


@lru_cache(maxsize=4)  # asked for every prompt, of a text of a hundred thousand characters
def by_subtask(demonstrations: str) -> dict[str, str]:
    """Each subtask's text; {} where all questions share one."""
    before, *parts = MARK.split(demonstrations)
    return {} if before.strip() else dict(zip(parts[::2], parts[1::2], strict=True))


def demonstrations_for(example: Example, demonstrations: str) -> str:
    """What is shown before this question. Raises ValueError where the text has subtasks and the question's is
    none of them.
    """
    texts = by_subtask(demonstrations)
    if not texts:
        return demonstrations
    if example.subtask not in texts:
        raise ValueError(
            f"{example.id}: no demonstrations for its subtask {example.subtask!r}; there are:"
            f" {', '.join(texts)}"
        )
    return texts[example.subtask]
