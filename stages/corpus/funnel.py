"""The funnel of a corpus: how many completions went in, what removed how many of them, and what came out.

Counts are added up question by question: a million completions need not fit into memory.
"""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import fmean

from stages.records.completion import UNKNOWN, Completion
from stages.records.example import Example

# The histogram of words: the width of a bar, and where the last one starts (512 tokens are about 400 words).
BAR = 20
LAST_BAR = 400
TOKENS = ("in", "out", "cached")


@dataclass
class Rows:
    """Completions and their questions."""

    count: int = 0
    questions: int = 0
    cut: int = 0  # at the teacher's length limit, refused or lost
    told: bool = False  # does any row tell why it ended?

    def add(self, rows: list[Completion]) -> None:
        """One question's."""
        self.count += len(rows)
        self.questions += bool(rows)
        self.cut += sum(not row.finished for row in rows)
        self.told = self.told or any(reason != UNKNOWN for row in rows for reason in row.finish_reasons)

    @property
    def unfinished(self) -> int | None:
        """None where no row tells why it ended: released files do not."""
        return None if self.count and not self.told else self.cut


def row_counts(listed: int, before: Rows, after: Rows, removed: Mapping[str, int]) -> dict[str, object]:
    """Rows and questions in and out; `removed` adds up to rows_in - rows_out."""
    return {
        "rows_in": before.count,
        "rows_in_unfinished": before.unfinished,
        "rows_out": after.count,
        "removed": dict(removed),
        "questions_listed": listed,
        "questions_in": before.questions,
        "questions_out": after.questions,
    }


def questions_below_budget(sizes: Counter[int], listed: int, key: str, budget: int | None) -> int:
    """How many of the listed questions have fewer completions than the budget, the curation's `key`, asks
    for. `sizes`: how many questions have so many completions, one at least.

    Raises ValueError if all have fewer: the budget would be a wrong label.
    """
    sizes = sizes + Counter({0: listed - sizes.total()})
    short = sum(questions for size, questions in sizes.items() if size < (budget or 0))
    if short and short == listed:
        raise ValueError(
            f"{key} is {budget}, but the teacher gave at most {max(sizes)} completions a question"
        )
    return short


def is_paid_first(row: Completion, seen: set[bytes]) -> bool:
    """Whether none of the rows that came before holds the very answers of this one; `seen` is what they left.

    Two questions with the same text share answers that were paid once.
    """
    if not row.steps:
        return True
    answers = repr([(step.key, step.sample) for step in row.steps])
    short = hashlib.blake2b(answers.encode(), digest_size=16).digest()
    first = short not in seen
    seen.add(short)
    return first


@dataclass
class Asked:
    """What was asked for, with the tokens of each paid answer once."""

    completions: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    told: bool = False
    seen: set[bytes] = field(default_factory=set)

    def add(self, rows: Iterable[Completion]) -> None:
        for row in rows:
            self.completions += 1
            if is_paid_first(row, self.seen) and row.usage is not None:
                self.told = True
                self.tokens.update(row.usage)

    def token_counts(self) -> dict[str, int | None]:
        """{"tokens_in", "tokens_out", "tokens_cached"} of the rows that report them; None if none does."""
        return {f"tokens_{kind}": self.tokens[kind] if self.told else None for kind in TOKENS}


def length_summary(values: Counter[int]) -> dict[str, float]:
    """Mean, median and 90th percentile (interpolated between neighbours), of one value at least.

    `values`: how often each occurs.
    """
    ordered = sorted(values)
    ends = list(accumulate(values[value] for value in ordered))

    def at(rank: int) -> int:
        return ordered[bisect_right(ends, rank)]

    count = values.total()
    middle = at(count // 2) if count % 2 else (at(count // 2 - 1) + at(count // 2)) / 2
    below, tenths = divmod(9 * (count - 1), 10)
    p90 = (at(below) * (10 - tenths) + at(below + 1) * tenths) / 10 if count > 1 else at(0)
    return {"mean": round(fmean(values, values.values()), 4), "median": middle, "p90": round(p90, 4)}


@dataclass
class Corpus:
    """What a curated part holds: completions a question, how many are right, and how long they are.

    SCOTT wants wrong ones too, and `label: teacher` trains on none that is without an answer.
    """

    rows: Rows = field(default_factory=Rows)
    each: Counter[int] = field(default_factory=Counter)  # how many questions have so many completions
    right: int = 0
    unanswered: int = 0
    rationalised: int = 0
    counterfactual: int = 0
    words: Counter[int] = field(default_factory=Counter)  # how many completions have so many
    characters: Counter[int] = field(default_factory=Counter)
    tokens: Counter[int] = field(default_factory=Counter)  # of those whose tokens were told

    def add(self, rows: list[Completion], example: Example) -> None:
        """One question's."""
        self.rows.add(rows)
        if rows:
            self.each[len(rows)] += 1
        for row in rows:
            self.right += row.answer == example.answer
            self.unanswered += row.answer is None
            self.rationalised += row.rationalised
            self.counterfactual += row.given is not None
            self.words[sum(len(text.split()) for text in row.texts)] += 1
            self.characters[sum(len(text.strip()) for text in row.texts)] += 1
            if row.usage:
                self.tokens[row.usage["out"]] += 1

    def counts(self) -> dict[str, object]:
        each = self.each
        per_question = each and {
            "mean": round(fmean(each, each.values()), 4),
            "fewest": min(each),
            "most": max(each),
        }
        return {
            "completions_per_question": per_question or None,
            "right": self.right,
            "wrong": self.rows.count - self.right - self.unanswered,
            "without_answer": self.unanswered,
            "unfinished": self.rows.unfinished,
            "length": self.lengths(),
            # rows whose teacher had been shown the gold answer, where there are some
            **({"rationalised": self.rationalised} if self.rationalised else {}),
            # of the wrong ones, those whose teacher was told to argue for a wrong answer
            **({"counterfactual": self.counterfactual} if self.counterfactual else {}),
        }

    def lengths(self) -> dict[str, object]:
        """Words and characters of a completion over all its steps (Fine-tune-CoT Figure 7). Its tokens, as
        the model counts them, where all are told.

        They are measured as a student's are (stages/results/metrics.py). `words_from` is a histogram in steps
        of 20 words, without its empty ones: so many rows have so many words or up to 19 more; "400" is open.
        """
        if not self.words:
            return {}
        bars: Counter[int] = Counter()
        for number, rows in self.words.items():
            bars[min(number // BAR * BAR, LAST_BAR)] += rows
        return {
            "words": length_summary(self.words),
            "characters": length_summary(self.characters),
            **({"tokens": length_summary(self.tokens)} if self.tokens.total() == self.rows.count else {}),
            "words_from": {f"{start:03}": bars[start] for start in sorted(bars)},
        }
