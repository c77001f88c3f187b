"""Calls: one HTTP call to an OpenAI-compatible server, and what its outcome means."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import openai

from stages.asking.request import Answer
from stages.config.endpoint import Endpoint
from stages.endpoint import http as wire
from stages.endpoint.limits import retry_after
from stages.endpoint.secret import api_key, hide

AGAIN = {408, 409, 429}  # and every 5xx: another try may succeed
FILTERED = ("content_filter", "content_policy")
TOO_LONG = ("context_length_exceeded", "maximum context length", "string_above_max_length", "context window")
HINTS = {
    400: (
        "the server does not take this request: compare the teacher's block with what the model allows"
        " (temperature, max_tokens, extra)"
    ),
    401: "the key is missing or wrong",
    403: "this key may not use this model",
    404: "is `base_url` right, up to and with /v1, and does the server have this model?",
}


@dataclass(frozen=True)
class Outcome:
    """Answers, or why there are none: `kind` names the failure; `again`: another try may help; `stop`: no
    other call will succeed either.
    """

    answers: dict[int, Answer] = field(default_factory=dict)
    kind: str = ""
    message: str = ""
    again: bool = False
    stop: bool = False
    busy: bool = False  # the server is overloaded
    wait: float | None = None  # seconds the server wants to be left alone
    billed: bool | None = None  # None: nobody knows, the response was lost


def proxy_of(url: str) -> str | None:
    """The proxy that $HTTPS_PROXY, $HTTP_PROXY and $NO_PROXY name for an address; looked up once, where
    aiohttp would do so for every call.
    """
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


def classify(status: int, headers: Mapping[str, str], text: str) -> Outcome:
    """What an error status means."""
    if "insufficient_quota" in text:
        return Outcome(
            kind="quota",
            message=f"{status}: {text}; no quota is left: add credit, then run again",
            stop=True,
            billed=False,
        )
    if status in AGAIN or status >= 500:
        wait = retry_after(headers)
        return Outcome(
            kind=f"http_{status}",
            message=text,
            again=True,
            busy=status in (429, 503),
            wait=wait,
            billed=False,
        )
    if any(sign in text for sign in FILTERED):
        return Outcome(kind="content_filter", message=text, billed=False)
    if any(sign in text for sign in TOO_LONG):
        return Outcome(kind="context_length", message=text, billed=False)
    return Outcome(
        kind=f"http_{status}",
        message=f"{status}: {text}; {HINTS.get(status, 'the server refuses the request')}",
        stop=True,
        billed=False,
    )


class Caller:
    """A connection to one endpoint. The client of the `openai` package says how to address it; the calls
    themselves go through aiohttp, because the package spends three times as long on a call as a local server
    may need. Used with `async with`.
    """

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        client = openai.AsyncOpenAI(api_key=api_key(name, endpoint), base_url=endpoint.base_url)
        self.url = str(client.base_url).rstrip("/")
        headers = {**client.default_headers, **client.auth_headers}
        self.session = aiohttp.ClientSession(
            headers={name: value for name, value in headers.items() if isinstance(value, str)},
            connector=aiohttp.TCPConnector(limit=endpoint.concurrency),
            timeout=aiohttp.ClientTimeout(endpoint.timeout),
            proxy=proxy_of(self.url),
        )

    async def __aenter__(self) -> "Caller":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.session.close()

    async def call(self, parcel: wire.Parcel) -> Outcome:
        """The samples of a parcel, in one call. Never raises for what a server or a network can do."""
        asked = json.dumps(wire.body(parcel.request, parcel.samples)).encode()
        try:
            async with self.session.post(self.url + wire.path(parcel.request), data=asked) as response:
                content = await response.read()
            if response.status != 200:
                outcome = classify(
                    response.status,
                    response.headers,
                    self.clean(error_text(content.decode(errors="replace"))),
                )
                if outcome.kind != "content_filter":
                    return outcome
                # the server's last word
                return Outcome(
                    {sample: Answer("", "content_filter") for sample in parcel.samples}, billed=False
                )
            answers = wire.read(json.loads(content), parcel.samples, parcel.request.stop)
        except TimeoutError as error:
            return Outcome(kind="timeout", message=self.clean(str(error) or "no answer in time"), again=True)
        except (aiohttp.ClientError, OSError) as error:
            return Outcome(
                kind="connection", message=self.clean(str(error) or type(error).__name__), again=True
            )
        except ValueError as error:
            return Outcome(kind="malformed", message=self.clean(str(error)), again=True)
        if len(answers) == len(parcel.samples):
            return Outcome(answers, billed=True)
        return Outcome(
            answers, "short", f"{len(answers)} of {len(parcel.samples)} samples came", again=True, billed=True
        )

    def clean(self, text: str) -> str:
        """The beginning of a message, without secrets."""
        return hide(text, self.endpoint)[:300]


def error_text(body: str) -> str:
    """Code, type and message of an error body of OpenAI's form, the long one last; any other body
    as it is.
    """
    try:
        error = json.loads(body)["error"]
        return ", ".join(str(error[name]) for name in ("code", "type", "message") if error.get(name))
    except (ValueError, KeyError, TypeError, AttributeError):
        return body or "no reason given"
