"""Chat methods: one call, read as it states its answer, thoughts apart from the store to the corpus."""

import json
from dataclasses import replace
from typing import get_args

import pytest

from stages.asking.conversation import Answerer, Asking, ask_all, completions
from stages.asking.request import Answer
from stages.config.load import check
from stages.config.method import max_tokens_of, method_settings
from stages.endpoint.http import request_body
from stages.endpoint.responses import read_answers
from stages.methods import (
    chat_cot,
    few_shot_chat_cot,
    few_shot_cot,
    fine_tune_cot,
    reasoning_cot,
    zero_shot,
    zero_shot_cot,
)
from stages.records.completion import Completion, Reader
from stages.records.example import Example
from stages.teachers.openai import Settings, to_request
from stages.text.answer_types import ANSWER_TYPES
from stages.text.answers import reading_of
from stages.text.last_line import GIVES, last_line

EXAMPLE = Example("made-0", "made", "What is 2 + 3?", "5", "number")
BLOCK = {"backend": "openai", "endpoint": "e", "model": "m"}


def settings_of(**values: object) -> Settings:
    return check("teachers.t", {**BLOCK, **values}, Settings)


def test_every_type_of_answer_has_its_words() -> None:
    assert GIVES.keys() == ANSWER_TYPES.keys()
    few = replace(EXAMPLE, answer_type="exact", choices=["valid", "invalid"])
    assert last_line(few).endswith("gives one of: valid, invalid")
    assert last_line(replace(few, choices=None)).endswith("written as the question asks for it")


@pytest.mark.parametrize(
    ("api", "method", "max_tokens"),
    [("chat", "chat_cot", 1024), ("completions", "zero_shot_cot", 128)],
)
def test_one_call_where_one_serves(api: str, method: str, max_tokens: int) -> None:
    """A block that names no method; the papers' L_r where the method says no other."""
    settings = settings_of(api=api)
    assert settings.method == method
    module = {"chat_cot": chat_cot, "zero_shot_cot": zero_shot_cot}[method]
    assert to_request(settings, module, module.Settings())("p").max_tokens == max_tokens
    assert settings_of(api=api, method="few_shot_cot").method == "few_shot_cot"


def test_room_for_thoughts() -> None:
    assert max_tokens_of(reasoning_cot) == 16_384
    for given, wanted in ((8192, 8192), (None, None), ("auto", 16_384)):
        request = to_request(settings_of(max_tokens=given), reasoning_cot, reasoning_cot.Settings())("p")
        assert request.max_tokens == wanted


def test_sampling_of_other_servers_is_further_fields_of_the_body() -> None:
    settings = settings_of(top_p=0.9, top_k=20, min_p=0.0, temperature=0.6, extra={"seed_rule": 1})
    request = to_request(settings, chat_cot, chat_cot.Settings())("p")
    body = request_body(request, [0])
    assert (body["top_p"], body["top_k"], body["min_p"], body["seed_rule"]) == (0.9, 20, 0.0, 1)
    plain = to_request(settings_of(method="zero_shot_cot"), zero_shot_cot, zero_shot_cot.Settings())("p")
    assert json.loads(plain.body).keys() == {
        "version", "kind", "model", "prompt", "temperature", "max_tokens", "stop"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "block", "reader"),
    [
        (chat_cot, {}, "stated"),
        (few_shot_chat_cot, {}, "stated"),
        (reasoning_cot, {}, "stated"),
        (few_shot_cot, {}, "kojima"),
        (few_shot_cot, {"reader": "marked", "answer_prefix": "so"}, "marked"),
        (chat_cot, {"reader": "kojima", "system": "Be brief."}, "kojima"),
        # through a chat template, but with a mark that was trained
        (fine_tune_cot, {"format": "chat"}, "marked"),
        (fine_tune_cot, {}, "kojima"),
        (zero_shot, {"format": "chat"}, "stated"),
    ],
)
def test_a_methods_reader(method: object, block: dict[str, object], reader: Reader) -> None:
    assert method_settings("m", method, block)[1] == reader


def test_the_system_text_is_the_teachers_else_the_methods() -> None:
    how = chat_cot.Settings(system="Be brief.")
    assert to_request(settings_of(), chat_cot, how)("p").system == "Be brief."
    assert to_request(settings_of(system="Be exact."), chat_cot, how)("p").system == "Be exact."


def test_another_reader_is_refused() -> None:
    with pytest.raises(ValueError, match=r"methods\.m.*reader") as error:
        method_settings("m", chat_cot, {"reader": "strict"})
    assert all(reader in str(error.value) for reader in get_args(Reader))


def asked(method: object, message: dict[str, object], reason: str = "stop", **given: object) -> Completion:
    """What a method's one conversation comes to, if a server answers with this message."""
    how, reader = method_settings("m", method, {})
    request = to_request(settings_of(**given), method, how)
    asking = Asking(
        method, how, "", 1, request, keep_reasoning=bool(given.get("keep_reasoning")), reader=reader
    )
    kept: dict[str, dict[int, Answer]] = {}

    def fulfil(wanted):
        for want in wanted:
            payload = {"choices": [{"message": message, "finish_reason": reason}]}
            kept[want.key] = read_answers(payload, want.samples)
        return {}

    who = Answerer(lambda key: kept.get(key, {}), fulfil)
    assert not ask_all([EXAMPLE], asking, who.stored, who.fulfil)
    (row,) = completions([EXAMPLE], asking, who.stored)
    return row


@pytest.mark.parametrize(
    "message",
    [
        {"content": "Two and three.\nAnswer: 5", "reasoning_content": "6? No."},
        {"content": "Two and three.\nAnswer: 5", "reasoning": "6? No."},
        {"content": "<think>6? No.</think>\n\nTwo and three.\nAnswer: 5"},
        {"content": "6? No.</think>Two and three.\nAnswer: 5"},
    ],
)
def test_thoughts_stay_apart(message: dict[str, object]) -> None:
    row = asked(reasoning_cot, message)
    assert (row.reasoning, row.texts) == (("6? No.",), ["Two and three.\nAnswer: 5"])
    assert (row.reader, reading_of(row, EXAMPLE).strict) == ("stated", "5")


def test_a_thought_that_was_cut_says_nothing() -> None:
    row = asked(reasoning_cot, {"content": "<think>2 and 3 are"}, "length")
    assert (row.reasoning, row.texts, row.finished) == (("2 and 3 are",), [""], False)
    assert reading_of(row, EXAMPLE).strict is None


def test_reasoning_in_front_of_the_text_is_not_told_twice() -> None:
    row = asked(chat_cot, {"content": "Answer: 5", "reasoning": "6? No."}, keep_reasoning=True)
    assert (row.reasoning, row.texts) == ((), ["6? No.\nAnswer: 5"])
