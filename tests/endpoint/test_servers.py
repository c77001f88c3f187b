"""What servers do otherwise than OpenAI, one test for each row of the table in docs/teachers.md: one of six
questions meets it, at the local server, and the other five are answered whatever comes of it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from api_server import Remote, serve
from conftest import ROOT
from live_calls import KEY, ask, asking, questions
from pages import table_rows

from stages.asking.conversation import completions
from stages.asking.store import Store
from stages.endpoint import live

ODD = "What is 2 + 1?"  # which question meets it


class Met(NamedTuple):
    """What a server sends to the odd question, and what is made of it."""

    body: Any
    text: str | None = None  # the answer's; None: none comes
    status: int = 200
    reason: str = "stop"
    reasoning: str = ""
    failed: str = ""  # kind of the failure
    stops: str = ""  # what the run says that it stops with
    first: int | None = None  # how often it is sent so, before the server answers as usual; None: always
    samples: int = 1
    calls: int | None = None  # how often the odd question is asked
    tokens: int | None = 5  # of the answer


def choice(content: Any, reason: str = "stop", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": content, **message}
    choices = [{"index": 0, "message": said, "finish_reason": reason}]
    return {
        "id": "x",
        "model": "m",
        "choices": choices,
        "usage": {"prompt_tokens": 9, "completion_tokens": 5},
    }


def error(message: str, code: object = None, kind: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


USUAL = "usual"  # as the server answers when nothing is odd
THINKING = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
    {"type": "text", "text": " 3."},
]
FLAGGED = 'Your chosen model requires moderation and your input was flagged for "violence".'
FILTERED = "The response was filtered due to the prompt triggering the content management policy."
LONG = "The decoder prompt (length 9000) is longer than the maximum model length of 4096."
MET: dict[tuple[str, str], Met] = {
    ("OpenRouter", "200 with an `error` in place of the choices"): Met(
        error("Provider returned error", 429), USUAL, first=1, calls=2
    ),
    ("OpenRouter", "a choice whose finish reason is `error`"): Met(
        choice(" 2 + ", "error"), USUAL, first=1, calls=2
    ),
    ("OpenRouter", "403, the input was flagged"): Met(error(FLAGGED, 403), status=403, failed="refused"),
    ("OpenRouter", "402, no credit"): Met(
        error("Insufficient credits.", 402), status=402, stops="Insufficient credits"
    ),
    ("Azure", "`?api-version=` in `base_url`"): Met(choice(" 3."), " 3."),
    ("Azure", "400 `content_filter` for a prompt"): Met(
        error(FILTERED, "content_filter"), "", status=400, reason="content_filter", tokens=None
    ),
    ("Anthropic-compatible", "529, overloaded"): Met(
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        USUAL,
        status=529,
        first=1,
        calls=2,
    ),
    ("Anthropic-compatible", "`end_turn`, `max_tokens` as finish reasons"): Met(
        choice(" 3", "max_tokens"), " 3", reason="length"
    ),
    ("Anthropic-compatible", "content as parts, some of them `thinking`"): Met(
        choice(THINKING, "end_turn"), " 3.", reasoning="hm"
    ),
    ("Anthropic-compatible", "400, `prompt is too long`"): Met(
        error("prompt is too long: 210000 tokens > 200000 maximum", None, "invalid_request_error"),
        status=400,
        failed="too_long",
    ),
    ("Gemini-compatible", "an error within a list"): Met(
        [error("The input token count (9000) exceeds the maximum number of tokens allowed (4096).", 400)],
        status=400,
        failed="too_long",
    ),
    ("Gemini-compatible", "`MAX_TOKENS`, `SAFETY` in capitals"): Met(
        choice(" 3", "SAFETY"), " 3", reason="content_filter"
    ),
    ("vLLM", "`reasoning` or `reasoning_content`, no content"): Met(
        choice(None, "length", reasoning_content="hm"), "", reason="length", reasoning="hm"
    ),
    ("vLLM", "an error that is not under `error`"): Met(
        {"object": "error", "message": LONG, "type": "BadRequestError", "code": 400},
        status=400,
        failed="too_long",
    ),
    ("SGLang", "`longer than the model's context length`"): Met(
        {"object": "error", "message": "The input (9000 tokens) is longer than the model's context length."},
        status=400,
        failed="too_long",
    ),
    ("llama.cpp", "503, `Loading model`"): Met(
        error("Loading model", 503, "unavailable_error"), USUAL, status=503, first=3, calls=4
    ),
    ("llama.cpp", "500, `Context size has been exceeded.`"): Met(
        error("Context size has been exceeded.", 500, "server_error"), status=500, failed="too_long"
    ),
    ("llama.cpp", "400, `Only one completion choice is allowed`"): Met(
        error("Only one completion choice is allowed", 400),
        status=400,
        samples=2,
        stops="samples_per_request: 1",
    ),
    ("Ollama", "`n` is not heeded: one choice comes"): Met(choice(" 3."), " 3.", samples=3, calls=3),
    ("Ollama", "`<think>` within the text"): Met(choice("<think>\nhm\n</think>\n\n3."), "3.", reasoning="hm"),
    ("transformers serve", "the stop mark is left in the text"): Met(choice(" 3.\nQ: And"), " 3."),
    ("transformers serve", "no `usage`"): Met({**choice(" 3."), "usage": None}, " 3.", tokens=None),
}


@pytest.fixture(scope="module")
def running() -> Iterator[Remote]:
    with serve(key=KEY, words=8) as server:
        yield server


@pytest.fixture
def server(running: Remote, monkeypatch: pytest.MonkeyPatch) -> Remote:
    running.reset()
    monkeypatch.setenv("LOCAL_KEY", KEY)
    monkeypatch.delenv("COT_MODE", raising=False)
    monkeypatch.setattr(live, "pause", lambda attempt: 0.0)
    monkeypatch.setattr("stages.endpoint.calls.LOADING_PAUSE", 0.0)
    return running


def test_the_table_has_a_test_for_each_row() -> None:
    rows = table_rows(ROOT / "docs" / "teachers.md")
    servers = {server for server, _ in MET}
    shown = [(row[0], row[1]) for row in rows if row[0] in servers]
    assert shown == [(name, what.strip("`")) for name, what in MET]


@pytest.mark.parametrize(("server_name", "what"), MET)
def test_what_a_server_does_otherwise(server: Remote, tmp_path: Path, server_name: str, what: str) -> None:
    met = MET[server_name, what]
    fault: dict[str, Any] = {"fault": "raw", "text": json.dumps(met.body), "status": met.status, "match": ODD}
    server.script([fault if met.first is None else {**fault, "first": met.first}])
    store, examples = Store(tmp_path / "store.sqlite"), questions(6)
    how = asking(samples=met.samples, stop=("\nQ:",))
    more = {"samples_per_request": met.samples}
    if server_name == "Azure":
        more["base_url"] = f"{server.url}?api-version=1"
    if met.stops:
        with pytest.raises(ValueError, match=met.stops):
            ask(server, store, examples, how, prices={}, **more)
        return
    failed = ask(server, store, examples, how, prices={}, **more)
    assert list(failed.values()) == [met.failed] * bool(met.failed)
    rows = {row.example_id: row for row in completions(examples, how, store.answers)}
    assert len(rows) == 6 - bool(met.failed)
    odd_key = how.request(how.next_prompt(examples[2], []) or "").key
    answers = store.answers(odd_key)
    assert len(answers) == (met.samples if met.text is not None else 0)
    for answer in answers.values():
        assert answer.finish_reason == met.reason
        assert answer.reasoning == met.reasoning
        if met.text != USUAL:
            assert (answer.text, answer.tokens_out) == (met.text, met.tokens)
    asked = [call for call in server.calls("/chat/completions") if ODD in json.dumps(call["body"])]
    assert len(asked) == (met.calls or 1)
