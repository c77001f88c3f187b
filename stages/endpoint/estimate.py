"""Cost: what calls will cost, before they are sent. Estimates for people, and an upper bound for what a
budget sets aside.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count
from math import ceil

from stages.asking.conversation import Asking, Failures, Stored, Wanted, ask_all
from stages.asking.prices import dollars, price_of
from stages.asking.request import Answer, Request
from stages.config.endpoint import Price
from stages.endpoint.http import Parcel, parcels
from stages.records.example import Example

__all__ = [
    "Averages",
    "Plan",
    "averages",
    "dollars",
    "expected",
    "load",
    "most",
    "plan",
    "price_of",
    "rehearse",
    "tokens_of",
    "worst",
]

# of UTF-8. English prose has 4 and more (OpenAI's rule of thumb), so an estimate is rather too high
BYTES_PER_TOKEN = 3
CALL = 64  # tokens that a server may put around the texts of a call: roles, marks, a chat template's head
LONGEST = 131_072  # tokens out where nothing caps them: 128K, the longest answer on OpenAI's list of models
USUAL = 1024  # the same where it is only for the pace of calls
# what newer models charge, times the price of input, for a prompt that they put into their cache (gpt-5.6,
# gpt-6)
CACHE_WRITE = 1.25
# stands for an answer that a rehearsed prompt would hold; private-use marks, in no real text
TO_COME = re.compile("\ue000\\d+\ue001")


def size(text: str) -> int:
    """Bytes of UTF-8; half a surrogate pair, which a broken file can hold, counts as its three."""
    return len(text.encode("utf-8", "surrogatepass"))


def tokens_of(text: str) -> int:
    """An estimate without a tokenizer, for any language: bytes over three."""
    return ceil(size(text) / BYTES_PER_TOKEN)


def cap(request: Request, otherwise: int = LONGEST) -> int:
    """The most tokens that a sample may have, `otherwise` where nothing caps it. What stands in `extra`
    replaces that field of the call's body.
    """
    caps = (request.extra.get("max_tokens", request.max_tokens), request.extra.get("max_completion_tokens"))
    return max((value for value in caps if isinstance(value, int)), default=otherwise)


def copies(request: Request, samples: int) -> int:
    """How many samples of a call are paid: `n` and `best_of` in the extra fields can ask for more than are
    read.
    """
    asked = (request.extra.get(name) for name in ("n", "best_of"))
    return max(samples, *(value for value in asked if isinstance(value, int)), 1)


def load(request: Request, samples: int) -> int:
    """Tokens of one call as a limit a minute counts them: its texts, estimated by `tokens_of`, and the cap of
    every sample that is paid.

    An answer that nothing caps counts as USUAL tokens: with LONGEST a call would hold the next one back for
    minutes.
    """
    return (
        tokens_of(request.system) + tokens_of(request.prompt) + copies(request, samples) * cap(request, USUAL)
    )


def most(request: Request, samples: int, to_come: int = 0) -> tuple[int, int]:
    """Upper bounds of the tokens in and out of one HTTP call for so many samples.

    In: a token of a byte-level vocabulary (OpenAI, Llama 3, Qwen) spells at least one byte of the text, in
    every language; extra fields (tools, a JSON schema) become input too; `to_come` answers that are still to
    be written into the prompt have `cap` tokens each. Out: `cap` tokens a sample.
    """
    fields = json.dumps(request.extra, ensure_ascii=False) if request.extra else ""
    tokens_in = size(request.system) + size(request.prompt) + size(fields) + CALL + to_come * cap(request)
    return tokens_in, copies(request, samples) * cap(request)


def worst(
    request: Request, samples: int, price: Price | None, batch: bool = False, to_come: int = 0
) -> float | None:
    """Upper bound in dollars of one HTTP call: `most` tokens, those in at CACHE_WRITE; None if the price is
    unknown.
    """
    tokens_in, tokens_out = most(request, samples, to_come)
    return dollars(price, ceil(tokens_in * CACHE_WRITE), 0, tokens_out, batch)


def expected(left: int, spent: float | None, done: int) -> float | None:
    """Dollars for `left` more samples if they cost as the `done` ones did on average; None if that is
    unknown.
    """
    return None if spent is None or done == 0 else spent / done * left


@dataclass(frozen=True)
class Averages:
    """What stored answers took: the base of a projection."""

    answers: int
    tokens_out: float  # of one answer; all steps of a talk alike


def averages(tokens_out: Iterable[int | None]) -> Averages | None:
    """Of the tokens of answers, finished talk or not; None stands for an answer that does not tell, and for
    the averages if none does.
    """
    told = [tokens for tokens in tokens_out if tokens is not None]
    return Averages(len(told), sum(told) / len(told)) if told else None


def rehearse(examples: list[Example], asking: Asking, stored: Stored) -> list[Wanted]:
    """All that is missing, the later steps of every talk included; an answer that such a prompt would hold is
    replaced by a mark.

    Nothing is asked. The number of steps must not hang on what is answered, as it does for no method here.
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
    """What is missing and what it will cost; str() tells it on four lines. None: unknown. All but `under_way`
    is of what is to be asked.
    """

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
        tokens_in, tokens_out = (
            "unknown" if tokens is None else f"{tokens:,}" for tokens in (self.tokens_in, self.tokens_out)
        )
        mean, most = (
            "unknown" if value is None else f"{value:,.4f}" for value in (self.dollars, self.at_most)
        )
        return (
            f"missing: {self.under_way + self.samples:,} samples: {self.under_way:,} under way,"
            f" {self.samples:,} to be asked in {self.requests:,} requests\ntokens:  expected {tokens_in} in,"
            f" {tokens_out} out, an estimate ({self.basis}); at most {self.most_in:,} in, {self.most_out:,}"
            f" out\ndollars: expected {mean}, at most {most}\nprice:   {self.price}"
        )


def told(price: Price | None, models: list[str], batch: bool) -> str:
    if price is None:
        return f"unknown for {', '.join(models) or 'no model'}: add it under `prices` in params.yaml"
    terms = f"{price.input:g} in, {price.output:g} out" + (
        f", times {price.batch:g} in a batch" if batch else ""
    )
    return f"{terms}, dollars for a million tokens as listed on {price.listed}"


def plan(
    wanted: list[Wanted],
    price: Price | None,
    seen: Averages | None = None,
    per_request: int = 1,
    batch: bool = False,
    under_way: int = 0,
) -> Plan:
    """The figures of a dry run for what `rehearse` found (or for one round of a talk: then without the steps
    that come after it).

    `under_way` samples are missing besides `wanted`, and others ask for them: only their number is told.

    Expected: prompts as `tokens_of` estimates them, answers as long as the stored ones. At most: `worst` of
    each call; one that has to be repeated comes on top, for a call whose answer got lost may have been
    billed.
    """
    calls: list[tuple[Parcel, int]] = []  # with the number of answers that its prompt waits for
    for parcel in parcels(wanted, per_request):
        prompt, marks = TO_COME.subn("", parcel.request.prompt)
        calls.append((replace(parcel, request=replace(parcel.request, prompt=prompt)), marks))
    bounds = [worst(parcel.request, len(parcel.samples), price, batch, marks) for parcel, marks in calls]
    tokens_in: int | None = None
    tokens_out: int | None = None
    length = seen.tokens_out if seen else 0.0
    if seen or not any(marks for _, marks in calls):
        tokens_in = sum(
            tokens_of(p.request.system + p.request.prompt) + round(marks * min(length, cap(p.request)))
            for p, marks in calls
        )
    if seen or not calls:
        tokens_out = round(
            sum(min(length, cap(p.request)) * copies(p.request, len(p.samples)) for p, _ in calls)
        )
    bounded = [most(parcel.request, len(parcel.samples), marks) for parcel, marks in calls]
    return Plan(
        under_way=under_way,
        requests=len(calls),
        samples=sum(len(parcel.samples) for parcel, _ in calls),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        most_in=sum(tokens for tokens, _ in bounded),
        most_out=sum(tokens for _, tokens in bounded),
        dollars=dollars(price, tokens_in, 0, tokens_out, batch),
        at_most=None if price is None else sum(bound or 0.0 for bound in bounds),
        basis=f"prompts: bytes / {BYTES_PER_TOKEN}; "
        + (f"answers: as {seen.answers:,} stored ones" if seen else "no stored answer to go by"),
        price=told(price, sorted({parcel.request.model for parcel, _ in calls}), batch),
    )


def usage(answers: Iterable[Answer]) -> tuple[int | None, int | None, int | None]:
    """Tokens in, cached among them, and out of all answers of a response; None where one is not told. Untold
    cached tokens are none.
    """
    told = [(answer.tokens_in, answer.tokens_cached or 0, answer.tokens_out) for answer in answers]
    sums = [
        None if None in column else sum(count or 0 for count in column) for column in zip(*told, strict=True)
    ]
    return sums[0], sums[1], sums[2]
