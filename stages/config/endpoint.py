"""Endpoints: where models are reached, and what they cost. Neither decides an answer.

The blocks `endpoints.<name>` and `prices` of params.yaml.
"""

import re
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from stages.config.base import Base
from stages.config.load import Block, check, find, read_params

SECRET = r"(?:key|token|secret|password|signature|\bsig\b)"
SECRET_VALUE = re.compile(rf"([?&;][^=&]*{SECRET}[^=&]*=)[^&]*", re.IGNORECASE)


def hide_login(url: Any) -> Any:
    """An address without its name and password, and without secrets in its query: before it is checked, for
    the check repeats what it got.
    """
    if not isinstance(url, str):
        return url
    url = SECRET_VALUE.sub(r"\1***", url)
    return "***@" + url.rpartition("@")[2] if "@" in url else url


def check_address(url: str) -> str:
    """Raises ValueError for what is no http address, and for one that holds a login or a key."""
    if "@" in url:
        raise ValueError(
            "an address with a name or password in it: put the key into the environment variable that"
            " `key_env` names"
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("no address of a server: wanted one such as http://localhost:8000/v1")
    if secret := [name for name, _ in parse_qsl(parts.query) if re.search(SECRET, name, re.IGNORECASE)]:
        raise ValueError(
            f"`{secret[0]}` in the address: put the key into the environment variable that `key_env` names"
        )
    return url


def iso_day(text: str) -> str:
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    raise ValueError("no day: wanted one like 2024-07-18")


class Endpoint(Block):
    """An OpenAI-compatible server: OpenAI, vLLM, SGLang, llama.cpp, `transformers serve`."""

    # up to and with /v1
    base_url: Annotated[str, AfterValidator(check_address), BeforeValidator(hide_login)]
    # the environment variable that holds the API key; the key itself stands in no file
    key_env: str | None = None
    # $COT_MODE overrides it; batch: half the price, within 24 hours; replay: the store alone
    mode: Literal["live", "batch", "replay"] = "live"
    # requests under way at once, at most: fewer after "too many requests"
    concurrency: int = Field(64, ge=1)
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0)
    timeout: float = Field(120.0, gt=0)  # seconds for one request
    attempts: int = Field(6, ge=1)  # tries of one request before it counts as failed
    # the API's `n`; 1 for servers that ignore it (transformers serve)
    samples_per_request: int = Field(1, ge=1)
    # dollars that may ever be spent here, as the store has counted them; needs a price per model
    budget: float | None = Field(None, ge=0)
    # the model's file, a `gguf`, where `cot serve` is to serve it at this address
    serve: Base | None = None
    # of use, as its operator states them: for the cards of `cot export`
    terms: str | None = None
    # minutes to wait for a batch before leaving it to the next `dvc repro`
    batch_wait: float = Field(0.0, ge=0)


class Price(Block):
    """Dollars for a million tokens, as listed on a day. A model without a price has an unknown cost."""

    listed: Annotated[str, AfterValidator(iso_day)]  # 2024-07-18
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(None, ge=0)  # input that the provider had cached; None: as `input`
    training: float | None = Field(None, ge=0)  # fine-tuning, per token seen
    batch: float = Field(1.0, ge=0, le=1)  # factor on input and output in the Batch API


def endpoint_and_prices(name: str) -> tuple[Endpoint, dict[str, Price]]:
    """The endpoint's block and the price table, read past DVC on purpose: neither decides an answer."""
    params = read_params()
    prices = {
        model: check(f"prices.{model}", values, Price) for model, values in params.get("prices", {}).items()
    }
    return check(f"endpoints.{name}", find(params, f"endpoints.{name}"), Endpoint), prices
