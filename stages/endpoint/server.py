"""Server: an endpoint's files and batches, through the client of the `openai` package.

What a POST may have done is looked for before it is repeated, for its response can get lost.
"""

import hashlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import openai
from openai.types import Batch

from stages.config.endpoint import Endpoint
from stages.endpoint.calls import HINTS, may_pass
from stages.endpoint.jobs import Job
from stages.endpoint.keys import api_key, hide_secrets
from stages.endpoint.limits import LONG, pause, retry_after

MARK = "cot_distill_job"  # the field of a batch's metadata that names the job
NO_SUCH = (
    "does this server have the Batch API (`mode: live` needs none), and is the key of the account that"
    " submitted the batch?"
)
# what the client raises where a response has another form than the API's
ODD_FORM = (AttributeError, LookupError, TypeError)
Made = TypeVar("Made")


class NoNumber(ValueError):
    """A response that does not tell the id of what was made: as good as lost."""


class Refused(ValueError):
    """The server will not do what a POST asked: nothing was done."""


def connect_client(name: str, endpoint: Endpoint) -> openai.OpenAI:
    """A client that repeats what it only looks at; what it makes, see `make_once`."""
    base, _, query = endpoint.base_url.partition("?")
    return openai.OpenAI(
        api_key=api_key(name, endpoint),
        base_url=base,
        default_query=dict(parse_qsl(query)),
        timeout=endpoint.timeout,
        max_retries=endpoint.attempts - 1,
    )


def make_once(attempts: int, find: Callable[[], Made | None], make: Callable[[], Made]) -> Made:
    """What the server has already, else what is made: never twice, whatever becomes of the responses.

    A lost response may be that of a success: every further try, and the end, looks first.
    """
    failed: openai.APIError | json.JSONDecodeError | NoNumber | None = None
    for attempt in itertools.count():
        if (found := find()) is not None:
            return found
        if failed and attempt == attempts:
            raise failed
        wait = 0.0
        try:
            return make()
        except openai.APIStatusError as error:
            if is_refusal(error):
                raise
            failed = error
            wait = retry_after(error.response.headers) or 0.0
        except (openai.APIConnectionError, json.JSONDecodeError, NoNumber) as error:
            failed = error
        if wait > LONG:
            print(f"the server asks to wait {wait:,.0f} s", file=sys.stderr)
        time.sleep(max(pause(attempt), wait))
    raise AssertionError("unreachable")


def number_of(made: object) -> str:
    """The id of what a POST has made. Raises NoNumber."""
    number = getattr(made, "id", None)
    if isinstance(number, str) and number:
        return number
    raise NoNumber(f"the server tells no id of what it made: {made}")


def is_marked(metadata: object, field: str, value: str) -> bool:
    return isinstance(metadata, dict) and metadata.get(field) == value


def is_refusal(error: openai.APIStatusError) -> bool:
    """The server did nothing, and will not do it at another try either."""
    return error.code == "insufficient_quota" or not may_pass(error.status_code)


def upload_once(client: openai.OpenAI, attempts: int, content: bytes) -> str:
    """The id of the fine-tuning file with this content, sent unless it is there: its name is its hash."""
    name = f"cot-distill-{hashlib.sha256(content).hexdigest()[:32]}.jsonl"

    def find() -> str | None:
        for file in client.files.list(purpose="fine-tune"):
            if (file.filename, file.bytes) == (name, len(content)) and file.status != "error":
                return file.id
        return None

    def make() -> str:
        poster = client.with_options(max_retries=0)
        return number_of(poster.files.create(file=(name, content), purpose="fine-tune"))

    return make_once(attempts, find, make)


class Server:
    """An endpoint's Batch API. Errors are ValueErrors: endpoint, address and cause, never the key."""

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        self.name = name
        self.endpoint = endpoint
        self.client = connect_client(name, endpoint)
        self.poster = self.client.with_options(max_retries=0)

    def check(self) -> None:
        """Raises ValueError if the server cannot be reached, refuses the key or has no Batch API."""
        with self.errors_as_values("Batch API"):
            self.client.files.list(purpose="batch", limit=1)
            self.client.batches.list(limit=1)

    def batch(self, number: str) -> Batch:
        with self.errors_as_values(f"batch {number}"):
            return self.client.batches.retrieve(number)

    def content(self, number: str) -> bytes:
        with self.errors_as_values(f"file {number}"):
            content: bytes = self.client.files.content(number).content
            return content

    def find_file(self, job: Job) -> str | None:
        with self.errors_as_values("files"):
            files = self.client.files.list(purpose="batch")
            return next((file.id for file in files if file.filename == file_name(job)), None)

    def find_batch(self, job: Job) -> str | None:
        """One that failed as a whole does not count: it has cost nothing and will not change."""
        with self.errors_as_values("batches"):
            for batch in self.client.batches.list(limit=100):
                if is_marked(batch.metadata, MARK, job.id) and batch.status != "failed":
                    return batch.id
        return None

    def upload(self, job: Job, content: bytes) -> str:
        """The id of the job's file."""

        def make() -> str:
            return number_of(self.poster.files.create(file=(file_name(job), content), purpose="batch"))

        return self.post(job, lambda: self.find_file(job), make)

    def create(self, job: Job) -> str:
        """The id of the job's batch."""

        def make() -> str:
            path: Any = "/v1" + job.path
            made = self.poster.batches.create(
                input_file_id=job.file, endpoint=path, completion_window="24h", metadata={MARK: job.id}
            )
            return number_of(made)

        return self.post(job, lambda: self.find_batch(job), make)

    def post(self, job: Job, find: Callable[[], str | None], make: Callable[[], str]) -> str:
        """The id of what `find` finds or `make` makes, at most once.

        Raises Refused if nothing was done, ValueError if nobody knows. What `find` meets is never a refusal:
        an earlier run may have posted.
        """

        def make_or_refuse() -> str:
            try:
                return make()
            except openai.APIStatusError as error:
                if is_refusal(error):
                    raise Refused(self.error_line(error, job.owner)) from error
                raise

        with self.errors_as_values(job.owner):
            return make_once(self.endpoint.attempts, find, make_or_refuse)

    @contextmanager
    def errors_as_values(self, what: str) -> Iterator[None]:
        """Turn the client's errors into ValueErrors about `what`."""
        try:
            yield
        except (openai.OpenAIError, json.JSONDecodeError, NoNumber, *ODD_FORM) as error:
            line = self.error_line(error, what)
            raise ValueError(f"{line}; nothing is lost: run again to go on") from error

    def error_line(self, error: Exception, what: str) -> str:
        status = error.status_code if isinstance(error, openai.APIStatusError) else None
        hint = NO_SUCH if status == 404 else HINTS.get(status or 0, "")
        text = hide_secrets(str(error), self.endpoint)[:300]
        where = f"endpoint {self.name!r}, {self.endpoint.base_url}, {what}"
        return f"{where}: {text}; {hint}" if hint else f"{where}: {text}"


def file_name(job: Job) -> str:
    return f"cot-distill-{job.id}.jsonl"
