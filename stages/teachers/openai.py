"""Teacher `openai`: a model behind any OpenAI-compatible endpoint (OpenAI, vLLM, SGLang, llama.cpp,
`transformers serve`).

Asked as a method of stages/methods asks: chat models in one call (chat_cot, reasoning_cot), completion models
with zero-shot-CoT in two steps (Fine-tune-CoT section 3, step 1), few-shot-CoT (SCoTD section 2), CasCoD's
prompt (its Table 9). Every answer is paid once: it goes into the store, and the completions are read from
there.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from stages.asking.conversation import UNSCORED, Asking, ask_all, completions, with_wrong_answers
from stages.asking.request import Request
from stages.config.contracts import Method
from stages.config.load import Fields
from stages.config.method import max_tokens_of, read_method
from stages.config.samples import Fewer, Samples
from stages.endpoint import transport
from stages.records.completion import Completion
from stages.records.example import Example
from stages.text.formats import system_of


class Settings(Samples):
    backend: Literal["openai"]
    endpoint: str  # a block under `endpoints`: where, how fast, for how much. Not part of what is asked
    model: str  # as the endpoint calls it
    api: Literal["chat", "completions"] = "chat"
    # a block under `methods`, for its prompts. Left out: chat_cot where `api`
    # is chat, else zero_shot_cot, in two steps
    method: str
    temperature: float | None = Field(0.0, ge=0)  # null: leave it out, for models that take none
    top_p: float | None = Field(None, gt=0, le=1)
    # where the server takes them; OpenAI's own does not
    top_k: int | None = Field(None, ge=1)
    min_p: float | None = Field(None, ge=0, le=1)
    # L_r, tokens a step; auto: as many as the method says, 128 or more; null: leave it out
    max_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    stop: list[str] | None = None  # null: the method's own
    system: str = ""  # chat: the system's message, else the method's `system`
    seed: int | None = None  # sample k is asked with seed + k, where the server supports it
    logprobs: bool = False  # ask for token log-probabilities; they change no answer
    keep_reasoning: bool = False  # a reasoning model's separate reasoning goes in front of its text
    # further fields of the request, such as reasoning_effort
    extra: Fields = Field(default_factory=dict)
    salt: str = ""  # another one asks everything anew
    max_missing: float = Field(0.0, ge=0, lt=1)  # share of completions that may fail before the stage does
    # a file of answers that were given before (data/completions/*.jsonl, `cot store export`): they are in the
    # store before anything is asked
    answers: str | None = None

    @model_validator(mode="before")
    @classmethod
    def one_call_where_one_serves(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "method" in values:
            return values
        chat = values.get("api", "chat") == "chat"
        return values | {"method": "chat_cot" if chat else "zero_shot_cot"}

    @model_validator(mode="after")
    def samples_differ(self) -> "Settings":
        if self.samples > 1 and self.temperature == 0 and self.seed is None:
            raise ValueError("greedy samples are all the same: give a temperature with samples > 1")
        return self


def answer_tokens(settings: Settings, method: Method) -> int | None:
    """The most tokens of a step's answer; None: the server's own limit."""
    return max_tokens_of(method) if settings.max_tokens == "auto" else settings.max_tokens


def to_request(settings: Settings, method: Method, how: Any) -> Callable[[str], Request]:
    """What becomes of a prompt. `endpoint`, `samples` and everything else that changes no answer stay out."""
    stops = method.stops(how) if settings.stop is None else settings.stop
    # no fields of the API that all servers share
    sampling = {name: value for name in ("top_k", "min_p") if (value := getattr(settings, name)) is not None}

    def request(prompt: str) -> Request:
        return Request(
            kind=settings.api,
            model=settings.model,
            prompt=prompt,
            system=settings.system or system_of(how) or "",
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=answer_tokens(settings, method),
            stop=tuple(stops),
            seed=settings.seed,
            extra=sampling | settings.extra,
            salt=settings.salt,
            logprobs=settings.logprobs,
        )

    return request


def asking(
    settings: Settings,
    demonstrations: str,
    fewer: Fewer | None = None,
    params: dict[str, Any] | None = None,
) -> Asking:
    """The method's asking side with this teacher's request. `params`: in place of ./params.yaml."""
    method, how, reader = read_method(settings.method, params)
    request = to_request(settings, method, how)
    return Asking(
        method,
        how,
        demonstrations,
        settings.samples,
        request,
        settings.keep_reasoning,
        paid=True,
        reader=reader,
        fewer=fewer or {},
    )


def given_answers(settings: Settings) -> Path | None:
    return Path(settings.answers) if settings.answers else None


def complete(
    examples: list[Example], settings: Settings, raw: Path, demonstrations: str, fewer: Fewer | None = None
) -> Iterator[Completion]:
    """Ask for what the store does not have, then read everything from it. The raw folder is not read.

    `fewer`: samples of the questions that are asked less often. Raises ValueError if more than `max_missing`
    of the completions did not come; what did come is kept.
    """
    asked = with_wrong_answers(asking(settings, demonstrations, fewer), examples)
    who = transport.connect(settings.endpoint, examples, asked, given_answers(settings))
    failed = ask_all(examples, asked, who.stored, who.fulfil)
    total = sum(map(asked.samples_of, examples))
    if len(failed) > settings.max_missing * total:
        raise ValueError(
            f"teacher {settings.model!r}: {len(failed)} answers towards {total} completions did not come; all"
            " others are in the store: run again to ask for these only, or allow a shortfall with"
            f" `max_missing`{who.reasons(failed)}"
        )
    unscored = 0
    for row in completions(examples, asked, who.stored):
        unscored += row.logprob is None
        yield row
    if settings.logprobs and unscored:
        print(
            f"teacher {settings.model!r}: answers of {unscored:,} of {total:,} completions {UNSCORED}",
            file=sys.stderr,
        )


def missing(
    examples: list[Example], settings: Settings, demonstrations: str, fewer: Fewer | None = None
) -> dict[str, int]:
    """What did not come, within `max_missing`, by kind."""
    asked = with_wrong_answers(asking(settings, demonstrations, fewer), examples)
    return transport.missing_by_kind(examples, asked)


def plan(examples: list[Example], settings: Settings, demonstrations: str, fewer: Fewer | None = None) -> str:
    """What is not in the store yet, and what it would cost: nothing is asked."""
    asked = with_wrong_answers(asking(settings, demonstrations, fewer), examples)
    text = transport.plan(settings.endpoint, examples, asked, given_answers(settings))
    return f"{text}\n{saved_text(examples, settings, asked)}" if fewer else text


def saved_text(examples: list[Example], settings: Settings, asked: Asking) -> str:
    """Both numbers of samples, and what is saved against asking all questions as often."""
    few = sum(example.id in asked.fewer for example in examples)
    total = sum(map(asked.samples_of, examples))
    most = len(examples) * settings.samples
    costs = [
        transport.missing_dollars(settings.endpoint, examples, one)
        for one in (replace(asked, fewer={}), asked)
    ]
    expected, at_most = (
        "unknown" if full is None or lean is None else f"{full - lean:,.4f}"
        for full, lean in zip(*costs, strict=True)
    )
    return (
        f"samples: {settings.samples} of each of {len(examples) - few:,} questions,"
        f" {settings.samples_test} of {few:,} that no split learns from: {total:,} completions\n"
        f"saved:   {most - total:,} of {most:,} completions ({(most - total) / most:.0%}), dollars: expected"
        f" {expected}, at most {at_most}"
    )


def verbatim(settings: Settings) -> Settings:
    """For texts that are whole prompts."""
    return settings.model_copy(update={"method": "bare"})
