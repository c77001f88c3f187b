"""Released files with several samples a question: what the teacher of Mentor-KD said (EMNLP 2024, the
repository 2hojae/mentor-kd), six raw ones a question, or the three right ones that its authors kept; and what
the mentor that learned from these said, right or wrong.

Its options stand in an order of their own: they are matched by text, and the letters in what was said are
put into the example's order.
"""

import re
from pathlib import Path

from stages.parsing.fields import field, rows_with_place
from stages.parsing.released import ReleasedAnswer, letters_and_digits
from stages.text.gold import LETTERS

LISTED = re.compile(r"\s*(?:Which choice is true\s*\?)?\s*Answer choices:\s*", re.IGNORECASE)
OPTION = re.compile(r"\([A-Z]\)\s*(.*?)(?=,?\s*\([A-Z]\)|\.?\s*$)", re.DOTALL)


def stem_and_options(question: str) -> tuple[str, list[str]]:
    """What is asked, and the option texts in their order; [] where there are none."""
    stem, *listed = LISTED.split(question, maxsplit=1)
    return stem, [letters_and_digits(text) for text in OPTION.findall(listed[0])] if listed else []


def sample_key(question: str) -> str:
    """What a question and its row have in common, in whatever order the options stand."""
    stem, options = stem_and_options(question)
    return "|".join([letters_and_digits(stem), *sorted(options)])


def read_samples(path: Path) -> list[ReleasedAnswer]:
    """{instruction, output: [texts]}, or {input, chain, answer} for one sample with its answer beside it. In
    a mentor's rows that is `completion`, and `answer` the gold one.
    """
    answered = []
    for number, (where, row) in enumerate(rows_with_place(path), 1):
        origin = f"mentor-kd {path.name} row {number}"
        if "output" in row:
            question = field(row, "instruction", where, str).strip()
            steps = [[("\nA:", f" {text.strip()}")] for text in field(row, "output", where, list)]
        else:
            question = field(row, "input", where, str).strip()
            own = "completion" if "completion" in row else "answer"
            chain, answer = (field(row, name, where, str).strip() for name in ("chain", own))
            steps = [[("\nA:", f" {chain}"), ("\nTherefore, the answer is", f" {answer}.")]]
        answered += [ReleasedAnswer(question, said, origin) for said in steps]
    return answered


def in_our_letters(answered: ReleasedAnswer, question: str) -> ReleasedAnswer:
    """The same with the letters that its options have in `question`, which has the same options."""
    theirs, ours = (stem_and_options(text)[1] for text in (answered.question, question))
    letters = {LETTERS[place]: LETTERS[ours.index(text)] for place, text in enumerate(theirs)}
    if not letters:
        return answered

    def renamed(found: re.Match[str]) -> str:
        return f"({letters[found[1]]})" if found[1] in letters else found[0]

    steps = [(asked, re.sub(r"\(([A-Z])\)", renamed, text)) for asked, text in answered.steps]
    asked, last = steps[-1]
    if bare := re.fullmatch(r" ([A-Z])\.", last):  # the answer beside a chain
        steps[-1] = (asked, f" {letters.get(bare[1], bare[1])}.")
    return answered._replace(question=question, steps=steps)
