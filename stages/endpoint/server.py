"""Server: the Batch API's calls. What a POST may have done is looked for before it is repeated, for its
response can get lost.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai
from openai.types import Batch

from stages.config.endpoint import Endpoint
from stages.endpoint.calls import AGAIN, HINTS
from stages.endpoint.jobs import Job
from stages.endpoint.once import once
from stages.endpoint.secret import api_key, hide

MARK = "cot_distill_job"  # the field of a batch's metadata that names the job
NO_SUCH = (
    "does this server have the Batch API (`mode: live` needs none), and is the key of the account that"
    " submitted the batch?"
)


class Refused(ValueError):
    """The server will not do what a POST asked: nothing was done."""


class Server:
    """An endpoint's files and batches. Errors are ValueErrors that name endpoint, address and cause, and
    never the key.
    """

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        self.name = name
        self.endpoint = endpoint
        retries = endpoint.attempts - 1
        self.client = openai.OpenAI(
            api_key=api_key(name, endpoint),
            base_url=endpoint.base_url,
            timeout=endpoint.timeout,
            max_retries=retries,
        )
        self.poster = self.client.with_options(max_retries=0)

    def check(self) -> None:
        """Raises ValueError if the server cannot be reached, refuses the key or has no Batch API."""
        with self.plainly("Batch API"):
            self.client.files.list(purpose="batch", limit=1)
            self.client.batches.list(limit=1)

    def batch(self, number: str) -> Batch:
        with self.plainly(f"batch {number}"):
            return self.client.batches.retrieve(number)

    def content(self, number: str) -> bytes:
        with self.plainly(f"file {number}"):
            content: bytes = self.client.files.content(number).content
            return content

    def find_file(self, job: Job) -> str | None:
        with self.plainly("files"):
            return next(
                (
                    file.id
                    for file in self.client.files.list(purpose="batch")
                    if file.filename == file_name(job)
                ),
                None,
            )

    def find_batch(self, job: Job) -> str | None:
        """One that failed as a whole does not count: it has cost nothing and will not change."""
        with self.plainly("batches"):
            marked = (
                batch
                for batch in self.client.batches.list(limit=100)
                if (batch.metadata or {}).get(MARK) == job.id
            )
            return next((batch.id for batch in marked if batch.status != "failed"), None)

    def upload(self, job: Job, content: bytes) -> str:
        """The id of the job's file."""

        def post() -> str:
            return self.poster.files.create(file=(file_name(job), content), purpose="batch").id

        return self.post(job, lambda: self.find_file(job), post)

    def create(self, job: Job) -> str:
        """The id of the job's batch."""

        def post() -> str:
            path: Any = "/v1" + job.path
            return self.poster.batches.create(
                input_file_id=job.file, endpoint=path, completion_window="24h", metadata={MARK: job.id}
            ).id

        return self.post(job, lambda: self.find_batch(job), post)

    def post(self, job: Job, find: Callable[[], str | None], make: Callable[[], str]) -> str:
        """Raises Refused if nothing was done, ValueError if nobody knows. What `find` meets is never a
        refusal: an earlier run may have posted.
        """

        def made() -> str:
            try:
                return make()
            except openai.APIStatusError as error:
                if error.code == "insufficient_quota" or (
                    error.status_code not in AGAIN and error.status_code < 500
                ):
                    raise Refused(self.told(error, job.owner)) from error
                raise

        with self.plainly(job.owner):
            return once(self.endpoint.attempts, find, made)

    @contextmanager
    def plainly(self, what: str) -> Iterator[None]:
        try:
            yield
        except (openai.OpenAIError, json.JSONDecodeError) as error:
            raise ValueError(f"{self.told(error, what)}; nothing is lost: run again to go on") from error

    def told(self, error: Exception, what: str) -> str:
        """An error on one line."""
        status = error.status_code if isinstance(error, openai.APIStatusError) else None
        hint = NO_SUCH if status == 404 else HINTS.get(status or 0, "")
        return (
            f"endpoint {self.name!r}, {self.endpoint.base_url}, {what}:"
            f" {hide(str(error), self.endpoint)[:300]}" + (f"; {hint}" if hint else "")
        )


def file_name(job: Job) -> str:
    return f"cot-distill-{job.id}.jsonl"
