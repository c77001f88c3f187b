"""Once: make something on the server that must not be made twice, whatever becomes of the responses."""

import hashlib
import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import openai

from stages.endpoint.calls import AGAIN
from stages.endpoint.limits import LONG, pause, retry_after

Made = TypeVar("Made")


def once(attempts: int, find: Callable[[], Made | None], make: Callable[[], Made]) -> Made:
    """What is there already, else what is made. A lost response may be that of a success: every further try,
    and the end, looks first.
    """
    failed: openai.APIError | json.JSONDecodeError | None = None
    for attempt in itertools.count():
        if (found := find()) is not None:
            return found
        if failed and attempt == attempts:
            raise failed
        try:
            return make()
        except openai.APIStatusError as error:
            if (
                error.status_code not in AGAIN and error.status_code < 500
            ) or error.code == "insufficient_quota":
                raise
            failed = error
            wait = retry_after(error.response.headers) or 0.0
        except (openai.APIConnectionError, json.JSONDecodeError) as error:
            failed = error
            wait = 0.0
        if wait > LONG:
            print(f"the server asks to wait {wait:,.0f} s", file=sys.stderr)
        time.sleep(max(pause(attempt), wait))
    raise AssertionError("unreachable")


def upload(client: openai.OpenAI, attempts: int, content: bytes) -> str:
    """The id of the fine-tuning file with this content, sent unless the server has it: its name
    is its hash.
    """
    name = f"cot-distill-{hashlib.sha256(content).hexdigest()[:32]}.jsonl"

    def find() -> str | None:
        listed = client.files.list(purpose="fine-tune")
        return next(
            (
                file.id
                for file in listed
                if (file.filename, file.bytes) == (name, len(content)) and file.status != "error"
            ),
            None,
        )

    return once(
        attempts,
        find,
        lambda: client.with_options(max_retries=0).files.create(file=(name, content), purpose="fine-tune").id,
    )
