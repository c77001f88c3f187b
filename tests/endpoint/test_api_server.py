"""The local API server (tests/support/api_server.py), as the real `openai` client sees it."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import api_server
import openai
import pytest
from api_server import Remote, serve
from openai import AsyncOpenAI, OpenAI

KEY = "sk-local-0123456789"
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "2 + 3?"}]}


@pytest.fixture(scope="module")
def running() -> Iterator[Remote]:
    with serve(key=KEY) as server:
        yield server


@pytest.fixture
def server(running: Remote) -> Remote:
    running.reset()
    return running


@pytest.fixture
def client(server: Remote) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.url, api_key=KEY, max_retries=0, timeout=10) as client:
        yield client


def said(client: OpenAI, **more: Any) -> list[str | None]:
    return [choice.message.content for choice in client.chat.completions.create(**{**CHAT, **more}).choices]


def test_texts_are_fresh_without_a_seed_and_the_same_with_one(client: OpenAI) -> None:
    fresh = said(client) + said(client, n=3) + said(client)
    assert [text.split(")")[0].split()[1] for text in fresh if text] == ["0", "1", "2", "3", "4"]
    assert len(set(fresh)) == 5
    assert said(client, seed=1, n=2) == said(client, seed=1, n=2)
    assert said(client, seed=1) != said(client, seed=2)
    assert all(text and text.split()[-2] == "is" and text.endswith(".") for text in fresh)


def test_lengths_stops_and_usage(client: OpenAI) -> None:
    whole = client.chat.completions.create(**CHAT, seed=7)
    text = whole.choices[0].message.content or ""
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert (whole.usage.completion_tokens, whole.usage.prompt_tokens) == (
        len(text.split()),
        len("user: 2 + 3?".split()) + 3,
    )
    short = client.chat.completions.create(**CHAT, seed=7, max_tokens=5)
    assert (short.choices[0].finish_reason, short.choices[0].message.content) == (
        "length",
        " " + " ".join(text.split()[:5]),
    )
    stopped = client.chat.completions.create(**CHAT, seed=7, stop=["The answer"])
    assert (stopped.choices[0].finish_reason, stopped.choices[0].message.content) == (
        "stop",
        text.split("The answer")[0],
    )
    assert (
        stopped.system_fingerprint
        == whole.system_fingerprint
        != client.chat.completions.create(**{**CHAT, "model": "other"}).system_fingerprint
    )
    long = {**CHAT, "messages": [{"role": "user", "content": "word " * 1100}]}
    cached = [
        client.chat.completions.create(**long).usage.prompt_tokens_details.cached_tokens for _ in range(2)
    ]
    assert cached == [0, 1024]


def test_completions_and_logprobs_of_both_apis(client: OpenAI) -> None:
    legacy = client.completions.create(model="babbage-002", prompt="Q: 2 + 3?\nA:", n=2, logprobs=0)
    assert [choice.index for choice in legacy.choices] == [0, 1]
    for choice in legacy.choices:
        assert "".join(choice.logprobs.tokens) == choice.text
        assert len(choice.logprobs.token_logprobs) == len(choice.logprobs.tokens)
        assert max(choice.logprobs.token_logprobs) < 0
    chat = client.chat.completions.create(**CHAT, logprobs=True).choices[0]
    assert "".join(token.token for token in chat.logprobs.content) == chat.message.content
    assert client.completions.create(model="babbage-002", prompt="Q", seed=1).choices[0].logprobs is None


def test_a_reasoner_thinks_apart_and_its_thoughts_count(client: OpenAI) -> None:
    got = client.chat.completions.create(**{**CHAT, "model": "a-reasoner"})
    thought, text = got.choices[0].message.reasoning_content, got.choices[0].message.content
    assert got.usage.completion_tokens == len(thought.split()) + len(text.split())
    assert got.usage.completion_tokens_details.reasoning_tokens == len(thought.split())
    cut = client.chat.completions.create(**{**CHAT, "model": "a-reasoner"}, max_completion_tokens=4).choices[
        0
    ]
    assert (cut.finish_reason, cut.message.content, len(cut.message.reasoning_content.split())) == (
        "length",
        "",
        4,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"messages": "text"},
        {"messages": [{"role": "nobody", "content": "x"}]},
        {"n": 0},
        {"n": "2"},
        {"temperature": 3},
        {"max_tokens": 0},
        {"stop": list("abcde")},
        {"stream": True},
    ],
)
def test_what_the_api_does_not_take(client: OpenAI, wrong: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        client.post("/chat/completions", cast_to=object, body={**CHAT, **wrong})


def test_calls_are_recorded_and_the_key_is_not(server: Remote, client: OpenAI) -> None:
    texts = said(client, n=2)
    with (
        pytest.raises(openai.AuthenticationError),
        OpenAI(base_url=server.url, api_key="sk-wrong", max_retries=0) as stranger,
    ):
        said(stranger)
    with pytest.raises(openai.NotFoundError):
        client.get("/nowhere", cast_to=object)
    good, refused, nowhere = server.calls()
    assert (good["path"], good["body"], good["status"], good["delivered"]) == (
        "/chat/completions",
        {**CHAT, "n": 2},
        200,
        True,
    )
    assert good["texts"] == texts
    assert (refused["status"], refused["texts"], nowhere["status"], nowhere["path"]) == (
        401,
        [],
        404,
        "/nowhere",
    )
    assert (server.count(), server.count("/chat/completions"), server.count("/files")) == (3, 2, 0)
    recorded = json.dumps(server.calls())
    assert KEY not in recorded
    assert "sk-wrong" not in recorded
    server.reset()
    assert server.calls() == []


STATUSES = [
    ({"fault": 400}, openai.BadRequestError, None),
    ({"fault": 401}, openai.AuthenticationError, "invalid_api_key"),
    ({"fault": 403}, openai.PermissionDeniedError, "unsupported_country_region_territory"),
    ({"fault": 404}, openai.NotFoundError, "model_not_found"),
    ({"fault": 408}, openai.APIStatusError, None),
    ({"fault": 409}, openai.ConflictError, None),
    ({"fault": 429}, openai.RateLimitError, "rate_limit_exceeded"),
    ({"fault": "quota"}, openai.RateLimitError, "insufficient_quota"),
    ({"fault": 500}, openai.InternalServerError, None),
    ({"fault": 502}, openai.InternalServerError, None),
    ({"fault": 503}, openai.InternalServerError, "overloaded"),
    ({"fault": "context_length"}, openai.BadRequestError, "context_length_exceeded"),
    ({"fault": "content_policy"}, openai.BadRequestError, "content_filter"),
]


@pytest.mark.parametrize(("fault", "error", "code"), STATUSES, ids=lambda value: str(value))
def test_errors_are_those_of_the_api(
    server: Remote, client: OpenAI, fault: dict[str, Any], error: type[openai.APIStatusError], code: str
) -> None:
    server.script([fault | {"first": 1}])
    with pytest.raises(error) as caught:
        said(client)
    assert caught.value.code == code
    assert said(client)[0].startswith(" (sample 0 of")  # what was refused was not generated
    assert [call["status"] for call in server.calls()] == [caught.value.status_code, 200]


@pytest.mark.parametrize("fault", ["drop", "cut", "cut_body"])
def test_connections_are_cut(server: Remote, client: OpenAI, fault: str) -> None:
    server.script([{"fault": fault, "calls": [1]}])
    said(client)
    with pytest.raises(openai.APIConnectionError):
        said(client)
    # a cut answer was generated all the same
    assert said(client)[0].split()[1] == ("1" if fault == "drop" else "2")
    assert [(call["delivered"], call["status"], call["fault"]) for call in server.calls()] == [
        (True, 200, None),
        (False, None, fault),
        (True, 200, None),
    ]


def test_wrong_bodies(server: Remote, client: OpenAI) -> None:
    server.script([
        {"fault": "malformed", "calls": [0]},
        {"fault": "empty", "calls": [1]},
        {"fault": "short", "calls": [2], "choices": 2},
        {"fault": "short", "calls": [3]},
        {"fault": "filtered", "calls": [4]},
        {"fault": "say", "calls": [5], "text": "exactly this"},
    ])  # fmt: skip
    with pytest.raises(json.JSONDecodeError):
        client.chat.completions.with_raw_response.create(**CHAT).http_response.json()
    assert said(client, n=4) == []
    assert [len(said(client, n=4)), len(said(client, n=4))] == [2, 3]
    filtered = client.chat.completions.create(**CHAT).choices[0]
    assert (filtered.finish_reason, filtered.message.content) == ("content_filter", None)
    assert said(client, n=2) == ["exactly this"] * 2
    server.script([{"fault": "filtered"}])
    assert len(client.completions.create(model="m", prompt="Q").choices[0].text) == 10


def test_wrong_usage(server: Remote, client: OpenAI) -> None:
    server.script(
        [
            {"fault": "usage", "usage": what, "calls": [place]}
            for place, what in enumerate(["missing", "negative", "strings", {"odd": 1}, None])
        ]
    )
    usages = [
        client.chat.completions.with_raw_response.create(**CHAT).http_response.json().get("usage", "none")
        for _ in range(5)
    ]
    assert usages[0] == "none"
    assert usages[1]["prompt_tokens"] < 0
    assert isinstance(usages[2]["completion_tokens"], str)
    assert usages[3:] == [{"odd": 1}, None]


def test_retry_after_in_both_forms(server: Remote, client: OpenAI) -> None:
    server.script(
        [
            {"fault": 429, "retry_after": 1.5, "calls": [0]},
            {"fault": 429, "retry_after": 20, "date": True, "calls": [1]},
        ]
    )
    headers = []
    for _ in range(2):
        with pytest.raises(openai.RateLimitError) as caught:
            said(client)
        headers.append(caught.value.response.headers["retry-after"])
    assert headers[0] == "1.5"
    assert 15 <= parsedate_to_datetime(headers[1]).timestamp() - time.time() <= 20


def test_which_calls_a_fault_takes(server: Remote, client: OpenAI) -> None:
    def statuses(count: int) -> list[int]:
        got = [client.chat.completions.with_raw_response.create for _ in range(count)]
        found = []
        for create in got:
            try:
                found.append(create(**CHAT).http_response.status_code)
            except openai.APIStatusError as error:
                found.append(error.status_code)
        return found

    server.script(
        [
            {"fault": 500, "path": "/files"},
            {"fault": 503, "match": "3?", "calls": [1]},
            {"fault": 429, "first": 3},
        ]
    )
    assert statuses(5) == [429, 503, 429, 200, 200]
    server.script([{"fault": 500, "share": 0.5, "seed": 4}])
    first = statuses(40)
    server.script([{"fault": 500, "share": 0.5, "seed": 4}])
    assert statuses(40) == first
    assert 10 < first.count(500) < 30
    server.script([{"fault": 500, "method": "GET"}])
    assert statuses(1) == [200]
    with pytest.raises(openai.InternalServerError):
        client.models.list()
    with pytest.raises(Exception, match="not a fault"):
        server.script([{"fault": "nonsense"}])
    with pytest.raises(Exception, match="shar"):
        server.script([{"fault": 500, "shar": 0.5}])


def test_slow_and_at_once() -> None:
    """Latency overlaps, the limit of requests under way refuses, a timeout of the client is seen as not
    delivered.
    """

    async def ask_at_once(url: str, count: int, timeout: float = 10) -> list[Any]:
        async with AsyncOpenAI(base_url=url, api_key="any", max_retries=0, timeout=timeout) as client:
            return await asyncio.gather(
                *(client.chat.completions.create(**CHAT) for _ in range(count)), return_exceptions=True
            )

    with serve(latency=0.2, limit=6) as server:
        got = asyncio.run(ask_at_once(server.url, 10))
        assert sum(isinstance(answer, openai.RateLimitError) for answer in got) == 4
        assert (
            len({answer.choices[0].message.content for answer in got if not isinstance(answer, Exception)})
            == 6
        )
        good = [call for call in server.calls() if call["status"] == 200]
        assert min(call["ended"] - call["begun"] for call in good) >= 0.2
        assert max(call["begun"] for call in good) < min(call["ended"] for call in good)
        server.script([{"fault": "slow", "delay": 5}])
        assert isinstance(asyncio.run(ask_at_once(server.url, 1, timeout=0.3))[0], openai.APITimeoutError)
        assert [call["delivered"] for call in server.calls()][-1] is False
        assert 6 <= server.most_in_flight() <= 10


def test_a_killed_client_is_survived_and_seen(server: Remote) -> None:
    """kill -9 of a client that waits for its answer: generated, not delivered; the next one is served."""
    script = (
        "import sys; from openai import OpenAI; c = OpenAI(base_url=sys.argv[1],"
        f" api_key=sys.argv[2]);c.chat.completions.create(**{CHAT!r}); print('first', flush=True);"
        f" c.chat.completions.create(**{CHAT!r})"
    )
    server.script([{"fault": "slow", "delay": 0.5, "calls": [1]}])
    process = subprocess.Popen([sys.executable, "-c", script, server.url, KEY], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"first\n"
    while server.count() < 2:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    time.sleep(0.6)  # past the delay: the server has tried to answer by now
    assert [call["delivered"] for call in server.calls()] == [True, False]
    with OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        assert said(client)[0].startswith(" (sample 2 of")


def test_a_large_answer_is_delivered_only_when_all_of_it_is_read() -> None:
    """A file beyond the socket's buffers: the record turns true when the reader has taken the end."""
    with serve() as server, OpenAI(base_url=server.url, api_key="any", max_retries=0) as client:
        content = os.urandom(1 << 23).hex().encode()
        file = client.files.create(file=("large.jsonl", content), purpose="batch")
        assert file.bytes == len(content)
        with client.files.with_streaming_response.content(file.id) as response:
            chunks = response.iter_bytes(1 << 16)
            read = next(chunks)
            assert server.calls()[-1]["delivered"] is False
            read += b"".join(chunks)
        assert read == content
        assert server.calls()[-1]["delivered"] is True


def lines(count: int, model: str = "gpt-4o-mini") -> bytes:
    bodies = [
        {"model": model, "messages": [{"role": "user", "content": f"question {i}"}]} for i in range(count)
    ]
    rows = [
        {"custom_id": f"id {i}", "method": "POST", "url": "/v1/chat/completions", "body": body}
        for i, body in enumerate(bodies)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def submit(client: OpenAI, content: bytes, **more: Any) -> openai.types.Batch:
    file = client.files.create(file=("batch.jsonl", content), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **more
    )


def read(client: OpenAI, file: str | None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in client.files.content(file).text.splitlines()] if file else []


def test_files(server: Remote, client: OpenAI) -> None:
    made = [
        client.files.create(file=(f"{i}.jsonl", b"{}\n" * i), purpose="batch" if i % 2 else "fine-tune")
        for i in range(5)
    ]
    assert [file.id for file in client.files.list()] == [file.id for file in made[::-1]]
    assert [file.filename for file in client.files.list(purpose="batch")] == ["3.jsonl", "1.jsonl"]
    # through three pages
    assert [file.id for file in client.files.list(limit=2, order="asc")] == [file.id for file in made]
    assert client.files.retrieve(made[3].id) == made[3]
    assert client.files.content(made[3].id).read() == b"{}\n" * 3
    assert client.files.delete(made[3].id).deleted
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            call(made[3].id)
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=("x", b"x"), purpose="nonsense")
    assert server.calls("/files")[1]["body"]["filename"] == "1.jsonl"


def test_a_batch_runs_by_polling(server: Remote, client: OpenAI) -> None:
    batch = submit(client, lines(30), metadata={"job": "abc"})
    states = [batch.status]
    while batch.status != "completed":
        batch = client.batches.retrieve(batch.id)
        states.append(batch.status)
    assert states == ["validating", "in_progress", "finalizing", "completed"]
    assert (batch.metadata, batch.request_counts.to_dict(), batch.error_file_id) == (
        {"job": "abc"},
        {"total": 30, "completed": 30, "failed": 0},
        None,
    )
    out = read(client, batch.output_file_id)
    ids = [row["custom_id"] for row in out]
    assert sorted(ids) == sorted(f"id {i}" for i in range(30))
    assert ids != [f"id {i}" for i in range(30)]  # in an order of its own
    assert all(
        row["response"]["status_code"] == 200 and row["response"]["body"]["usage"]["completion_tokens"] > 0
        for row in out
    )
    assert [(line["batch"], line["custom_id"]) for line in server.lines()] == [
        (batch.id, f"id {i}") for i in range(30)
    ]
    assert client.files.retrieve(batch.output_file_id).purpose == "batch_output"
    others = [submit(client, lines(1)).id for _ in range(4)]
    assert [one.id for one in client.batches.list(limit=2)] == [*others[::-1], batch.id]


def test_a_batch_with_failed_lines(server: Remote, client: OpenAI) -> None:
    server.script(
        [
            {"fault": 500, "path": "batch:/chat/completions", "match": '"id 2"'},
            {"fault": "content_policy", "path": "batch:", "calls": [4]},
        ]
    )
    batch = submit(client, lines(6))
    server.advance(batch.id, to="completed")
    batch = client.batches.retrieve(batch.id)
    assert batch.request_counts.to_dict() == {"total": 6, "completed": 4, "failed": 2}
    assert {row["custom_id"] for row in read(client, batch.output_file_id)} == {
        "id 0",
        "id 1",
        "id 3",
        "id 5",
    }
    failed = {row["custom_id"]: row["response"] for row in read(client, batch.error_file_id)}
    assert {name: response["status_code"] for name, response in failed.items()} == {"id 2": 500, "id 4": 400}
    assert failed["id 4"]["body"]["error"]["code"] == "content_filter"


@pytest.mark.parametrize(("end", "errors"), [("expired", 4), ("cancelled", 0)])
def test_a_batch_ends_early_with_what_it_has(server: Remote, client: OpenAI, end: str, errors: int) -> None:
    batch = submit(client, lines(6))
    assert server.advance(batch.id, to="in_progress", lines=1)["request_counts"]["completed"] == 1
    server.advance(batch.id, to=end, lines=1)
    batch = client.batches.retrieve(batch.id)
    assert batch.status == end
    assert sorted(row["custom_id"] for row in read(client, batch.output_file_id)) == ["id 0", "id 1"]
    late = read(client, batch.error_file_id)
    assert [row["error"]["code"] for row in late] == ["batch_expired"] * errors
    assert len(server.lines()) == 2


def test_a_batch_is_cancelled_by_the_client(client: OpenAI) -> None:
    batch = submit(client, lines(2))
    client.batches.retrieve(batch.id)
    assert client.batches.cancel(batch.id).status == "cancelling"
    assert client.batches.retrieve(batch.id).status == "cancelled"
    assert client.batches.retrieve(batch.id).output_file_id is None
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b'{"custom_id": \n', "invalid_json_line"),
        (lines(1) + lines(1), "duplicate_custom_id"),
        (lines(1) + lines(1, model="another").replace(b"id 0", b"id 1"), "mismatched_model"),
        (lines(1).replace(b"/v1/chat/completions", b"/v1/completions"), "mismatched_endpoint"),
    ],
)
def test_a_bad_batch_file_fails(client: OpenAI, content: bytes, code: str) -> None:
    batch = client.batches.retrieve(submit(client, content).id)
    assert (batch.status, batch.errors.data[0].code) == ("failed", code)


def test_a_batch_fails_on_demand_and_bad_calls_are_refused(server: Remote, client: OpenAI) -> None:
    batch = submit(client, lines(2))
    server.advance(batch.id, to="failed", code="token_limit_exceeded")
    batch = client.batches.retrieve(batch.id)
    assert (batch.status, batch.errors.data[0].code, server.lines()) == ("failed", "token_limit_exceeded", [])
    with pytest.raises(openai.NotFoundError):
        client.batches.create(
            input_file_id="file-none", endpoint="/v1/chat/completions", completion_window="24h"
        )
    other = client.files.create(file=("x.jsonl", lines(1)), purpose="fine-tune")
    with pytest.raises(openai.BadRequestError):
        client.batches.create(
            input_file_id=other.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_none")


def test_an_action_is_done_though_its_answer_is_lost(server: Remote, client: OpenAI) -> None:
    server.script(
        [
            {"fault": "cut", "path": "/files", "method": "POST", "first": 1},
            {"fault": 500, "path": "/batches", "first": 1, "done": True},
        ]
    )
    with pytest.raises(openai.APIConnectionError):
        client.files.create(file=("a.jsonl", lines(1)), purpose="batch")
    (file,) = client.files.list()
    with pytest.raises(openai.InternalServerError):
        client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"job": "j"},
        )
    assert [batch.metadata for batch in client.batches.list()] == [{"job": "j"}]


def training(count: int) -> bytes:
    chat = [{"role": "user", "content": "2 + 3?"}, {"role": "assistant", "content": "5"}]
    return b"".join(
        json.dumps({"messages": [*chat[:1], {**chat[1], "content": f"number {i}"}]}).encode() + b"\n"
        for i in range(count)
    )


def fine_tune(client: OpenAI, content: bytes, **more: Any) -> Any:
    file = client.files.create(file=("train.jsonl", content), purpose="fine-tune")
    return client.fine_tuning.jobs.create(model="gpt-4o-mini-2024-07-18", training_file=file.id, **more)


def test_a_fine_tuning_job(server: Remote, client: OpenAI) -> None:
    held_out = client.files.create(file=("valid.jsonl", training(3)), purpose="fine-tune")
    numbers = {"n_epochs": 2, "batch_size": 3, "learning_rate_multiplier": "auto"}
    method = {"type": "supervised", "supervised": {"hyperparameters": numbers}}
    job = fine_tune(
        client,
        training(12),
        suffix="cot",
        metadata={"content": "1f"},
        method=method,
        validation_file=held_out.id,
        seed=5,
    )
    states = [job.status]
    while job.status != "succeeded":
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(
                **{**CHAT, "model": f"ft:gpt-4o-mini-2024-07-18:local:cot:{job.id[-8:]}"}
            )
        job = client.fine_tuning.jobs.retrieve(job.id)
        states.append(job.status)
    assert states == ["validating_files", "queued", "running", "succeeded"]
    assert (
        job.hyperparameters.n_epochs,
        job.hyperparameters.batch_size,
        job.hyperparameters.learning_rate_multiplier,
    ) == (2, 3, 2)
    assert job.trained_tokens == 2 * sum(len(line.split()) for line in training(12).splitlines())
    assert (job.metadata, job.seed, job.error) == ({"content": "1f"}, 5, None)
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=3))  # through pages, newest first
    assert [event.message for event in (events[0], events[-1])] == [
        "The job has successfully completed",
        f"Created fine-tuning job: {job.id}",
    ]
    assert len({event.id for event in events}) == len(events)
    assert [event.data["step"] for event in events if event.type == "metrics"] == list(range(8, 0, -1))
    table = base64.b64decode(client.files.content(job.result_files[0]).read()).decode().splitlines()
    assert table[0].split(",")[:2] == ["step", "train_loss"]
    assert [row.split(",")[0] for row in table[1:]] == [str(step) for step in range(1, 9)]
    assert [bool(row.split(",")[3]) for row in table[1:]] == [step % 4 == 0 for step in range(1, 9)]
    assert [check.step_number for check in client.fine_tuning.jobs.checkpoints.list(job.id)] == [8, 4]
    assert (
        client.chat.completions.create(**{**CHAT, "model": job.fine_tuned_model}).model
        == job.fine_tuned_model
    )
    assert client.completions.create(model=job.fine_tuned_model, prompt="Q").model == job.fine_tuned_model
    assert job.fine_tuned_model in [model.id for model in client.models.list()]
    another = fine_tune(client, training(10))
    assert [one.id for one in client.fine_tuning.jobs.list(limit=1)] == [another.id, job.id]
    assert [one.id for one in client.fine_tuning.jobs.list(metadata={"content": "1f"})] == [job.id]


def test_fine_tuning_that_fails(server: Remote, client: OpenAI) -> None:
    few = fine_tune(client, training(9))
    bad = fine_tune(client, training(9) + b'{"text": "x"}\n')
    demanded = fine_tune(client, training(10))
    server.advance(demanded.id, to="failed", code="exceeded_quota")
    found = [client.fine_tuning.jobs.retrieve(job.id) for job in (few, bad, demanded)]
    assert [(job.status, job.error.code) for job in found] == [("failed", "invalid_training_file")] * 2 + [
        ("failed", "exceeded_quota")
    ]
    assert "at least 10 examples" in found[0].error.message
    assert "Example 10" in found[1].error.message
    cancelled = fine_tune(client, training(10))
    assert client.fine_tuning.jobs.cancel(cancelled.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError):
        client.fine_tuning.jobs.cancel(cancelled.id)
    with pytest.raises(openai.BadRequestError):
        client.fine_tuning.jobs.create(model="m", training_file="file-none")
    with pytest.raises(openai.BadRequestError):
        fine_tune(
            client,
            training(10),
            method={"type": "supervised", "supervised": {"hyperparameters": {"prompt_loss_weight": 0.01}}},
        )
    with pytest.raises(openai.NotFoundError):
        client.fine_tuning.jobs.retrieve("ftjob-none")


def test_states_wait_for_the_control_call_with_polls_0() -> None:
    with serve(polls=0) as server, OpenAI(base_url=server.url, api_key="any", max_retries=0) as client:
        batch = submit(client, lines(1))
        assert [client.batches.retrieve(batch.id).status for _ in range(5)] == ["validating"] * 5
        assert [server.advance(batch.id)["status"] for _ in range(3)] == [
            "in_progress",
            "finalizing",
            "completed",
        ]
        job = fine_tune(client, training(10))
        server.advance(job.id, to="running")
        assert client.fine_tuning.jobs.retrieve(job.id).status == "running"


def test_by_hand_and_with_its_parent() -> None:
    """The command prints its port; with stdin held it ends when its parent does."""
    process = subprocess.Popen(
        [sys.executable, api_server.__file__, "--with-parent", "--latency", "0.01"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    remote = Remote(int(process.stdout.readline()))
    assert remote.count() == 0
    killer = threading.Timer(30, process.kill)
    killer.start()
    process.stdin.close()
    assert process.wait() == 0
    killer.cancel()
    process.stdout.close()
    with pytest.raises(TypeError, match="unknown options"), serve(laten=1):
        pass
