"""Calls: one HTTP call to an OpenAI-compatible server, and what its outcome means."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import openai

from stages.asking.request import Answer
from stages.config.endpoint import Endpoint
from stages.endpoint.content import as_text
from stages.endpoint.http import Parcel, request_body, request_path
from stages.endpoint.keys import api_key, hide_secrets
from stages.endpoint.limits import retry_after
from stages.endpoint.refusals import about_one_prompt, nobody_knows
from stages.endpoint.responses import NONSENSE, parse_json, read_answers

AGAIN = {408, 409, 429}  # and every 5xx: another try may succeed
LOADING = "Loading model"  # what llama.cpp says with 503 until it has
LOADING_PAUSE = 1.0  # seconds between two tries of a call then
FILTERED = ("content_filter", "content_policy")
ONLY_ONE = re.compile(
    r"\bn\b.{0,40}(?:1|one|support)|(?:one|1|single|multiple) (?:completion|choice|candidate)", re.I
)
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
    """The answers of a call, or why there are none."""

    answers: dict[int, Answer] = field(default_factory=dict)
    kind: str = ""  # names the failure
    message: str = ""
    again: bool = False  # another try may help
    stop: bool = False  # no other call will succeed either
    unsure: bool = False  # `stop`, but it may be about this prompt alone
    busy: bool = False  # the server is overloaded
    loading: bool = False  # the server has just been started, and will answer
    wait: float | None = None  # seconds the server wants to be left alone
    billed: bool | None = None  # None: nobody knows, the response was lost


def answer_outcome(answers: dict[int, Answer], samples: list[int]) -> Outcome:
    """The outcome of a response with answers; what is missing of `samples` can be asked for again."""
    if len(answers) == len(samples):
        return Outcome(answers, billed=True)
    message = f"{len(answers)} of {len(samples)} samples came"
    return Outcome(answers, "short", message, again=True, billed=True)


def filter_outcome(samples: list[int], source: str) -> Outcome:
    """The outcome of a prompt that a filter refuses: the server's last word on it, and so an answer."""
    return Outcome(dict.fromkeys(samples, Answer("", "content_filter", source=source)), billed=False)


def error_outcome(status: int, headers: Mapping[str, str], text: str) -> Outcome:
    """The outcome of a response with an error status."""
    if "insufficient_quota" in text:
        message = f"{status}: {text}; no quota is left: add credit, then run again"
        return Outcome(kind="quota", message=message, stop=True, billed=False)
    if status == 503 and LOADING in text:
        pause = LOADING_PAUSE
        return Outcome(kind="loading", message=text, again=True, loading=True, wait=pause, billed=False)
    kind = f"http_{status}"
    about = about_one_prompt(status, text)
    if about != "too_long" and may_pass(status):
        busy = status in (429, 503)
        wait = retry_after(headers)
        # a gateway may have passed the call on before it gave up
        billed = None if status == 408 or status >= 500 else False
        return Outcome(kind=kind, message=text, again=True, busy=busy, wait=wait, billed=billed)
    if any(sign in text for sign in FILTERED):
        return Outcome(kind="content_filter", message=text, billed=False)
    if about:
        return Outcome(kind=about, message=text, billed=False)
    message = f"{status}: {text}; {HINTS.get(status, 'the server refuses the request')}"
    unsure = nobody_knows(status, text)
    return Outcome(kind=kind, message=message, stop=True, unsure=unsure, billed=False)


def may_pass(status: int) -> bool:
    """Another try of a call that got this error status may succeed."""
    return status in AGAIN or status >= 500


class Caller:
    """A connection to one endpoint, used with `async with`.

    The client of the `openai` package says how to address it; the calls themselves go through aiohttp,
    because the package spends three times as long on a call as a local server may need.
    """

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        self.name = name
        self.endpoint = endpoint
        base, mark, query = endpoint.base_url.partition("?")
        client = openai.AsyncOpenAI(api_key=api_key(name, endpoint), base_url=base)
        self.url = str(client.base_url).rstrip("/")
        self.query = mark + query  # Azure's ?api-version=
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

    async def call(self, parcel: Parcel) -> Outcome:
        """The samples of a parcel, in one call. Never raises for what a server or a network can do."""
        body = json.dumps(request_body(parcel.request, parcel.samples)).encode()
        url = self.url + request_path(parcel.request) + self.query
        try:
            async with self.session.post(url, data=body) as response:
                content = await response.read()
            if response.status != 200:
                text = self.clean(error_text(content.decode(errors="replace")))
                outcome = error_outcome(response.status, response.headers, text)
                if outcome.stop and len(parcel.samples) > 1 and ONLY_ONE.search(text):
                    hint = f"{outcome.message}; set `endpoints.{self.name}.samples_per_request: 1`"
                    return replace(outcome, message=hint)
                return filter_outcome(parcel.samples, "live") if outcome.kind == "content_filter" else outcome
            answers = read_answers(parse_json(content), parcel.samples, parcel.request.stop)
            return answer_outcome(answers, parcel.samples)
        except TimeoutError as error:
            return Outcome(kind="timeout", message=self.clean(str(error) or "no answer in time"), again=True)
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError) as error:
            message = self.clean(str(error))
            return Outcome(kind="connection", message=message, again=True, billed=False)  # it never got there
        except (aiohttp.ClientError, OSError) as error:
            message = self.clean(str(error) or type(error).__name__)
            return Outcome(kind="connection", message=message, again=True)
        except ValueError as error:
            return Outcome(kind="malformed", message=self.clean(str(error)), again=True)

    def clean(self, text: str) -> str:
        """The beginning of a message, without secrets."""
        return hide_secrets(text, self.endpoint)[:300]


def proxy_of(url: str) -> str | None:
    """The proxy that $HTTPS_PROXY, $HTTP_PROXY and $NO_PROXY name for an address.

    Looked up once, where aiohttp would do so for every call.
    """
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


def error_text(body: Any) -> str:
    """Code, type and message of an error of OpenAI's form, the long one last; anything else as it is.

    `body`: the text of a response, or what a batch's line holds of one.
    """
    try:
        given = parse_json(body) if isinstance(body, str) else body
        error = (given[0] if isinstance(given, list) else given)["error"]  # Gemini's is in a list
        told = ", ".join(str(error[name]) for name in ("code", "type", "message") if error.get(name))
    except NONSENSE:
        told = ""
    return told or as_text(body) or "no reason given"
