"""Errors as servers word them: what concerns one prompt, what concerns all, what nobody knows; and the
responses of other servers than OpenAI's.
"""

import asyncio
import json
import math
from typing import Any

import pytest

from stages.asking.request import Request
from stages.config.endpoint import Endpoint
from stages.config.load import check
from stages.endpoint.batch_files import line_outcome
from stages.endpoint.calls import Caller, error_outcome, error_text
from stages.endpoint.content import Malformed
from stages.endpoint.http import request_path
from stages.endpoint.responses import read_answers


def outcome_of(status: int, body: object) -> Any:
    return error_outcome(status, {}, error_text(body if isinstance(body, str) else json.dumps(body)))


def said(message: str, code: object = None, kind: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code}}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, said('Your chosen model requires moderation and your input was flagged for "violence".', 403)),
        (400, said("Invalid prompt: your prompt was flagged as potentially violating our usage policy.")),
        (400, said("Input data may contain inappropriate content.", "data_inspection_failed")),
        (400, said("系统检测到输入或生成内容可能包含不安全或敏感内容", "1301")),
        (400, said("Content Exists Risk", None, "invalid_request_error")),
        (403, {"code": "The caller does not have permission", "error": "Content violates usage guidelines."}),
        (400, said("Violated guardrail policy", "400", "invalid_request_error")),
        (451, said("Unavailable for legal reasons")),
        (400, said("This request has been blocked by Llama Guard: S1 violent crimes")),
        (400, said("RECITATION: the response was blocked")),
        (400, said("input or output text contains toxic language")),
        (400, said("Sorry, the input violates our terms of use")),
    ],
)
def test_refused_prompts(status: int, body: object) -> None:
    outcome = outcome_of(status, body)
    assert (outcome.kind, outcome.stop, outcome.again, outcome.billed) == ("refused", False, False, False)
    assert outcome.message


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, said("request (4390 tokens) exceeds the available context size (4096 tokens)", 400)),
        (400, said("the request exceeds the available context size. try increasing the context size")),
        (500, said("Context size has been exceeded.", 500, "server_error")),
        (
            400,
            {
                "object": "error",
                "message": "The input (9000 tokens) is longer than the model's context length.",
            },
        ),
        (
            400,
            {"message": "The prompt (length 9000) is longer than the maximum model length of 4096."},
        ),
        (400, {"message": "The prompt (total length 25938) is too long to fit into the model", "code": 400}),
        (400, said("This model's maximum context length is 4096 tokens.", "context_length_exceeded")),
        (400, said("prompt is too long: 210000 tokens > 200000 maximum", None, "invalid_request_error")),
        (400, said("Input is too long for requested model.")),
        (
            400,
            [said("The input token count (9000) exceeds the maximum number of tokens (4096).", 400)],
        ),
        (422, {"error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 1361"}),
        (422, said("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097.")),
        (413, "<html><head><title>413 Request Entity Too Large</title></head></html>"),
        (400, said("input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000")),
        (400, said("Range of input length should be [1, 30720]", "InvalidParameter")),
        (400, said("The sequence length 5000 is longer than the maximum sequence length 4096")),
        (400, said("prompt tokens limit exceeded")),
        (400, said("输入长度超过模型限制")),
    ],
)
def test_prompts_that_are_too_long(status: int, body: object) -> None:
    outcome = outcome_of(status, body)
    assert (outcome.kind, outcome.stop, outcome.again) == ("too_long", False, False)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, said("Unsupported parameter: 'max_tokens' is not supported with this model.")),
        (400, said("Unsupported value: 'temperature' does not support 0.7 with this model.")),
        (400, said("Only one completion choice is allowed", 400)),
        (401, said("Incorrect API key provided")),
        (403, said("Your account has been flagged for violating our usage policies.")),
        (400, said("This organization is suspended for prohibited use.")),
        (402, said("Insufficient credits. Add more using your account", 402)),
        (403, said("This key has no permission for the model")),
        (404, said("No endpoints found that support the requested parameters", 404)),
        (403, said("Project does not have access to model")),
        (400, said("invalid model ID")),
        (422, {"detail": [{"loc": ["body", "top_k"], "msg": "extra fields not permitted"}]}),
    ],
)
def test_what_concerns_all(status: int, body: object) -> None:
    outcome = outcome_of(status, body)
    assert (outcome.kind, outcome.stop, outcome.unsure) == (f"http_{status}", True, False)


@pytest.mark.parametrize("status", [400, 403, 422])
def test_what_nobody_knows(status: int) -> None:
    outcome = outcome_of(status, said("Bad request"))
    assert (outcome.kind, outcome.stop, outcome.unsure) == (f"http_{status}", True, True)


def response(content: object, reason: object = "stop", **message: object) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content, **message}, "finish_reason": reason}]}


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ([{"type": "text", "text": "2 + 3"}, {"type": "text", "text": " = 5"}], "2 + 3 = 5", ""),
        (
            [
                {"type": "thinking", "thinking": [{"text": "hm"}]},
                {"type": "text", "text": "5"},
            ],
            "5",
            "hm",
        ),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "5"}], "5", "hm"),
        ([{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "5"}], "5", "hm"),
        ([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "5"}], "5", "hm"),
        ([{"type": "reasoning", "summary": [{"text": "hm"}]}, {"text": "5"}], "5", "hm"),
        ([{"text": "hm", "thought": True}, {"text": "5"}], "5", "hm"),
        ([{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "5"}], "5", ""),
        (["2 + 3", " = 5"], "2 + 3 = 5", ""),
        ({"type": "text", "text": "5"}, "5", ""),
        ([{"type": "text", "text": {"value": "5"}}], "5", ""),
        ([{"type": "text", "content": "5"}], "5", ""),
        ("<think>\n9, or 7.\n</think>\n\n 2 + 3 = 5.", "2 + 3 = 5.", "9, or 7."),
        ("<think>9, or 7, hm", "", "9, or 7, hm"),
        ("hm, 9</think>5", "5", "hm, 9"),
        (" 5.", " 5.", ""),
    ],
)
def test_parts_and_thoughts(content: object, text: str, reasoning: str) -> None:
    answer = read_answers(response(content), [0])[0]
    assert (answer.text, answer.reasoning) == (text, reasoning)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        (None, "unknown"),
        ("COMPLETE", "stop"),
        ("end_of_turn", "stop"),
        ("stop_token", "stop"),
        ("FINISH_REASON_STOP", "stop"),
        ("FINISH_REASON_MAX_TOKENS", "length"),
        ("max_new_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
    ],
)
def test_finish_reasons(given: object, reason: str) -> None:
    assert read_answers(response("5", given), [0])[0].finish_reason == reason


@pytest.mark.parametrize("text", ["", " 2 + "])
@pytest.mark.parametrize(
    "choice",
    [
        *({"finish_reason": reason} for reason in ("error", "abort", "cancelled", "FAILED", "timeout")),
        {"finish_reason": "insufficient_system_resource"},
        {"finish_reason": "MALFORMED_FUNCTION_CALL"},
        {"finish_reason": "stop", "error": {"code": 502}},
        {"finish_reason": None, "native_finish_reason": "error"},
    ],
)
def test_the_failure_of_a_provider_is_no_answer(text: str, choice: dict[str, object]) -> None:
    with pytest.raises(Malformed, match="the provider failed"):
        read_answers({"choices": [{"message": {"content": text}, **choice}]}, [0])


def test_a_refusal_in_a_part() -> None:
    answer = read_answers(response([{"type": "refusal", "refusal": "I cannot."}]), [0])[0]
    assert (answer.text, answer.finish_reason) == ("I cannot.", "refusal")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_log_probabilities_that_are_no_numbers_are_no_score(value: float) -> None:
    for given in (
        {"content": [{"token": "5", "logprob": value}]},
        {"tokens": ["5"], "token_logprobs": [value]},
    ):
        payload = response("5")
        payload["choices"][0]["logprobs"] = given
        assert read_answers(payload, [0])[0].logprobs is None


def test_lines_of_a_batch() -> None:
    """An error without a body is told; a status as text is a status: what it brings is paid."""
    failed = {
        "response": {"status_code": 400, "body": None},
        "error": {"message": "The file is odd", "code": "x"},
    }
    assert "The file is odd" in line_outcome(failed, [0], ()).message
    answered = {"response": {"status_code": "200", "body": response("5")}}
    assert line_outcome(answered, [0], ()).answers[0].text == "5"


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("127.0.0.1:8000/v1", "no address of a server"),
        ("", "no address of a server"),
        ("file:///etc/passwd", "no address of a server"),
        ("http:///v1", "no address of a server"),
        ("https://one.example/v1?api-key=abc", "`api-key` in the address"),
        ("https://one.example/v1?sig=abc", "`sig` in the address"),
    ],
)
def test_addresses_that_are_none(address: str, wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted) as caught:
        check("endpoints.e", {"base_url": address}, Endpoint)
    assert "abc" not in str(caught.value)


def test_a_query_stays_at_the_end() -> None:
    """Azure's ?api-version=..."""
    endpoint = Endpoint(base_url="http://localhost:1/v1?api-version=1")

    async def where() -> str:
        async with Caller("e", endpoint) as caller:
            return caller.url + request_path(Request("chat", "m", "p")) + caller.query

    assert asyncio.run(where()) == "http://localhost:1/v1/chat/completions?api-version=1"
