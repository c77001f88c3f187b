"""What was trained, said back word for word, is read with its own answer: for every method that reasons in
one text, over rationales that hold the marks of all of them.
"""

import random
from importlib import import_module

import pytest

from stages.records.completion import Completion
from stages.records.example import Example
from stages.render import read_back
from stages.text.answers import is_correct, read_answer

EXAMPLE = Example("made-0", "made", "How many?", "12", "number")
PIECES = [
    "It is 3.",
    "Step 1 --> step 2.",
    "-->",
    "OPEN ON WEEKENDS: 11 hours.",
    "END",
    "One might say: So the answer is: 11. But no.",
    "Therefore, the answer is 11. No!",
    "\n\n",
    "So 5 + 7 = 12.",
]
METHODS = [
    ("fine_tune_cot", {"format": "paper"}),
    ("fine_tune_cot", {"format": "decoder_release"}),
    ("fine_tune_cot", {"format": "encdec_release"}),
    ("scotd", {"format": "paper"}),
    ("scotd", {"format": "released"}),
    ("std_cot", {}),
    ("weight_aligned", {}),
]


def heard(text: str, stops: list[str]) -> str:
    """As stages/students/stopping.py hears it: up to the first stop mark."""
    return text[: min((text.find(mark) for mark in stops if mark in text), default=len(text))]


@pytest.mark.parametrize(("name", "chosen"), METHODS)
def test_what_was_trained_is_read_with_its_own_answer(name: str, chosen: dict[str, str]) -> None:
    method = import_module(f"stages.methods.{name}")
    settings = method.Settings(**chosen)
    rng = random.Random(0)
    kept = left_out = 0
    for _ in range(300):
        reason = " ".join(rng.choices(PIECES, k=rng.randrange(1, 4))).strip() or "So."
        said = Completion("made-0", 0, ["p", "p"], [reason, " 12"], ["stop", "stop"], "t", "")
        for sequence in method.render(EXAMPLE, [said], settings):
            text = "".join(segment.text for segment in sequence.segments if segment.task)
            found = read_answer(
                heard(text, method.stops(settings)), method.answer_prefix(settings), "number"
            ).strict
            if read_back(sequence, method, settings):
                kept += 1
                assert is_correct(found, "12", "number"), text
            else:
                left_out += 1
    assert kept
    assert left_out
