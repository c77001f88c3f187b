"""Asking a student: steps that continue each sample, and the same draws as plain calls of the decoder."""

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from stages.asking.local import from_memory
from stages.config.decoding import Decoding
from stages.methods import fine_tune_cot
from stages.predict import predictions, student_asking
from stages.records.completion import Completion
from stages.records.example import Example
from stages.students.decode import decode
from stages.students.load import Loaded, load

# two with one text: their draws are their own
EXAMPLES = [
    Example(f"made-{i}", "made", question, str(i), "number")
    for i, question in enumerate(["2 + 3?", "How many?", "2 + 3?", "A longer question, which is it?"])
]
TINY = Path(__file__).resolve().parents[2] / "students" / "tiny"


def ask(loaded: Loaded, method: ModuleType, decoding: Decoding) -> list[Completion]:
    asking = student_asking(
        {"api": "transformers", "model": "small"}, method, method.Settings(), "", decoding
    )
    return predictions("small", "selected", EXAMPLES, asking, from_memory(lambda: loaded, decoding, "test"))


@pytest.mark.parametrize("samples", [1, 2])
def test_two_steps_continue_each_sample(random_student, samples: int) -> None:
    method = import_module("stages.methods.zero_shot_cot")
    decoding = Decoding(max_new_tokens=6, samples=samples, temperature=1.0 if samples > 1 else 0.0)
    rows = ask(load(random_student("llama")), method, decoding)
    assert [(row.example_id, row.sample) for row in rows] == [
        (example.id, s) for example in EXAMPLES for s in range(samples)
    ]
    for row in rows:
        assert len(row.prompts) == len(row.texts) == len(row.finish_reasons) == 2
        assert row.prompts[1] == f"{row.prompts[0]}{row.texts[0].rstrip()}\nTherefore, the answer is"
        assert row.usage["out"] <= 12
        assert (row.steps, row.paid) == ((), False)
    if samples > 1:
        assert any(a.texts[0] != b.texts[0] for a, b in zip(rows[::2], rows[1::2], strict=True))


@pytest.mark.parametrize("name", ["cascod", "fine_tune_cot"])
@pytest.mark.parametrize(("samples", "temperature"), [(1, 0.0), (1, 0.7), (8, 0.3)])
def test_each_step_is_one_call_of_the_decoder(name: str, samples: int, temperature: float) -> None:
    """The reference: all first prompts with all samples at once, then each sample's own second prompt, in
    order. At a low temperature samples coincide, and go on to draws of their own.
    """
    method, loaded = import_module(f"stages.methods.{name}"), load(TINY)
    decoding = Decoding(max_new_tokens=6, samples=samples, temperature=temperature, seed=4)
    marks = method.stops(method.Settings())

    def prompts(texts: list[list[str]]) -> list[str]:
        per_example = len(texts) // len(EXAMPLES)
        asked = [
            method.ask(EXAMPLES[place // per_example], said, method.Settings(), "")
            for place, said in enumerate(texts)
        ]
        return [prompt for prompt in asked if prompt is not None]

    first = decode(loaded, prompts([[] for _ in EXAMPLES]), marks, decoding, "test")
    said = [[answer.text] for found in first for answer in found]
    if second := prompts(said):
        single = decoding.model_copy(update={"samples": 1})
        found = decode(loaded, second, marks, single, "test")
        said = [[*texts, answer.text] for texts, (answer,) in zip(said, found, strict=True)]
    assert [row.texts for row in ask(loaded, method, decoding)] == said
    if samples > 1:
        assert len({texts[0] for texts in said}) < len(said)


@pytest.mark.parametrize(
    ("decoding", "told"),
    [
        (Decoding(), {}),
        (Decoding(temperature=0.6), {}),
        (Decoding(temperature=0.6, top_p=0.95), {"top_p": 0.95}),
        (Decoding(temperature=0.6, top_p=0.95, top_k=20), {"top_p": 0.95, "extra": {"top_k": 20}}),
    ],
)
def test_an_endpoint_is_told_how_to_draw(decoding: Decoding, told: dict[str, object]) -> None:
    """And where nothing is said the request keeps its key."""
    place = {"api": "chat", "model": "m", "endpoint": "here"}
    asking = student_asking(place, fine_tune_cot, fine_tune_cot.Settings(), "", decoding)
    body = json.loads(asking.request("q").body)
    assert {name: body[name] for name in ("top_p", "extra") if name in body} == told
