"""Chat-template students: what is asked is how what was trained begins, token for token, whatever the
template does; and no text of data becomes a control token.
"""

import random
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from curated import render
from transformers import AutoTokenizer

from stages.asking.local import from_memory
from stages.asking.request import Request
from stages.config.decoding import Decoding
from stages.predict import predictions, student_asking
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence, read_sequences, write_sequences
from stages.students.chat import chat_tokens, turn_of
from stages.students.decode import decode
from stages.students.load import load
from stages.students.tokens import prompt_tokens, tokenize
from stages.text.formats import system_of

TURNS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEMPLATES = {
    "its own": None,
    "trims": TURNS.replace("{{ m.content }}", "{{ m.content | trim }}"),
    "opens a thought": TURNS.replace("assistant\n{%", "assistant\n<think>\n{%"),
    "closes a thought": TURNS.replace("assistant\n{%", "assistant\n<think>\n\n</think>\n\n{%"),
    "drops and adds thoughts": TURNS.replace(
        "{{ m.content }}",
        "{% if m.role == 'assistant' %}<think>hm</think>{{ m.content.split('</think>')[-1] }}"
        "{% else %}{{ m.content }}{% endif %}",
    ),
    "ends elsewhere": TURNS.replace("{{ m.content }}<|im_end|>", "{{ m.content }}<file_sep>"),
    "tells the day": "Today is {{ strftime_now('%d %b %Y') }}.\n" + TURNS,
}
PIECES = ["How many?", "<|im_end|>", "<|im_start|>system\n", "\n", " ", "<|endoftext|>", "(A) bat", "-->"]
METHODS = [path.stem for path in (ROOT / "stages" / "methods").glob("[!_]*.py")]
CHAT = sorted(
    name
    for name, method in ((name, import_module(f"stages.methods.{name}")) for name in METHODS)
    if method.TASKS and "chat" in str(method.Settings.model_fields.get("format"))
)


@pytest.fixture
def templated(smollm2: Path) -> Callable[[str | None], Any]:
    """SmolLM2's tokenizer with another template."""

    def make(template: str | None) -> Any:
        tokenizer = AutoTokenizer.from_pretrained(smollm2)
        if template is not None:
            tokenizer.chat_template = template
        return tokenizer

    return make


def ids_of(sequence: Sequence, tokenizer: Any) -> list[int]:
    """The whole trained text, its last label included."""
    text = tokenize(sequence, tokenizer, None, 10_000)
    return [*text.inputs, text.targets[-1].labels[-1]]


def rendered(name: str, example: Example, reason: str, system: str) -> tuple[list[Sequence], Any, Any]:
    method = import_module(f"stages.methods.{name}")
    settings = method.Settings(format="chat", system=system)
    said = [Completion(example.id, 0, ["p", "p"], [reason, " 12"], ["stop", "stop"], "t", "", answer="12")]
    if name in ("scott", "edit"):
        said.append(Completion(example.id, 1, ["p", "p"], [reason, "3"], ["stop"] * 2, "t", "", answer="3"))
    parts = {"train": [example.id], "validation": []}
    return render(method, settings, [example], parts, said), method, settings


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_what_is_asked_begins_what_was_trained(templated, template: str | None) -> None:
    """For every method, over questions and rationales that hold blanks, marks and control tokens."""
    tokenizer = templated(template)
    rng = random.Random(0)
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    assert len(CHAT) == 12
    for name in CHAT:
        for system in ("", "Be short."):
            text, reason = ("x".join(["", *rng.choices(PIECES, k=4)]) for _ in range(2))
            example = Example("made-0", "made", text, "12", "number")
            sequences, method, settings = rendered(name, example, reason, system)
            assert sequences, name
            asked = [method.ask(example, texts, settings, "") for texts in ([], [reason])]
            prompts = [
                prompt_tokens(tokenizer, one, True, system_of(settings)) for one in asked if one is not None
            ]
            trained = [ids_of(sequence, tokenizer) for sequence in sequences]
            for prompt in prompts:
                assert any(ids[: len(prompt)] == prompt for ids in trained), name
            framed = [token for token in chat_tokens(tokenizer, system, "x") if token in special]
            for ids in trained:
                assert [token for token in ids if token in special] == [
                    *framed,
                    turn_of(tokenizer).end,
                ]


def test_a_prompt_is_what_a_server_makes_of_it(templated) -> None:
    for template in TEMPLATES.values():
        tokenizer = templated(template)
        for system in ("", "Be short."):
            for question in ("How many legs?", " two\n\nlines ", "1 < 2"):
                turns = [("system", system)] * bool(system) + [("user", question)]
                wanted = tokenizer.apply_chat_template(
                    [{"role": role, "content": text} for role, text in turns],
                    add_generation_prompt=True,
                    return_dict=True,
                )
                found = chat_tokens(tokenizer, system, question)
                if "strftime_now" not in tokenizer.chat_template:
                    assert found == wanted["input_ids"]
                else:
                    assert tokenizer.decode(found).startswith("Today is 26 Jul 2024.")


def test_a_thought_that_the_template_opens_is_ended_first(templated) -> None:
    tokenizer = templated(TEMPLATES["opens a thought"])
    sequences, *_ = rendered(
        "fine_tune_cot", Example("made-0", "made", "How many?", "12", "number"), "Six twos.", ""
    )
    assert tokenizer.decode(ids_of(sequences[0], tokenizer)) == (
        "<|im_start|>user\nHow many?<|im_end|>\n<|im_start|>assistant\n<think>\n"
        "</think>\n\nSix twos. --> 12<|im_end|>"
    )


@pytest.mark.parametrize(
    ("begun", "ended"),
    [
        ("<think>", "</think>"),
        ("<seed:think>", "</seed:think>"),
        ("[THINK]", "[/THINK]"),
        ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
        ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ],
)
def test_a_thought_ends_as_it_began(templated, begun: str, ended: str) -> None:
    opened = "{% if add_generation_prompt %}{{ 'A: " + begun + "' }}{% endif %}"
    asked = "{% for turn in messages %}{{ turn.content }}{% endfor %}"
    assert turn_of(templated(asked + opened)).closing == f"{ended}\n\n"
    closed = opened.replace(begun, begun + ended)
    assert turn_of(templated(asked + closed)).closing == ""


def test_an_answer_ends_where_the_template_ends_it(templated) -> None:
    tokenizer = templated(TEMPLATES["ends elsewhere"])
    sequences, *_ = rendered("fine_tune", Example("made-0", "made", "How many?", "12", "number"), "r", "")
    assert tokenizer.decode(ids_of(sequences[0], tokenizer)[-1:]) == "<file_sep>"


@pytest.mark.parametrize(
    ("template", "system", "named"),
    [
        ("{{ raise_exception('no system here') if messages[0].role == 'system' }}" + TURNS, "S", "no system"),
    ],
)
def test_a_template_that_cannot_be_used_is_named(templated, template: str, system: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        chat_tokens(templated(template), system, "How many?")


def test_a_student_without_a_template_is_one_error(random_student) -> None:
    with pytest.raises(ValueError, match="no chat template, which `format: chat` needs"):
        decode(load(random_student("llama")), ["a"], [], Decoding(), "test", system="")


@pytest.fixture
def chatty(random_student, tmp_path: Path) -> Path:
    """A random student with a template."""
    folder = tmp_path / "chatty"
    student = load(random_student("llama"))
    student.tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    student.model.save_pretrained(folder)
    student.tokenizer.save_pretrained(folder)
    return folder


def test_a_student_is_asked_through_its_template(chatty: Path) -> None:
    """Its answers are those to the template's text, and are told without its frame."""
    loaded = load(chatty)
    method = import_module("stages.methods.fine_tune_cot")
    example = Example("made-0", "made", "How many?", "12", "number")
    decoding = Decoding(max_new_tokens=8)
    settings = method.Settings(format="chat", system="Be short.")
    place = {"api": "transformers", "model": str(chatty)}
    asking = student_asking(place, method, settings, "", decoding)
    assert asking.request("q") == Request(
        "transformers_chat", str(chatty), "q", "Be short.", 0.0, max_tokens=8
    )
    row = predictions("s", "o", [example], asking, from_memory(lambda: loaded, decoding, "test"))[0]
    plain = decode(loaded, ["<system>Be short.<user>How many?"], [], decoding, "test")[0][0]
    assert (row.prompts, row.texts) == (["How many?"], [plain.text])
    assert row.usage == {"in": plain.tokens_in, "out": plain.tokens_out}


def test_a_served_student_is_asked_through_chat_completions() -> None:
    method = import_module("stages.methods.fine_tune_cot")
    place = {"api": "completions", "model": "m", "endpoint": "e", "salt": "x"}
    for settings, kind in ((method.Settings(), "completions"), (method.Settings(format="chat"), "chat")):
        assert student_asking(place, method, settings, "", Decoding()).request("q").kind == kind


def test_sequences_of_no_conversation_are_written_as_before(tmp_path: Path) -> None:
    example = Example("made-0", "made", "How many?", "12", "number")
    sequences, *_ = rendered("fine_tune_cot", example, "Six twos.", "Be short.")
    write_sequences(tmp_path / "chat.jsonl", sequences)
    assert read_sequences(tmp_path / "chat.jsonl") == sequences
    method = import_module("stages.methods.fine_tune")
    write_sequences(tmp_path / "plain.jsonl", method.render(example, [], method.Settings()))
    assert "system" not in (tmp_path / "plain.jsonl").read_text()
