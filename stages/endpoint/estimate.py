"""Estimate: what calls will cost, before they are sent.

Estimates for people, and an upper bound for what a budget sets aside.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count
from math import ceil

from stages.asking.conversation import Asking, Failures, Stored, Wanted, ask_all
from stages.asking.prices import dollars
from stages.asking.request import Answer, Request
from stages.config.endpoint import Price
from stages.endpoint.http import Parcel, parcels
from stages.records.example import Example

# of UTF-8. English prose has 4 and more (OpenAI's rule of thumb), so an estimate is rather too high
BYTES_PER_TOKEN = 3
MARKS = 64  # tokens that a server may put around the texts of a call: roles, marks, a chat template's head
LONGEST = 131_072  # tokens out where nothing caps them: 128K, the longest answer on OpenAI's list of models
USUAL = 1024  # the same where it is only for the pace of calls
# what newer models charge, times the price of input, for a prompt that they put into their cache (gpt-5.6,
# gpt-6)
CACHE_WRITE = 1.25
# stands for an answer that a rehearsed prompt would hold; private-use marks, in no real text
TO_COME = re.compile("\ue000\\d+\ue001")
Call = tuple[Parcel, int]  # with the number of answers that its prompt waits for


# ---- one call


def count_bytes(text: str) -> int:
    """Bytes of UTF-8; half a surrogate pair, which a broken file can hold, counts as its three."""
    return len(text.encode("utf-8", "surrogatepass"))


def estimate_tokens(text: str) -> int:
    """Without a tokenizer, for any language: bytes over three."""
    return ceil(count_bytes(text) / BYTES_PER_TOKEN)


def token_cap(request: Request, otherwise: int = LONGEST) -> int:
    """The most tokens that a sample may have, `otherwise` where nothing caps it.

    What stands in `extra` replaces that field of the call's body; of two caps the larger one counts.
    """
    caps = (request.extra.get("max_tokens", request.max_tokens), request.extra.get("max_completion_tokens"))
    return max((value for value in caps if isinstance(value, int)), default=otherwise)


def paid_samples(request: Request, samples: int) -> int:
    """How many samples of a call are paid: `n` and `best_of` in `extra` can ask for more than are read."""
    asked = (request.extra.get(name) for name in ("n", "best_of"))
    return max(samples, *(value for value in asked if isinstance(value, int)), 1)


def paced_tokens(request: Request, samples: int) -> int:
    """Tokens of one call as a limit a minute counts them: its texts, and the cap of every paid sample.

    An answer that nothing caps counts as USUAL tokens: with LONGEST a call would hold the next one back for
    minutes.
    """
    texts = estimate_tokens(request.system) + estimate_tokens(request.prompt)
    return texts + paid_samples(request, samples) * token_cap(request, USUAL)


def most_tokens(request: Request, samples: int, to_come: int = 0) -> tuple[int, int]:
    """Upper bounds of the tokens in and out of one HTTP call for so many samples.

    In: a token of a byte-level vocabulary (OpenAI, Llama 3, Qwen) spells at least one byte of the text, in
    every language; extra fields (tools, a JSON schema) become input too; `to_come` answers that are still to
    be written into the prompt have `token_cap` tokens each. Out: `token_cap` tokens a sample.
    """
    fields = json.dumps(request.extra, ensure_ascii=False) if request.extra else ""
    texts = count_bytes(request.system) + count_bytes(request.prompt) + count_bytes(fields)
    cap = token_cap(request)
    return texts + MARKS + to_come * cap, paid_samples(request, samples) * cap


def most_dollars(
    request: Request, samples: int, price: Price | None, batch: bool = False, to_come: int = 0
) -> float | None:
    """Upper bound in dollars of one HTTP call: `most_tokens`, those in at CACHE_WRITE; None: no price."""
    tokens_in, tokens_out = most_tokens(request, samples, to_come)
    return dollars(price, ceil(tokens_in * CACHE_WRITE), 0, tokens_out, batch)


def tokens_used(answers: Iterable[Answer]) -> tuple[int | None, int | None, int | None]:
    """Tokens in, cached among them, and out of all answers of a response; None where one is not told.

    Untold cached tokens are none.
    """
    counts = [(answer.tokens_in, answer.tokens_cached or 0, answer.tokens_out) for answer in answers]
    tokens_in, cached, tokens_out = (
        None if None in column else sum(count or 0 for count in column)
        for column in zip(*counts, strict=True)
    )
    return tokens_in, cached, tokens_out


def no_price(name: str, model: str) -> str:
    """Why a budget cannot be kept."""
    return (
        f"endpoint {name!r} has a budget, but the price of {model!r} is unknown: add it under `prices`, or"
        " drop the budget"
    )


def budget_used_up(name: str, budget: float, spent: float, what: str, cost: float | None) -> str:
    """Why nothing more is asked: `what` is next, at a cost of so many dollars at most."""
    return (
        f"the budget of {budget:.2f} dollars at endpoint {name!r} is used up: {spent:.4f} spent or set aside,"
        f" {what} may cost {cost:.4f}; raise `endpoints.{name}.budget` to go on"
    )


# ---- all that is to be asked


@dataclass(frozen=True)
class Averages:
    """What stored answers took: the base of a projection."""

    answers: int
    tokens_out: float  # of one answer; all steps of a conversation alike


def average_tokens(tokens_out: Iterable[int | None]) -> Averages | None:
    """Of answers, be their conversation finished or not; None stands for an answer that does not tell.

    None for the averages if no answer tells.
    """
    known = [tokens for tokens in tokens_out if tokens is not None]
    return Averages(len(known), sum(known) / len(known)) if known else None


def rehearse(examples: list[Example], asking: Asking, stored: Stored) -> list[Wanted]:
    """All that is missing, the later steps of every conversation included. Nothing is asked.

    An answer that a later prompt would hold is replaced by a mark. The number of steps must not hang on what
    is answered, as it does for no method here.
    """
    asked: dict[str, Wanted] = {}
    made: dict[str, dict[int, Answer]] = {}
    number = count()

    def known(key: str) -> dict[int, Answer]:
        return {**made.get(key, {}), **stored(key)}

    def make_up(wanted: list[Wanted]) -> Failures:
        for want in wanted:
            asked.setdefault(want.key, Wanted(want.request, want.key)).samples.extend(want.samples)
            made.setdefault(want.key, {}).update(
                {sample: Answer(f"\ue000{next(number)}\ue001", "stop") for sample in want.samples}
            )
        return {}

    ask_all(examples, asking, known, make_up)
    return list(asked.values())


@dataclass(frozen=True)
class Plan:
    """What is missing and what it will cost; None: unknown. All but `under_way` is of what is to be asked."""

    under_way: int  # samples that a batch or another process is asking for
    requests: int  # HTTP calls, if none has to be repeated
    samples: int
    tokens_in: int | None  # expected
    tokens_out: int | None
    most_in: int
    most_out: int
    dollars: float | None  # expected
    at_most: float | None
    basis: str  # what the tokens rest on
    price: str

    def __str__(self) -> str:
        """Four lines for people."""

        def number(value: float | None, form: str) -> str:
            return "unknown" if value is None else format(value, form)

        tokens_in = number(self.tokens_in, ",")
        tokens_out = number(self.tokens_out, ",")
        return (
            f"missing: {self.under_way + self.samples:,} samples: {self.under_way:,} under way,"
            f" {self.samples:,} to be asked in {self.requests:,} requests\n"
            f"tokens:  expected {tokens_in} in, {tokens_out} out, an estimate ({self.basis});"
            f" at most {self.most_in:,} in, {self.most_out:,} out\n"
            f"dollars: expected {number(self.dollars, ',.4f')}, at most {number(self.at_most, ',.4f')}\n"
            f"price:   {self.price}"
        )


def price_text(price: Price | None, models: list[str], batch: bool) -> str:
    if price is None:
        return f"unknown for {', '.join(models) or 'no model'}: add it under `prices` in params.yaml"
    factor = f", times {price.batch:g} in a batch" if batch else ""
    listed = f"dollars for a million tokens as listed on {price.listed}"
    return f"{price.input:g} in, {price.output:g} out{factor}, {listed}"


def plan_calls(
    wanted: list[Wanted],
    price: Price | None,
    seen: Averages | None = None,
    per_request: int = 1,
    batch: bool = False,
    under_way: int = 0,
) -> Plan:
    """The figures of a dry run for what `rehearse` found.

    `under_way` samples are missing besides `wanted`, and others ask for them: only their number is told.

    Expected: prompts as `estimate_tokens` has them, answers as long as the stored ones. At most:
    `most_dollars` of each call; one that has to be repeated comes on top, for a call whose answer got lost
    may have been billed.
    """
    calls = waiting_calls(wanted, per_request)
    tokens_in, tokens_out = expected_tokens(calls, seen)
    bounds = [most_tokens(parcel.request, len(parcel.samples), marks) for parcel, marks in calls]
    costs = [
        most_dollars(parcel.request, len(parcel.samples), price, batch, marks) for parcel, marks in calls
    ]
    answers = f"answers: as {seen.answers:,} stored ones" if seen else "no stored answer to go by"
    return Plan(
        under_way=under_way,
        requests=len(calls),
        samples=sum(len(parcel.samples) for parcel, _ in calls),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        most_in=sum(most_in for most_in, _ in bounds),
        most_out=sum(most_out for _, most_out in bounds),
        dollars=dollars(price, tokens_in, 0, tokens_out, batch),
        at_most=None if price is None else sum(cost or 0.0 for cost in costs),
        basis=f"prompts: bytes / {BYTES_PER_TOKEN}; {answers}",
        price=price_text(price, sorted({parcel.request.model for parcel, _ in calls}), batch),
    )


def waiting_calls(wanted: list[Wanted], per_request: int) -> list[Call]:
    calls = []
    for parcel in parcels(wanted, per_request):
        prompt, marks = TO_COME.subn("", parcel.request.prompt)
        calls.append((replace(parcel, request=replace(parcel.request, prompt=prompt)), marks))
    return calls


def expected_tokens(calls: list[Call], seen: Averages | None) -> tuple[int | None, int | None]:
    """Tokens in and out of all calls; None: unknown."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    length = seen.tokens_out if seen else 0.0
    lengths = [min(length, token_cap(parcel.request)) for parcel, _ in calls]
    if seen or not any(marks for _, marks in calls):
        tokens_in = sum(
            estimate_tokens(parcel.request.system + parcel.request.prompt) + round(marks * answer)
            for (parcel, marks), answer in zip(calls, lengths, strict=True)
        )
    if seen or not calls:
        tokens_out = round(
            sum(
                answer * paid_samples(parcel.request, len(parcel.samples))
                for (parcel, _), answer in zip(calls, lengths, strict=True)
            )
        )
    return tokens_in, tokens_out
