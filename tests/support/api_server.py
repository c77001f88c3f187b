"""A local server that speaks the OpenAI API, with faults on demand. No test double of the client: the real
`openai` package talks to it.

    with serve(latency=0.01, key="secret") as server:
        client = OpenAI(base_url=server.url, api_key="secret")
        server.script([{"fault": 429, "retry_after": 1, "path": "/chat/completions", "calls": [0, 3]}])
        ...
        assert server.count("/chat/completions") == 5

By hand: `python tests/support/api_server.py --port 0 --latency 0.05` prints its port; every option of `serve`
is a flag.

Options of `serve`
    port 0            a free one
    latency 0.0       seconds from the request to the answer of /chat/completions and /completions
    words 20          length of an answer, about
    key None          the API key it wants, else 401 with a message that repeats the key it got, as careless
                      proxies do: no file and no log of yours may hold it. Request headers are never recorded.
    limit None        answers 429 while more than this number of requests are under way
    polls 1           batches and fine-tuning jobs go to their next state with every `polls`-th GET of them;
                      0: only by `advance`
    plain_results False  the result file of a fine-tuning job is base64, as OpenAI serves it; True: CSV
    seed 0            of the texts, of the order of a batch's output

Methods of what `serve` gives
    .url              http://127.0.0.1:PORT/v1
    .calls(path=None) every request of the API, oldest first: {"number", "method", "path" (without /v1),
                      "query", "body" (parsed; of an upload {"purpose", "filename", "sha256", "bytes"}),
                      "status" (None: cut, or not answered yet), "delivered" (the response was written
                      completely), "fault", "texts" (of the choices it wrote), "begun", "ended" (seconds)};
                      `path` keeps those that begin with it
    .count(path="/")  how many calls
    .lines()          every line of every batch that was run: {"batch", "custom_id", "body", "status"}: each
                      one costs money
    .most_in_flight() the largest number of generations under way at once
    .script(faults)   from now on these faults (a list), instead of the ones before
    .advance(id, to=None, lines=None, code=None)
                      take a batch or a fine-tuning job one state on, or through to `to`; `lines`: how many
                      lines of the batch run (the others are left undone, or expire); `code`: why it fails. In
                      a batch: validating, in_progress, finalizing, completed | failed | expired | cancelled.
                      In a job: validating_files, queued, running, succeeded | failed | cancelled.
    .reset()          forget calls, faults, files, batches and jobs

What is said. Without a seed every sample is a new text, as with a real server: the k-th sample that was ever
generated for a (model, prompt) begins with its number, " (sample 3 of 5f1c21ab) ...". With `seed` the same
request gets the same text. An answer ends in " The answer is NUMBER." A model with "reasoner" in its name
thinks in `reasoning_content` (which counts as completion tokens). `stop`, `max_tokens`,
`max_completion_tokens`, `n`, `logprobs` (both APIs), `system_fingerprint`, cached prompt tokens (from 1,024
tokens on). A token is a word with the space before it. Models whose name begins with "ft:" exist once a
fine-tuning job has made them (404 before).

Faults: {"fault": NAME, which calls, arguments}. The first fault of the list that applies to a call is taken.
  Which calls: all, narrowed by "path" (a beginning, such as "/files"; lines of a batch are
  "batch:/chat/completions"), "method", "match" (a text in the raw body); among these by "calls" (a list of
  numbers from 0, counted from `script` on), "first" (so many), or "share" with "seed" (a probability).
  Every fault takes "delay": seconds before anything is answered.
    400 401 403 404 408 409 429 500 502 503   an error of OpenAI's form (502: the HTML page of a proxy). 429,
                                              503: "retry_after": seconds, with "date": true as an HTTP date.
                                              "done": true carries the call out before answering so.
    "quota"           429, insufficient_quota
    "loading"         503, as llama.cpp answers before it has loaded its model
    "context_length"  400, context_length_exceeded
    "unsupported"     400, a setting that the model does not take
    "content_policy"  400, the prompt was refused by a content filter
    "moderated"       400, the prompt was flagged
    "slow"            nothing but its "delay"
    "drop"            the connection is closed and nothing was done
    "cut"             done (an upload is kept, a text is generated), but the connection is closed before the
                      response
    "cut_body"        ... in the middle of the body
    "garbage"         ... and what comes is not HTTP
    "malformed"       ... and the body is no JSON
    "short"           "choices": so many (default: one fewer than asked)
    "empty"           no choices
    "bad_choice"      the last choice has no text
    "logprobs"        "logprobs": whatever stands in their place
    "filtered"        finish_reason content_filter, the text cut short (chat: null)
    "usage"           "usage": "missing" | "negative" | "strings" | the value itself
    "say"             "text": what every choice says
    "raw"             ... and its whole body is "text", under "status" (200)
    "no_id"           ... and the body says everything but its id
"""

import argparse
import asyncio
import base64
import hashlib
import inspect
import json
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

from api_jobs import Jobs, read_form, read_object
from api_model import Model, Refused, texts

OPTIONS = {
    "port": 0,
    "latency": 0.0,
    "words": 20,
    "key": None,
    "limit": None,
    "polls": 1,
    "plain_results": False,
    "seed": 0,
}
KINDS = {"/chat/completions": "chat", "/completions": "completions"}
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    409: "Conflict",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
MESSAGES = {
    400: ("Invalid request.", "invalid_request_error", None),
    401: (
        "Incorrect API key provided. You can find your API key in your account.",
        "invalid_request_error",
        "invalid_api_key",
    ),
    403: (
        "You are not allowed to sample from this model.",
        "invalid_request_error",
        "unsupported_country_region_territory",
    ),
    404: (
        "The model does not exist or you do not have access to it.",
        "invalid_request_error",
        "model_not_found",
    ),
    408: ("Request timed out.", "timeout", None),
    409: ("The resource is being changed by another request.", "conflict", None),
    429: (
        "Rate limit reached for requests per min. Please try again later.",
        "requests",
        "rate_limit_exceeded",
    ),
    500: ("The server had an error while processing your request. Sorry about that!", "server_error", None),
    503: ("The engine is currently overloaded, please try again later.", "server_error", "overloaded"),
}
NAMED: dict[object, tuple[int, str, str, str]] = {
    "quota": (
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        "insufficient_quota",
    ),
    "loading": (503, "Loading model", "unavailable_error", "503"),
    "context_length": (
        400,
        "This model's maximum context length is 4097 tokens. However, your messages resulted in 5000 tokens.",
        "context_length_exceeded",
        "invalid_request_error",
    ),
    "unsupported": (
        400,
        "Unsupported value: 'temperature' does not support 0.7 with this model.",
        "unsupported_value",
        "invalid_request_error",
    ),
    "moderated": (
        400,
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
        "invalid_prompt",
        "invalid_request_error",
    ),
    "content_policy": (
        400,
        "The prompt was refused by the content management policy of this deployment. "
        + "Read more about it there. " * 8,
        # longer than a log line, as the real one is
        "content_filter",
        "invalid_request_error",
    ),
}
WRONG = {
    "slow",
    "drop",
    "cut",
    "cut_body",
    "garbage",
    "malformed",
    "short",
    "empty",
    "bad_choice",
    "logprobs",
    "filtered",
    "usage",
    "say",
    "raw",
    "no_id",
}
NAMES = {*NAMED, *MESSAGES, *WRONG, 502}
WHICH = {"path", "method", "match", "calls", "first", "share", "seed"}
ARGUMENTS = {
    "fault",
    "delay",
    "retry_after",
    "date",
    "done",
    "choices",
    "logprobs",
    "usage",
    "text",
    "status",
}


class Faults:
    """A list of faults, each with its own count of the calls that it looks at."""

    def __init__(self, faults: list[dict[str, Any]]) -> None:
        for fault in faults:
            if fault.get("fault") not in NAMES or (wrong := fault.keys() - WHICH - ARGUMENTS):
                raise Refused(
                    400,
                    f"not a fault: {fault!r}"
                    f" ({'unknown name' if fault.get('fault') not in NAMES else wrong})",
                )
        self.faults = [(fault, [0]) for fault in faults]

    def take(self, method: str, path: str, raw: bytes) -> dict[str, Any]:
        """The first fault that applies to this call, {} without one."""
        taken: dict[str, Any] = {}
        for fault, seen in self.faults:
            if (
                not path.startswith(fault.get("path", ""))
                or fault.get("method", method) != method
                or fault.get("match", "").encode() not in raw
            ):
                continue
            number, seen[0] = seen[0], seen[0] + 1
            applies = (
                number in fault["calls"] if "calls" in fault else number < fault.get("first", number + 1)
            )
            if "share" in fault:
                applies = (
                    applies and random.Random(f"{fault.get('seed', 0)} {number}").random() < fault["share"]
                )
            taken = fault if applies and not taken else taken
        return taken


def refusal(fault: dict[str, Any]) -> Refused | None:
    """The error that a fault is."""
    name = fault.get("fault")
    if name in NAMED:
        return Refused(*NAMED[name])
    if name in MESSAGES:
        message, kind, code = MESSAGES[int(str(name))]
        return Refused(int(str(name)), message, code, kind)
    return None


class Server:
    """All state, and what a call does to it. One thread: nothing here waits."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options, self.start = options, time.monotonic()
        self.open: set[Connection] = set()
        self.bugs: list[str] = []
        self.reset()

    def reset(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.ran: list[dict[str, Any]] = []
        self.faults = Faults([])
        self.under_way = self.most = 0
        self.model = Model(self.options["words"], self.options["seed"])
        self.jobs = Jobs(self.options["polls"], self.options["seed"])

    def generate(self, path: str, body: Any, fault: dict[str, Any]) -> dict[str, Any]:
        if (
            isinstance(body, dict)
            and str(body.get("model")).startswith("ft:")
            and body["model"] not in self.jobs.models
        ):
            raise Refused(
                404,
                f"The model `{body['model']}` does not exist or you do not have access to it.",
                "model_not_found",
            )
        return self.model.answer(KINDS[path], body, int(time.time()), fault)

    def run_line(self, batch: dict[str, Any], line: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """A line of a batch: (status, body)."""
        path = batch["endpoint"].removeprefix("/v1")
        fault = self.faults.take("POST", f"batch:{path}", json.dumps(line).encode())
        try:
            if error := refusal(fault):
                raise error
            status, payload = 200, self.generate(path, line["body"], fault)
        except Refused as error:
            status, payload = error.status, {"error": error.error}
        self.ran.append(
            {"batch": batch["id"], "custom_id": line["custom_id"], "body": line["body"], "status": status}
        )
        return status, payload

    def act(
        self, call: dict[str, Any], fault: dict[str, Any], kind: str, raw: bytes
    ) -> dict[str, Any] | bytes:
        """Carry a call out. Raises Refused."""
        path, method, query = call["path"], call["method"], call["query"]
        if path in KINDS and method == "POST":
            payload = self.generate(
                path, call["body"] if isinstance(call["body"], dict) else read_object(raw), fault
            )
            call["texts"] = texts(payload)
            return payload
        if path == "/models":
            names = ["gpt-4o-mini", "gpt-4o-mini-2024-07-18", "babbage-002", *self.jobs.models]
            return {
                "object": "list",
                "data": [
                    {"id": name, "object": "model", "created": 0, "owned_by": "local"} for name in names
                ],
            }
        answer = self.jobs.route(method, path, query, kind, raw, self.run_line)
        file = self.jobs.files.get(path.split("/")[2]) if isinstance(answer, bytes) else None
        if file and file["purpose"] == "fine-tune-results" and not self.options["plain_results"]:
            return base64.b64encode(bytes(answer))  # type: ignore[arg-type]
        return answer

    def control(self, name: str, query: dict[str, str], raw: bytes) -> Any:
        """What a test asks; it counts as no call."""
        sent = json.loads(raw) if raw else None
        match name:
            case "calls":
                return [call for call in self.calls if call["path"].startswith(query.get("path", ""))]
            case "count":
                return sum(call["path"].startswith(query.get("path", "")) for call in self.calls)
            case "lines":
                return self.ran
            case "most_in_flight":
                return self.most
            case "bugs":
                return self.bugs
            case "script":
                self.faults = Faults(sent)
            case "reset":
                self.reset()
            case "advance":
                return self.jobs.advance(sent["id"], sent["to"], sent["lines"], sent["code"], self.run_line)
            case _:
                raise Refused(404, f"no control call {name!r}")
        return None


def described(kind: str, raw: bytes) -> Any:
    """A body as `calls` shows it."""
    if kind.startswith("multipart/"):
        try:
            form = read_form(kind, raw)
        except Refused:
            return None
        name, content = form.get("file", (None, b""))
        digest = hashlib.sha256(content).hexdigest()
        return {
            "purpose": form.get("purpose", (None, b""))[1].decode(),
            "filename": name,
            "sha256": digest,
            "bytes": len(content),
        }
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode(errors="replace")


class Connection(asyncio.Protocol):
    """One connection: HTTP/1.1, kept alive, one request after the other. Written by hand for speed."""

    def __init__(self, server: Server) -> None:
        self.server, self.buffer, self.busy = server, bytearray(), False
        self.head: tuple[str, str, str, str, str] | None = None
        self.length = 0
        self.writing: dict[str, Any] | None = None  # the call whose response is on its way out

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=0)  # so that resume_writing says when the last byte has left
        self.server.open.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.open.discard(self)

    def resume_writing(self) -> None:
        if self.writing is not None:
            self.delivered(self.writing)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.next_request()

    def next_request(self) -> None:
        if self.busy or (self.head is None and not self.read_head()) or len(self.buffer) < self.length:
            return
        raw, self.busy = bytes(self.buffer[: self.length]), True
        del self.buffer[: self.length]
        head, self.head = self.head, None
        assert head is not None
        try:
            self.serve(*head, raw)
        except Exception:
            self.server.bugs.append(traceback.format_exc())
            self.respond(
                None,
                500,
                json.dumps(
                    {"error": {"message": "a bug of tests/support/api_server.py", "type": "bug"}}
                ).encode(),
            )

    def read_head(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        del self.buffer[: end + 4]
        method, target, _ = first.split(" ", 2)
        assert "transfer-encoding" not in headers, "a body in chunks: this server wants Content-Length"
        self.length = int(headers.get("content-length", 0))
        authorization, kind = headers.get("authorization", ""), headers.get("content-type", "")
        url = urlsplit(target)
        self.head = (method, url.path, url.query, kind, authorization)
        if headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def serve(self, method: str, path: str, query: str, kind: str, authorization: str, raw: bytes) -> None:
        server, asked = self.server, dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        if path.startswith("/_control/"):
            try:
                status, value = 200, server.control(path.removeprefix("/_control/"), asked, raw)
            except Refused as error:
                status, value = error.status, str(error)
            return self.respond(None, status, json.dumps(value).encode())
        call: dict[str, Any] = {
            "number": len(server.calls),
            "method": method,
            "path": path.removeprefix("/v1"),
            "query": asked,
            "body": described(kind, raw),
            "status": None,
            "delivered": False,
            "fault": None,
            "texts": [],
            "begun": time.monotonic() - server.start,
            "ended": None,
        }
        server.calls.append(call)
        generates = call["path"] in KINDS
        fault = server.faults.take(method, call["path"], raw)
        call["fault"] = fault.get("fault")
        status, payload, headers = self.outcome(call, fault, kind, raw, authorization)
        delay = fault.get("delay", 0.0) + (server.options["latency"] if generates and status == 200 else 0.0)
        if generates:
            server.under_way += 1
            server.most = max(server.most, server.under_way)
        if delay:
            asyncio.get_running_loop().call_later(delay, self.finish, call, fault, status, payload, headers)
            return None
        return self.finish(call, fault, status, payload, headers)

    def outcome(
        self, call: dict[str, Any], fault: dict[str, Any], kind: str, raw: bytes, authorization: str
    ) -> tuple[int, bytes, str]:
        """(status, body, further header lines) of a call, carried out unless it is refused."""
        options, headers = self.server.options, "Content-Type: application/json\r\n"
        try:
            if options["key"] is not None and authorization != f"Bearer {options['key']}":
                given = authorization.removeprefix("Bearer ")
                raise Refused(
                    401,
                    f"Incorrect API key provided: {given}. You can find your API key in your account.",
                    "invalid_api_key",
                )
            if (
                options["limit"] is not None
                and call["path"] in KINDS
                and self.server.under_way >= options["limit"]
            ):
                raise refusal({"fault": 429}) or AssertionError
            error = refusal(fault)
            if fault.get("fault") in ("drop", 502) or error:
                if fault.get("done"):
                    self.server.act(call, fault, kind, raw)
                if error:
                    raise error
                return (
                    502,
                    b"<html><body><h1>502 Bad Gateway</h1></body></html>",
                    "Content-Type: text/html\r\n",
                )
            answer = self.server.act(call, fault, kind, raw)
        except Refused as error:
            if error.status in (429, 503) and (seconds := fault.get("retry_after")) is not None:
                headers += (
                    "Retry-After:"
                    f" {formatdate(time.time() + seconds, usegmt=True) if fault.get('date') else seconds}\r\n"
                )
            return error.status, json.dumps({"error": error.error}).encode(), headers
        if isinstance(answer, bytes):
            return 200, answer, "Content-Type: application/octet-stream\r\n"
        return 200, json.dumps(answer).encode(), headers

    def finish(
        self, call: dict[str, Any], fault: dict[str, Any], status: int, payload: bytes, headers: str
    ) -> None:
        """Write the response, or as much of it as the fault lets through."""
        if call["path"] in KINDS:
            self.server.under_way -= 1
        name = fault.get("fault")
        if name in ("drop", "cut"):
            call["ended"] = time.monotonic() - self.server.start
            return self.transport.abort()
        if name == "garbage":
            self.transport.write(b"no such thing as HTTP\r\n\r\n")
            return self.transport.close()
        if name == "malformed":
            payload = payload[: len(payload) // 2]
        if name == "no_id":
            payload = json.dumps({**json.loads(payload), "id": None}).encode()
        if name == "raw":
            status = fault.get("status", status)
            payload = fault["text"].encode()
        if name == "cut_body":
            call["ended"] = time.monotonic() - self.server.start
            self.transport.write(self.header(status, len(payload), headers) + payload[: len(payload) // 2])
            return self.transport.close()
        return self.respond(call, status, payload, headers)

    def header(self, status: int, length: int, headers: str) -> bytes:
        reason = REASONS.get(status, "Unknown")
        return f"HTTP/1.1 {status} {reason}\r\n{headers}Content-Length: {length}\r\n\r\n".encode("latin-1")

    def respond(
        self,
        call: dict[str, Any] | None,
        status: int,
        payload: bytes,
        headers: str = "Content-Type: application/json\r\n",
    ) -> None:
        if self.transport.is_closing():
            return
        if call is not None:
            call["status"] = status
            self.writing = call
        self.transport.write(self.header(status, len(payload), headers) + payload)
        if (
            call is not None
            and self.transport.get_write_buffer_size() == 0
            and not self.transport.is_closing()
        ):
            self.delivered(call)
        self.busy = False
        if self.buffer:
            self.next_request()

    def delivered(self, call: dict[str, Any]) -> None:
        """The last byte has been handed to the client's side of the connection."""
        call["delivered"], call["ended"], self.writing = True, time.monotonic() - self.server.start, None


class Remote:
    """What `serve` gives: the address, and questions to the server."""

    def __init__(self, port: int) -> None:
        self.port, self.url = port, f"http://127.0.0.1:{port}/v1"

    def ask(self, name: str, sent: Any = None, post: bool = False) -> Any:
        data = json.dumps(sent).encode() if post else None
        with urlopen(Request(f"http://127.0.0.1:{self.port}/_control/{name}", data), timeout=60) as response:
            return json.loads(response.read())

    def calls(self, path: str = "") -> list[dict[str, Any]]:
        return list(self.ask(f"calls?path={path}"))

    def count(self, path: str = "") -> int:
        return int(self.ask(f"count?path={path}"))

    def lines(self) -> list[dict[str, Any]]:
        return list(self.ask("lines"))

    def most_in_flight(self) -> int:
        return int(self.ask("most_in_flight"))

    def script(self, faults: list[dict[str, Any]]) -> None:
        Faults(faults)  # a wrong fault is an error of the test, here rather than there
        self.ask("script", faults, post=True)

    def advance(
        self, name: str, to: str | None = None, lines: int | None = None, code: str | None = None
    ) -> dict[str, Any]:
        return dict(self.ask("advance", {"id": name, "to": to, "lines": lines, "code": code}, post=True))

    def reset(self) -> None:
        self.ask("reset", post=True)


@contextmanager
def serve(**options: Any) -> Iterator[Remote]:
    """A server in a process of its own, ended with the block (or with this process, whatever ends that)."""
    if unknown := options.keys() - OPTIONS.keys():
        raise TypeError(f"unknown options {sorted(unknown)}, there are {list(OPTIONS)}")
    flags = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in options.items()
        if value is not None and value is not False
    ]
    flags = [flag.removesuffix("=True") for flag in flags]
    process = subprocess.Popen(
        [sys.executable, __file__, "--with-parent", *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        server = Remote(int(process.stdout.readline()))
        yield server
        bugs = server.ask("bugs")
        assert not bugs, "".join(bugs)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


async def listen(options: dict[str, Any], with_parent: bool) -> None:
    """Serve until SIGTERM, or until stdin ends where the parent holds it."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    server = Server(options)
    listening = await loop.create_server(
        lambda: Connection(server), "127.0.0.1", options["port"], backlog=1024
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if with_parent:
        stdin = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115
        loop.add_reader(stdin, lambda: None if stdin.read(1) else ended.set())
    print(listening.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    for connection in list(server.open):
        connection.transport.abort()
    listening.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=inspect.cleandoc(__doc__ or "").split("\n")[0])
    for name, value in OPTIONS.items():
        flag = f"--{name.replace('_', '-')}"
        if value is False:
            parser.add_argument(flag, action="store_true")
        else:
            kind = {"key": str, "latency": float}.get(name, int)
            parser.add_argument(flag, type=kind, default=value)
    parser.add_argument("--with-parent", action="store_true", help="end when stdin does")
    options = vars(parser.parse_args())
    asyncio.run(listen(options, options.pop("with_parent")))


if __name__ == "__main__":
    main()
