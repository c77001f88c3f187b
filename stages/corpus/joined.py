"""Joined: a teacher's corpus and what a mentor said besides."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from stages.records.completion import Completion
from stages.text.formats import rationale_of


def wording(row: Completion) -> tuple[str, str | None]:
    """What makes a completion the same as another one of its question: white space tells none apart.

    Differs: RFT takes two rationales for the same that compute the same equations (difference 60).
    """
    return " ".join(rationale_of(row).split()), row.answer


def joined(
    taught: Mapping[str, list[Completion]],
    own: Mapping[str, list[Completion]],
    questions: Iterable[str],
    counts: Counter[str],
) -> Iterator[Completion]:
    """The teacher's completions of each question, then those of the mentor's that nobody said before; their
    samples are numbered on. `counts`: "teacher", "mentor" and "said_already".
    """
    for question in questions:
        rows = taught.get(question, [])
        counts["teacher"] += len(rows)
        yield from rows
        said = set(map(wording, rows))
        after = max((row.sample for row in rows), default=-1) + 1
        for row in own.get(question, []):
            words = wording(row)
            counts["said_already" if words in said else "mentor"] += 1
            if words not in said:
                said.add(words)
                yield replace(row, sample=after + row.sample)
