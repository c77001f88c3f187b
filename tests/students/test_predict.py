"""Asking: steps that continue each sample."""

from importlib import import_module

import pytest

from stages.config.decoding import Decoding
from stages.predict import answer_all
from stages.records.example import Example
from stages.students.load import load

EXAMPLES = [Example(f"made-{i}", "made", f"Question {i}?", str(i), "number") for i in range(3)]


@pytest.mark.parametrize("samples", [1, 2])
def test_two_steps_continue_each_sample(random_student, samples: int) -> None:
    method = import_module("stages.methods.zero_shot_cot")
    decoding = Decoding(max_new_tokens=6, samples=samples, temperature=1.0 if samples > 1 else 0.0)
    rows = answer_all(
        load(random_student("llama")), method, method.Settings(), EXAMPLES, "", decoding, "small", "selected"
    )
    assert [(row.example_id, row.sample) for row in rows] == [
        (f"made-{i}", s) for i in range(3) for s in range(samples)
    ]
    for row in rows:
        assert len(row.prompts) == len(row.texts) == len(row.finish_reasons) == 2
        assert row.prompts[1] == f"{row.prompts[0]}{row.texts[0].rstrip()}\nTherefore, the answer is"
        assert row.usage["out"] <= 12
    if samples > 1:
        assert any(a.texts[0] != b.texts[0] for a, b in zip(rows[::2], rows[1::2], strict=True))
