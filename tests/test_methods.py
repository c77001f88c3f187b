"""Methods: the texts of the paper and of its released code, and that what is asked is how what was trained begins."""

from importlib import import_module
from pathlib import Path

import pytest

from stages.formats import FORMATS
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence
from stages.render import render

EXAMPLE = Example("made-0", "made", " How many legs have two cats? ", "8", "number")
SAID = [
    Completion("made-0", 0, ["p"], [" A cat has 4 legs. 2 * 4 = 8. ", " 8."], ["stop", "stop"], "teacher", ""),
    Completion("made-0", 1, ["p"], ["Four and four make eight.\n", "8"], ["stop", "stop"], "teacher", ""),
]
METHODS = sorted(path.stem for path in Path(import_module("stages.methods").__path__[0]).glob("*.py") if path.stem != "__init__")


def load(name: str, **settings: str):
    method = import_module(f"stages.methods.{name}")
    return method, method.Settings(**settings)


def joined(segments) -> str:
    return "".join(segment.text for segment in segments)


@pytest.mark.parametrize(
    ("name", "form", "prompt", "target"),
    [
        ("fine_tune_cot", "paper", "How many legs have two cats?###", "A cat has 4 legs. 2 * 4 = 8. --> 8END"),
        ("fine_tune_cot", "gpt3_release", " How many legs have two cats? \n\n###\n\n", "  A cat has 4 legs. 2 * 4 = 8. \n\n-->\n\n8 END"),
        ("fine_tune_cot", "decoder_release", "How many legs have two cats? ###", " A cat has 4 legs. 2 * 4 = 8. --> 8 END"),
        ("fine_tune_cot", "encdec_release", "How many legs have two cats?", "A cat has 4 legs. 2 * 4 = 8. --> 8"),
        ("fine_tune", "paper", "How many legs have two cats?###", "8END"),
        ("fine_tune", "gpt3_release", " How many legs have two cats? \n\n ### \n\n", " 8 END"),
        ("fine_tune", "encdec_release", "How many legs have two cats?", "8"),
    ],
)
def test_trained_text(name: str, form: str, prompt: str, target: str) -> None:
    method, settings = load(name, format=form)
    first = method.render(EXAMPLE, SAID, settings)[0]
    assert [segment.text for segment in first] == [prompt, target]
    assert [segment.task is None for segment in first] == [True, False]


@pytest.mark.parametrize(
    ("text", "prefix", "reasoning"),
    [
        (" A cat has 4. Two have 8. So the answer is 8.\n", "he answer is", "A cat has 4. Two have 8."),
        ("The answer is 7? No. The answer is 8.", "he answer is", "The answer is 7? No."),
        ("The answer is 8.", "he answer is", ""),
        ("4 + 4 = 8.", "he answer is", "4 + 4 = 8."),
    ],
)
def test_a_rationale_does_not_give_the_answer_twice(text: str, prefix: str, reasoning: str) -> None:
    method, settings = load("fine_tune_cot")
    said = [Completion("made-0", 0, ["p"], [text], ["stop"], "teacher", prefix)]
    assert method.render(EXAMPLE, said, settings)[0][1].text == f"{reasoning} --> 8END"


@pytest.mark.parametrize(
    ("name", "prompts"),
    [
        ("zero_shot", ["Q: How many legs have two cats?"]),
        (
            "zero_shot_cot",
            [
                "Q: How many legs have two cats?\nA: Let's think step by step.",
                "Q: How many legs have two cats?\nA: Let's think step by step. said 0\nTherefore, the answer is",
            ],
        ),
        ("few_shot_cot", ["Q: one?\nA: 1. The answer is 1.\n\nQ: How many legs have two cats?\nA:"]),
        ("fine_tune", ["How many legs have two cats?###"]),
        ("fine_tune_cot", ["How many legs have two cats?###"]),
    ],
)
def test_asked_prompts(name: str, prompts: list[str]) -> None:
    method, settings = load(name)
    texts: list[str] = []
    asked = []
    while (prompt := method.ask(EXAMPLE, texts, settings, "Q: one?\nA: 1. The answer is 1.\n\n")) is not None:
        asked.append(prompt)
        texts.append(f" said {len(texts)} ")
    assert asked == prompts


@pytest.mark.parametrize("name", METHODS)
def test_every_asked_prompt_is_a_prefix_of_what_was_trained(name: str) -> None:
    """For each format, each trained text, each step: the earlier steps' texts are those that the training text has."""
    method = import_module(f"stages.methods.{name}")
    forms = FORMATS if "format" in method.Settings.model_fields else [None]
    for form in forms:
        settings = method.Settings(**({"format": form} if form else {}))
        for segments in method.render(EXAMPLE, SAID, settings):
            text, said = joined(segments), [segment.text for segment in segments if segment.task]
            prompt, step = method.ask(EXAMPLE, [], settings, ""), 0
            while prompt is not None:
                assert text.startswith(prompt), (name, form, prompt, text)
                assert text[len(prompt) :].startswith(said[step])
                step += 1
                prompt = method.ask(EXAMPLE, said[:step], settings, "")
            assert step == len(said)
            assert method.answer_prefix(settings) in joined(segments)
            assert all(stop in said[-1] for stop in method.stops(settings))


@pytest.mark.parametrize("name", METHODS)
def test_asking_only_methods_train_nothing_and_say_so(name: str) -> None:
    method, settings = load(name)
    with_teacher, without = bool(method.render(EXAMPLE, SAID, settings)), bool(method.render(EXAMPLE, [], settings))
    assert {"nothing": (False, False), "answers": (True, True), "rationales": (True, False)}[method.LEARNS_FROM] == (with_teacher, without)


def test_few_shot_without_demonstrations_says_what_to_do() -> None:
    method, settings = load("few_shot_cot")
    with pytest.raises(ValueError, match=r"made has no demonstrations: write stages/prompts/made\.txt"):
        method.ask(EXAMPLE, [], settings, "\n")


def test_render_takes_train_and_validation_only_and_one_text_per_completion() -> None:
    examples = [Example(f"made-{i}", "made", f"Question {i}?", str(i), "number") for i in range(4)]
    said = [Completion(f"made-{i}", s, ["p"], [f"r{i}{s}", "a"], ["stop", "stop"], "t", "") for i in range(4) for s in range(2)]
    method, settings = load("fine_tune_cot")
    parts = {"train": ["made-2", "made-0"], "validation": ["made-1"], "test": ["made-3"]}
    sequences = render(method, settings, examples, parts, said)
    assert [(s.example_id, s.part) for s in sequences] == [
        ("made-0", "train"), ("made-0", "train"), ("made-1", "validation"), ("made-1", "validation"), ("made-2", "train"), ("made-2", "train"),
    ]  # fmt: skip
    assert isinstance(sequences[0], Sequence)
    assert joined(sequences[1].segments) == "Question 0?###r01 --> 0END"
