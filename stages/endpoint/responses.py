"""Responses: the answers in what a server sends, live or in a batch's files.

A response costs money once it is written: what is odd in it costs no more than the field it stands in, and
nothing in it raises anything but Malformed.
"""

import json
import math
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from stages.asking.request import Answer
from stages.endpoint.content import (
    FAILED,
    Malformed,
    as_text,
    finish_reason,
    joined_parts,
    name_of,
    refused_parts,
)
from stages.text.thoughts import spoken

# what nonsense in the place of a field can raise
NONSENSE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
LONGEST_NUMBER = 18  # digits of a whole number: SQLite holds it


def parse_json(content: bytes | str) -> Any:
    """A body as JSON. Raises Malformed for what is none, and for what is nested too deep to be read."""
    text = content.decode("utf-8-sig", "replace") if isinstance(content, bytes) else content
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"no JSON that can be read ({error})") from error


def whole_number(digits: str) -> int | float:
    """A longer one is no count: Python refuses to read one of 5,000 digits."""
    return int(digits) if len(digits) <= LONGEST_NUMBER else float(digits)


DECODER = json.JSONDecoder(parse_int=whole_number)  # `json.loads` makes one for each text


class Choice(NamedTuple):
    """One sample as a response has it."""

    text: str
    reasoning: str
    finish_reason: str
    logprobs: list[tuple[str, float]] | None


def read_answers(payload: Any, samples: list[int], stop: tuple[str, ...] = ()) -> dict[int, Answer]:
    """Sample -> answer, in the order of the choices of a response.

    A response may hold fewer choices than were asked for, never other ones. Texts end before the first of the
    `stop` marks: `transformers serve` leaves the mark in. Raises Malformed for a response in which no choice
    has a text; beside others that have one, a choice without is left out.
    """
    try:
        return to_answers(payload, samples, stop)
    except Malformed:
        raise
    except NONSENSE as error:
        raise Malformed(f"a response of another form ({type(error).__name__}: {error})") from error


def to_answers(payload: Any, samples: list[int], stop: tuple[str, ...]) -> dict[int, Answer]:
    """`read_answers`. Raises what nonsense raises."""
    choices = read_choices(payload, len(samples))
    usage = payload.get("usage") or {}
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    tokens_in = token_count(usage, "prompt_tokens")
    cached = token_count(details, "cached_tokens")
    lengths = [len(choice.text) + len(choice.reasoning) for choice in choices]
    shares = share_tokens(token_count(usage, "completion_tokens"), lengths)
    answers: dict[int, Answer] = {}
    for sample, choice, tokens_out in zip(samples, choices, shares, strict=False):
        text = before_stop(choice.text, stop)
        answers[sample] = Answer(
            text=text,
            finish_reason="stop" if text != choice.text else choice.finish_reason,
            reasoning=choice.reasoning,
            # the prompt is counted on the first answer
            tokens_in=0 if answers and tokens_in is not None else tokens_in,
            tokens_out=tokens_out,
            tokens_cached=0 if answers and cached is not None else cached,
            logprobs=choice.logprobs,
            model=name_of(payload.get("model")),
            fingerprint=name_of(payload.get("system_fingerprint")),
        )
    return answers


def read_choices(payload: Any, most: int) -> list[Choice]:
    """The first `most` choices of a response, without those that have no text. Raises Malformed for none."""
    choices = payload.get("choices") if isinstance(payload, dict) else None
    if not isinstance(choices, list) or not choices:
        raise Malformed(f"no choices in the response {as_text(payload)}")
    found = []
    for choice in choices[:most]:
        try:
            found.append(read_choice(choice))
        except NONSENSE:
            if len(choices) == 1:
                raise
    if not found:
        raise Malformed(f"no text in any choice of {as_text(choices)}")
    return found


def read_choice(choice: Any) -> Choice:
    """A choice of the chat or of the completions API. Raises Malformed for one without a text."""
    if not isinstance(choice, dict):
        raise Malformed(f"a choice is {as_text(choice)}")
    reason = finish_reason(choice.get("finish_reason"))
    native = finish_reason(choice.get("native_finish_reason"))  # OpenRouter's, of the provider behind it
    if reason in FAILED or choice.get("error") or (reason == "unknown" and native in FAILED):
        raise Malformed(f"the provider failed: {as_text(choice.get('error') or 'no reason given')}")
    message = choice.get("message")
    reasoning = None
    if isinstance(message, dict):
        text, thoughts = joined_parts(message.get("content"))
        refusals = refused_parts(message.get("content"))
        if refusals and not text:
            text = refusals
            reason = "refusal"
        reasoning = message.get("reasoning_content") or message.get("reasoning") or thoughts
    else:
        text = choice.get("text")
    if text is None and (reasoning or reason in ("length", "content_filter")):
        text = ""  # all tokens went into the reasoning, or the filter took what there was
    if text is None and isinstance(message, dict) and isinstance(message.get("refusal"), str):
        text = message["refusal"]
        reason = "refusal"
    if not isinstance(text, str) or (reason == "other" and not text):
        raise Malformed(f"no text in the choice {as_text(choice)}")
    thought = reasoning if isinstance(reasoning, str) else ""
    said, inline = spoken(text)
    thought = f"{thought}\n{inline}".strip() if inline else thought
    return Choice(said, thought, reason, read_logprobs(choice.get("logprobs")))


def read_logprobs(given: Any) -> list[tuple[str, float]] | None:
    """Tokens of the answer with their log-probabilities, None for an unknown form.

    Chat has a list under `content`, completions two lists.
    """
    if not isinstance(given, dict):
        return None
    try:
        if given.get("content") is not None:
            return finite([(str(token["token"]), float(token["logprob"])) for token in given["content"]])
        pairs = zip(given["tokens"], given["token_logprobs"], strict=True)
        return finite([(str(token), float(value)) for token, value in pairs if value is not None])
    except NONSENSE:  # an answer that was paid is not lost over them
        return None


def finite(scores: list[tuple[str, float]]) -> list[tuple[str, float]] | None:
    """None where one of them is NaN or infinite: a sum of them would be no score."""
    return scores if all(math.isfinite(value) for _, value in scores) else None


def before_stop(text: str, stop: tuple[str, ...]) -> str:
    """The text before the first stop mark."""
    return text[: min((text.index(mark) for mark in stop if mark in text), default=len(text))]


def token_count(usage: Any, name: str) -> int | None:
    """A token count, None where the server tells none or nonsense: an unknown cost is not a cost of zero.

    So is a number that SQLite cannot hold, which would keep out all answers in its transaction.
    """
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def share_tokens(total: int | None, lengths: list[int]) -> list[int | None]:
    """`total` tokens over samples in proportion to their lengths: whole numbers that add up to it."""
    if total is None:
        return [None] * len(lengths)
    weights = lengths if sum(lengths) else [1] * len(lengths)
    ends = [total * through // sum(weights) for through in accumulate(weights)]
    return [end - begin for begin, end in pairwise([0, *ends])]
