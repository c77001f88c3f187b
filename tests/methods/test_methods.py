"""Methods: the texts of the papers and of their released code, and that what is asked is how what was trained
begins.
"""

import re
from collections import Counter
from dataclasses import replace
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from conftest import ROOT
from curated import render

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import END, Sequence
from stages.text.formats import parse_demonstrations, rationale_of

EXAMPLE = Example("made-0", "made", " How many legs have two cats? ", "8", "number")
CHOICE = Example(
    "pick-0", "pick", "Which flies? Answer Choices: (A) cat (B) bat", "B", "choice", ["cat", "bat"]
)
SAID = [
    Completion(
        "made-0",
        0,
        ["p"],
        [" A cat has 4 legs. 2 * 4 = 8. ", " 8."],
        ["stop", "stop"],
        "teacher",
        "",
        answer="8",
    ),
    Completion(
        "made-0", 1, ["p"], ["Four and four make eight.\n", "8"], ["stop", "stop"], "teacher", "", answer="8"
    ),
]
WRONG = Completion("made-0", 2, ["p"], ["Three legs each.", "6"], ["stop", "stop"], "teacher", "", answer="6")
MUTE = Completion("made-0", 3, ["p"], ["The answer is 8."], ["stop"], "teacher", "he answer is", answer="8")
SHOTS = "Q: one?\nA: 1 is one. The answer is 1.\n\n"
METHODS = sorted(
    path.stem
    for path in Path(import_module("stages.methods").__path__[0]).glob("*.py")
    if path.stem != "__init__"
)
TRAINED = [name for name in METHODS if import_module(f"stages.methods.{name}").TASKS]
PROMPT, RELEASED = "Q: How many legs have two cats?\nA:", "Q:How many legs have two cats?\n\nA:"
REASON = "A cat has 4 legs. 2 * 4 = 8."


def load(name: str, **settings: object):
    method = import_module(f"stages.methods.{name}")
    return method, method.Settings(**settings)


def said_for(name: str) -> list[Completion]:
    more = {"scott": [WRONG], "edit": [WRONG, replace(WRONG, sample=4)]}
    return SAID[:1] if name == "greedy_cot" else [*SAID, *more.get(name, [])]


def variants(name: str) -> list[dict[str, object]]:
    """Every combination of the named choices of a method's settings."""
    fields = import_module(f"stages.methods.{name}").Settings.model_fields
    options = {key: get_args(field.annotation) for key, field in fields.items() if get_args(field.annotation)}
    options |= {key: (True, False) for key, field in fields.items() if field.annotation is bool}
    return [dict(zip(options, values, strict=True)) for values in product(*options.values())]


CASES = [(name, chosen) for name in METHODS for chosen in variants(name)]


def joined(segments) -> str:
    """The text as a model reads it: END where an end-of-text token stands inside."""
    return "".join(segment.text + (END if segment.end else "") for segment in segments)


def shape(sequence: Sequence) -> list[tuple[str, str | None, float]]:
    return [(segment.text, segment.task, segment.weight) for segment in sequence.segments]


@pytest.mark.parametrize(
    ("name", "form", "prompt", "target"),
    [
        (
            "fine_tune_cot",
            "paper",
            "How many legs have two cats?###",
            "A cat has 4 legs. 2 * 4 = 8. --> 8END",
        ),
        (
            "fine_tune_cot",
            "gpt3_release",
            " How many legs have two cats? \n\n###\n\n",
            "  A cat has 4 legs. 2 * 4 = 8. \n\n-->\n\n8 END",
        ),
        (
            "fine_tune_cot",
            "decoder_release",
            "How many legs have two cats? ###",
            " A cat has 4 legs. 2 * 4 = 8. --> 8 END",
        ),
        (
            "fine_tune_cot",
            "encdec_release",
            "How many legs have two cats?",
            "A cat has 4 legs. 2 * 4 = 8. --> 8",
        ),
        ("fine_tune", "paper", "How many legs have two cats?###", "8END"),
        ("fine_tune", "gpt3_release", " How many legs have two cats? \n\n ### \n\n", " 8 END"),
        ("fine_tune", "encdec_release", "How many legs have two cats?", "8"),
        ("answer_sft", "paper", PROMPT, " 8"),
        ("answer_sft", "cascod_release", RELEASED, "8"),
        ("answer_sft", "scotd_release", f"{PROMPT} ", "8\n\n"),
        ("std_cot", "paper", PROMPT, f" {REASON} Therefore, the answer is 8."),
        ("std_cot", "released", RELEASED, f"{REASON} Therefore, the answer is 8."),
        ("scotd", "paper", PROMPT, f" {REASON} So the answer is: 8"),
        ("scotd", "released", f"{PROMPT} ", f"{REASON} So the answer is: 8\n\n"),
        ("greedy_cot", "paper", PROMPT, f" {REASON} So the answer is: 8"),
        ("greedy_cot", "released", f"{PROMPT} ", f"{REASON} So the answer is: 8\n\n"),
    ],
)
def test_one_text_one_task(name: str, form: str, prompt: str, target: str) -> None:
    method, settings = load(name, format=form)
    first = method.render(EXAMPLE, said_for(name), settings)[0]
    assert shape(first) == [(prompt, None, 1.0), (target, method.TASKS[0], 1.0)]


@pytest.mark.parametrize(
    ("name", "form", "wanted"),
    [
        ("step_by_step", "paper", [
            [(f"{PROMPT} [Rationale]", None, 1.0), (f" {REASON}", "rationale", 0.7)],
            [(f"{PROMPT} [Answer]", None, 1.0), (" 8", "answer", 0.3)],
        ]),
        ("step_by_step", "released", [
            [(f"{RELEASED}\nRationale:", None, 1.0), (REASON, "rationale", 0.7)],
            [(f"{RELEASED}\nAnswer:", None, 1.0), (" 8.", "answer", 0.3)],
        ]),
        ("mt_cot", "paper", [
            [(f"{PROMPT} [Rationale]", None, 1.0), (f" {REASON} Therefore, the answer is 8.", "cot", 0.7)],
            [(f"{PROMPT} [Answer]", None, 1.0), (" 8", "answer", 0.3)],
        ]),
        ("mt_cot", "released", [
            [(f"{RELEASED}\n[Explanation Generation]:", None, 1.0),
             (f"{REASON} Therefore, the answer is 8.", "cot", 0.7)],
            [(f"{RELEASED}\n[Answer Prediction]:", None, 1.0), (" 8.", "answer", 0.3)],
        ]),
        ("cascod", "paper", [
            [(f"{PROMPT} [Rationale]", None, 1.0), (f" {REASON}", "rationale", 0.7)],
            [(f"{PROMPT} [Rationale] {REASON}\n[Answer]", None, 1.0), (" 8", "answer", 0.3)],
        ]),
        ("cascod", "released", [
            [(f"{RELEASED}Rationale:", None, 1.0), (REASON, "rationale", 0.7)],
            [(f"{RELEASED}Rationale:{REASON}\nTherefore, the answer is", None, 1.0), (" 8.", "answer", 0.3)],
        ]),
        ("weight_aligned", "paper", [[(PROMPT, None, 1.0), (f" {REASON}", "rationale", 0.7),
         (" Therefore, the answer is 8.", "answer", 0.3)]]),
        ("weight_aligned", "released", [[(RELEASED, None, 1.0), (REASON, "rationale", 0.7),
         (" Therefore, the answer is 8.", "answer", 0.3)]]),
        ("all_aligned", "paper", [
            [(f"{PROMPT} [Rationale]", None, 1.0), (f" {REASON}", "rationale", 0.7),
             ("\n[Answer]", None, 1.0), (" 8", "answer", 0.3)]
        ]),
        ("scott", "paper", [
            [(f"[Factual] {PROMPT}", None, 1.0), (f" {REASON} Therefore, the answer is 8.", "cot", 0.7)],
            [(f"[Counterfactual] {PROMPT} Three legs each. Therefore, the answer is", None, 1.0),
             (" 6.", "counterfactual", 0.3)],
        ]),
        ("scott", "cascod_release", [
            [(f"[Factual] {RELEASED}", None, 1.0), (f"{REASON} Therefore, the answer is 8.", "cot", 0.7)],
            [(f"[Counterfactual] {RELEASED}Three legs each.\nTherefore, the answer is", None, 1.0),
             (" 6.", "counterfactual", 0.3)],
        ]),
        ("scott", "scott_release", [
            [("[factual] How many legs have two cats?", None, 1.0),
             (f" [factual] {REASON} So the answer is 8", "cot", 0.7)],
            [
                (
                    "[counterfactual] How many legs have two cats? [counterfactual] Three legs each. So the"
                    " answer is", None, 1.0,
                ),
                (" 6", "counterfactual", 0.3),
            ],
        ]),
    ],
)  # fmt: skip
def test_several_tasks(name: str, form: str, wanted: list) -> None:
    method, settings = load(name, format=form)
    sequences = method.render(EXAMPLE, [SAID[0], *([WRONG] if name == "scott" else [])], settings)
    assert [shape(sequence) for sequence in sequences] == wanted
    assert len({sequence.unit for sequence in sequences}) == 1  # trained in one step
    ends = [segment.end for sequence in sequences for segment in sequence.segments]
    assert ends == ([False, True, False, False] if name == "all_aligned" else [False] * len(ends))


def test_alpha_is_the_answers_weight() -> None:
    for name in TRAINED:
        method = import_module(f"stages.methods.{name}")
        if "alpha" in method.Settings.model_fields:
            sequences = method.render(EXAMPLE, said_for(name), method.Settings(alpha=0.9))
            weights = {
                segment.task: segment.weight
                for sequence in sequences
                for segment in sequence.segments
                if segment.task
            }
            # 1 - 0.9 is 0.1, not 0.09999999999999998
            assert weights == dict(zip(method.TASKS, (0.1, 0.9), strict=True))


@pytest.mark.parametrize("name", ["fine_tune", "fine_tune_cot"])
def test_prompt_weight_makes_the_question_a_task(name: str) -> None:
    method, settings = load(name, prompt_weight=0.01)
    plain = method.render(EXAMPLE, SAID, method.Settings())
    for with_prompt, without in zip(method.render(EXAMPLE, SAID, settings), plain, strict=True):
        assert shape(with_prompt)[0] == ("How many legs have two cats?###", "prompt", 0.01)
        assert shape(with_prompt)[1:] == shape(without)[1:]


def test_an_unmasked_prefix_is_trained_with_the_answer() -> None:
    method, settings = load("all_aligned", mask_prefix=False)
    assert [segment.task for segment in method.render(EXAMPLE, SAID, settings)[0].segments] == [
        None,
        "rationale",
        "answer",
        "answer",
    ]


def test_choices_are_answered_in_parentheses() -> None:
    said = [Completion("pick-0", 0, ["p"], ["Bats fly.", "(B)"], ["stop", "stop"], "t", "", answer="B")]
    ends = {
        "std_cot": " Bats fly. Therefore, the answer is (B).",
        "scotd": " Bats fly. So the answer is: (B)",
        "cascod": " (B)",
        "answer_sft": " (B)",
    }
    for name, target in ends.items():
        method, settings = load(name)
        assert method.render(CHOICE, said, settings)[-1].segments[-1].text == target


def test_teachers_label_may_be_wrong() -> None:
    none = Completion(
        "made-0", 4, ["p"], ["Who knows.", "nobody"], ["stop", "stop"], "teacher", "", answer=None
    )
    said = [SAID[0], WRONG, none]
    for name, targets in {
        "scotd": [f" {REASON} So the answer is: 8", " Three legs each. So the answer is: 6"],
        "answer_sft": [" 8", " 6"],
    }.items():
        method, settings = load(name, label="teacher")
        assert [sequence.segments[-1].text for sequence in method.render(EXAMPLE, said, settings)] == targets
    method, settings = load("greedy_cot", label="teacher")
    assert (
        method.render(EXAMPLE, [WRONG], settings)[0].segments[-1].text
        == " Three legs each. So the answer is: 6"
    )
    assert method.render(EXAMPLE, [none], settings) == []


def test_draws_are_marked() -> None:
    for name, settings, drawn in [
        ("scotd", {}, False), ("scotd", {"per_epoch": "one"}, True),
        ("answer_sft", {"label": "teacher"}, True), ("answer_sft", {}, False),
    ]:  # fmt: skip
        method, chosen = load(name, **settings)
        assert {sequence.draw for sequence in method.render(EXAMPLE, SAID, chosen)} == {drawn}


def test_greedy_cot_refuses_samples() -> None:
    method, settings = load("greedy_cot")
    with pytest.raises(
        ValueError, match="made-0 has 2 completions, wanted 1: ask a teacher with `temperature: 0`"
    ):
        method.render(EXAMPLE, SAID, settings)


def test_scott_pairs_right_and_wrong() -> None:
    method, settings = load("scott")
    none = Completion(
        "made-0", 5, ["p"], ["Who knows.", "nobody"], ["stop", "stop"], "teacher", "", answer=None
    )
    sequences = method.render(EXAMPLE, [WRONG, SAID[0], none, SAID[1]], settings)
    assert [(s.unit, s.segments[-1].task) for s in sequences] == [
        ("0", "cot"),
        ("0", "counterfactual"),
        ("1", "cot"),
    ]


@pytest.mark.parametrize("name", [name for name in TRAINED if name not in ("fine_tune", "answer_sft")])
def test_completions_that_only_answer_are_left_out(name: str) -> None:
    method, settings = load(name)
    assert method.render(EXAMPLE, [MUTE], settings) == []


@pytest.mark.parametrize(
    ("text", "prefix", "reasoning"),
    [
        (" A cat has 4. Two have 8. So the answer is 8.\n", "he answer is", "A cat has 4. Two have 8."),
        ("The answer is 7? No. The answer is 8.", "he answer is", "The answer is 7? No."),
        (
            "Is it 7? Therefore, the answer is 7. No! Therefore, the answer is 8.",
            "Therefore, the answer is",
            "Is it 7? Therefore, the answer is 7. No!",
        ),
        ("The answer is 8.", "he answer is", ""),
        ("4 + 4 = 8.", "he answer is", "4 + 4 = 8."),
    ],
)
def test_a_rationale_does_not_give_the_answer_twice(text: str, prefix: str, reasoning: str) -> None:
    """The rationale ends at the last answer prefix: what stands before an earlier one is part of it."""
    said = [Completion("made-0", 0, ["p"], [text], ["stop"], "teacher", prefix)]
    method, settings = load("fine_tune_cot")
    trained = [sequence.segments[1].text for sequence in method.render(EXAMPLE, said, settings)]
    assert trained == ([f"{reasoning} --> 8END"] if reasoning else [])
    assert rationale_of(said[0]) == reasoning


@pytest.mark.parametrize(
    ("name", "prompts"),
    [
        ("zero_shot", ["Q: How many legs have two cats?"]),
        (
            "zero_shot_cot",
            [
                "Q: How many legs have two cats?\nA: Let's think step by step.",
                (
                    "Q: How many legs have two cats?\nA: Let's think step by step. said 0\nTherefore, the"
                    " answer is"
                ),
            ],
        ),
        ("few_shot", ["Q: one?\nA: The answer is 1.\n\nQ: How many legs have two cats?\nA:"]),
        ("few_shot_cot", ["Q: one?\nA: 1 is one. The answer is 1.\n\nQ: How many legs have two cats?\nA:"]),
        (
            "chat_cot",
            [
                "How many legs have two cats?\n\nThink step by step. Then end with one last line that begins"
                ' with "Answer:" and gives the number alone, in digits.'
            ],
        ),
        (
            "few_shot_chat_cot",
            [
                "Question: one?\n\n1 is one.\nAnswer: 1\n\nQuestion: How many legs have two cats?\n\nThink"
                ' step by step. Then end with one last line that begins with "Answer:" and gives the number'
                " alone, in digits."
            ],
        ),
        (
            "reasoning_cot",
            [
                "How many legs have two cats?\n\nEnd your reply with one last line that begins with"
                ' "Answer:" and gives the number alone, in digits.'
            ],
        ),
        (
            "cascod_teacher",
            [
                'Answer the following questions. Your response should conclude with the format "Therefore,'
                " the answer is\".\n\nQ: one?\nA: Let's think step by step. 1 is one. Therefore, the answer"
                " is 1.\n\nQ: How many legs have two cats?\nA: Let's think step by step."
            ],
        ),
        ("fine_tune", ["How many legs have two cats?###"]),
        ("fine_tune_cot", ["How many legs have two cats?###"]),
        ("step_by_step", [f"{PROMPT} [Answer]"]),
        ("cascod", [f"{PROMPT} [Rationale]", f"{PROMPT} [Rationale] said 0\n[Answer]"]),
        ("all_aligned", [f"{PROMPT} [Rationale]", f"{PROMPT} [Rationale] said 0{END}\n[Answer]"]),
        ("scott", [f"[Factual] {PROMPT}"]),
        ("in_context", ["Q: one?\nA: 1 is one. So the answer is: 1\n\nQ: How many legs have two cats?\nA:"]),
    ],
)
def test_asked_prompts(name: str, prompts: list[str]) -> None:
    method, settings = load(name)
    texts: list[str] = []
    asked = []
    while (prompt := method.ask(EXAMPLE, texts, settings, SHOTS)) is not None:
        asked.append(prompt)
        texts.append(f" said {len(texts)} ")
    assert asked == prompts


def trained_after(prompt: str, sequences: list[Sequence]) -> str | None:
    """What a sequence trains the student to say next, up to its end, where one begins with exactly this
    prompt.
    """
    for sequence in sequences:
        for place in range(1, len(sequence.segments)):
            if joined(sequence.segments[:place]) == prompt:
                said = []
                for segment in sequence.segments[place:]:
                    assert segment.task, (prompt, sequence)
                    said.append(segment.text)
                    if segment.end:
                        break
                return "".join(said)
    return None


@pytest.mark.parametrize(("name", "chosen"), [case for case in CASES if case[0] in TRAINED])
def test_every_asked_prompt_is_a_prefix_of_what_was_trained(name: str, chosen: dict[str, object]) -> None:
    """For each format, each trained completion, each step: prompt, then trained text, end of a segment; the
    last text holds the gold answer.
    """
    method, settings = load(name, **chosen)
    rendered = method.render(EXAMPLE, said_for(name), settings)
    units = {
        sequence.unit
        for sequence in rendered
        if "counterfactual" not in [segment.task for segment in sequence.segments]
    }
    once = (
        name in ("fine_tune", "greedy_cot")
        or chosen.get("rationales") is False
        or (name == "answer_sft" and chosen["label"] == "gold")
    )
    assert len(units) == (1 if once else 2)
    for unit in units:
        sequences, said = [sequence for sequence in rendered if sequence.unit == unit], []
        while (prompt := method.ask(EXAMPLE, said, settings, "")) is not None:
            said.append(trained_after(prompt, sequences))
            assert said[-1] is not None, (prompt, sequences)
        assert len(said) == (2 if name in ("cascod", "all_aligned") or chosen.get("explain") else 1)
        prefix, answered = method.answer_prefix(settings), said[-1]
        assert prefix in answered
        assert (
            answered.rpartition(prefix)[2].strip(" .\n").removesuffix("END").strip() == "8"
            if prefix
            else "8" in answered
        )
        assert all(stop in answered for stop in method.stops(settings))


def sums(count: int, samples: int = 2) -> tuple[list[Example], list[Completion]]:
    """Questions of two tasks that take turns, each with so many rationales."""
    examples = [
        Example(
            f"made-{row}", "made", f"What is {row} + 1?", str(row + 1), "number", subtask=f"task_{row % 2}"
        )
        for row in range(count)
    ]
    said = [
        Completion(
            f"made-{row}",
            sample,
            ["p"],
            [f"Way {sample}: after {row} comes {row + 1}.", f"{row + 1}"],
            ["stop"] * 2,
            "t",
            "",
        )
        for row in range(count)
        for sample in range(samples)
    ]
    return examples, said


def in_context_texts(**settings: object) -> dict[tuple[str, str], tuple[str, str]]:
    """{(example, sample): (prompt, target)} of 20 questions, 16 of them for training."""
    method, chosen = load("in_context", **settings)
    examples, said = sums(20)
    ids = [example.id for example in examples]
    rendered = render(
        method, chosen, examples, {"train": ids[:16], "validation": ids[16:18], "test": ids[18:]}, said
    )
    assert [sequence.part for sequence in rendered] == ["train"] * (32 if chosen.rationales else 16) + [
        "validation"
    ] * (4 if chosen.rationales else 2)
    assert {shape(sequence)[1][1:] for sequence in rendered} == {("cot", 1.0)}
    return {(s.example_id, s.unit): (s.segments[0].text, s.segments[1].text) for s in rendered}


def test_in_context_shows_other_train_questions_of_the_task() -> None:
    for (name, _), (prompt, target) in in_context_texts(shots=4).items():
        row = int(name.removeprefix("made-"))
        *shown, asked = prompt.split("\n\n")
        assert asked == f"Q: What is {row} + 1?\nA:"
        assert target.endswith(f" after {row} comes {row + 1}. So the answer is: {row + 1}")
        others = [int(re.search(r"What is (\d+) \+", text).group(1)) for text in shown]
        assert len({*others, row}) == 5
        # of the train part and of the same task
        assert all(other < 16 and other % 2 == row % 2 for other in others)
        for text, other in zip(shown, others, strict=True):
            assert re.fullmatch(
                rf"Q: What is {other} \+ 1\?\nA: Way [01]: after {other} comes {other + 1}\. So the answer"
                rf" is: {other + 1}",
                text,
            )


def test_what_in_context_asks_is_a_prefix_of_what_it_trained() -> None:
    """The demonstrations of a trained text, given as a dataset's demonstrations, make its prompt again; with
    another mark they still do.
    """
    method, settings = load("in_context", shots=4)
    examples = {example.id: example for example in sums(20)[0]}
    for (name, _), (prompt, target) in in_context_texts(shots=4).items():
        demonstrations = prompt.rpartition("Q: ")[0]
        assert method.ask(examples[name], [], settings, demonstrations) == prompt
        assert (
            method.ask(
                examples[name],
                [],
                settings,
                re.sub(r"So the answer is: (\d+)", r"The answer is \1.", demonstrations),
            )
            == prompt
        )
        assert method.ask(examples[name], [target], settings, demonstrations) is None


def test_in_context_draws() -> None:
    """Rationales of a question see different demonstrations; the draws depend on the seed and not on the
    order of the rows.
    """
    texts = in_context_texts(shots=4)
    assert sum(texts[name, "0"][0] != texts[name, "1"][0] for name, _ in texts) > len(texts) * 3 / 4
    assert in_context_texts(shots=4, seed=1) != texts
    method, settings = load("in_context", shots=4)
    examples, said = sums(20)
    corpus = {example.id: [row for row in said if row.example_id == example.id] for example in examples}
    train = {example.id for example in examples[:16]}
    backwards = method.render_all(examples[:18][::-1], corpus, train, settings)
    assert {(s.example_id, s.unit): (s.segments[0].text, s.segments[1].text) for s in backwards} == texts
    shown = Counter(text for prompt, _ in texts.values() for text in prompt.split("\n\n")[:-1])
    assert len(shown) == 32  # every train completion is shown somewhere


def test_in_context_without_rationales() -> None:
    for (name, _), (prompt, target) in in_context_texts(shots=4, rationales=False).items():
        row = int(name.removeprefix("made-"))
        assert target == f" {row + 1}"
        assert re.fullmatch(rf"(Q: What is \d+ \+ 1\?\nA: \d+\n\n){{4}}Q: What is {row} \+ 1\?\nA:", prompt)
    method, settings = load("in_context", rationales=False)
    assert method.ask(EXAMPLE, [], settings, f"Count.\n\n{SHOTS}") == f"Count.\n\nQ: one?\nA: 1\n\n{PROMPT}"
    assert method.answer_prefix(settings) == ""


def test_in_context_with_too_few_questions() -> None:
    method, settings = load("in_context", shots=8)
    examples, said = sums(16)
    parts = {"train": [example.id for example in examples], "validation": [], "test": []}
    with pytest.raises(
        ValueError, match="in_context: made-0: 7 other train questions with a rationale, wanted 8 to show"
    ):
        render(method, settings, examples, parts, said)
    assert len(render(method, load("in_context", shots=7)[1], examples, parts, said)) == 32


@pytest.mark.parametrize(("name", "chosen"), [case for case in CASES if case[0] in TRAINED])
def test_where_the_blank_stands(name: str, chosen: dict[str, object]) -> None:
    """No prompt of ours ends in white space; the released forms that do are named. No text changes when it is
    cut and joined.
    """
    method, settings = load(name, **chosen)
    spaced = chosen.get("format") in ("gpt3_release", "scotd_release") or (
        name in ("scotd", "greedy_cot") and chosen["format"] == "released"
    )
    for sequence in method.render(EXAMPLE, said_for(name), settings):
        context = next(place for place, segment in enumerate(sequence.segments) if segment.task)
        assert context > 0  # an encoder has something to read
        assert joined(sequence.segments[:context])[-1:].isspace() == spaced


@pytest.mark.parametrize("name", TRAINED)
def test_tokens_do_not_span_prompt_and_target(name: str) -> None:
    """In the papers' forms a byte-level BPE cuts at the same place whether it sees prompt and target apart or
    together.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(ROOT / "students/tiny/tokenizer.json"))
    method, settings = load(name)
    for sequence in method.render(EXAMPLE, said_for(name), settings):
        texts = [segment.text for segment in sequence.segments]
        apart = [token for text in texts for token in tokenizer.encode(text, add_special_tokens=False).ids]
        assert apart == tokenizer.encode("".join(texts), add_special_tokens=False).ids


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_learns_from(name: str) -> None:
    method, settings = load(name)
    with_teacher, without = (
        bool(method.render(EXAMPLE, said_for(name), settings)),
        bool(method.render(EXAMPLE, [], settings)),
    )
    assert {"nothing": (False, False), "answers": (True, True), "rationales": (True, False)}[
        method.LEARNS_FROM
    ] == (with_teacher, without)
    assert (method.TASKS == ()) == (method.LEARNS_FROM == "nothing")
    tasks = {
        segment.task
        for sequence in method.render(EXAMPLE, said_for(name), settings)
        for segment in sequence.segments
        if segment.task
    }
    assert tasks == set(method.TASKS)


@pytest.mark.parametrize("name", ["few_shot", "few_shot_cot", "cascod_teacher"])
def test_few_shot_without_demonstrations_says_what_to_do(name: str) -> None:
    method, settings = load(name)
    with pytest.raises(
        ValueError, match=rf"{name}: made has no demonstrations: write stages/datasets/made\.txt"
    ):
        method.ask(EXAMPLE, [], settings, "\n")


@pytest.mark.parametrize(
    ("text", "description", "shots"),
    [
        (SHOTS, "", [("one?", "1 is one.", "1.")]),
        ("Count.\n\nQ: one?\nB?\nA: So the answer is: (E)\n", "Count.", [("one?\nB?", "", "(E)")]),
        (
            "Count.\nDown.\n\nMore.\n\nQ: a\nA: Let.\nThe answer is 1? No, so the answer is 2.",
            "Count.\nDown.\n\nMore.",
            [
                ("a", "Let.\nThe answer is 1? No, so", "2."),
            ],
        ),
        (
            "Q: a\nA: x. Therefore, the answer is 1.\n\n\nQ: b\nA: y. Thus the answer is 2.",
            "",
            [("a", "x.", "1."), ("b", "y.", "2.")],
        ),
    ],
)
def test_demonstrations_are_taken_apart(text: str, description: str, shots: list) -> None:
    assert parse_demonstrations(text, "few_shot", EXAMPLE) == (description, shots)


@pytest.mark.parametrize(
    "text", ["Q: one?", "Q: one?\nA: just one", "Q: a\nA: The answer is 1.\n\nQ: b\nA: 2"]
)
def test_odd_demonstrations_are_named(text: str) -> None:
    with pytest.raises(
        ValueError,
        match=r"few_shot: demonstration of made: wanted 'Q: \.\.\. A: \.\.\. the answer is \.\.\.', got 'Q: ",
    ):
        parse_demonstrations(text, "few_shot", EXAMPLE)


BBH = "github/suzgunmirac/BIG-Bench-Hard/9ee07bd481feebf959a6b59d61ea57bdcf30964d/cot-prompts"
CASCOD = "github/C-W-D/CasCoD/3468d154df1620e577ea03137ec50b7afb746feb/dataset/bbh/cot-prompts"


def test_cascods_teacher_prompts_are_reproduced(mirror: Path) -> None:
    """From BIG-Bench Hard's files: all that CasCoD released, byte for byte, but two that its authors changed
    by hand.
    """
    from stages.parsing.demonstrations import demonstrations_text

    method, settings = load("cascod_teacher")
    question = Example("bbh-0", "bbh", "{QUESTION}", "1", "number")
    other = []
    for released in sorted((mirror / CASCOD).glob("*.txt")):
        shown = demonstrations_text("bbh", released.name, mirror / BBH)
        if method.ask(question, [], settings, shown) != released.read_text():
            other.append(released.stem)
    assert len(list((mirror / CASCOD).glob("*.txt"))) == 27
    assert other == ["boolean_expressions", "ruin_names"]  # "A: A:" and a word lost; a sentence lost
    shown = demonstrations_text("bbh", "ruin_names.txt", mirror / CASCOD)
    assert method.ask(question, [], settings, shown) == (mirror / CASCOD / "ruin_names.txt").read_text()
