"""Prices: what tokens and annotations cost. Plain arithmetic; whatever is not known stays None and never
becomes zero.
"""

import re
from collections.abc import Mapping

from stages.config.endpoint import Price

MILLION = 1_000_000
# dollars a row: 30 rows an hour at 20 dollars an hour, as Fine-tune-CoT appendix F rounds it
ANNOTATION = 0.67
# "gpt-4o-mini-2024-07-18"; a bare "-0613" is no family's day
SNAPSHOT = re.compile(r"(?P<family>.+)-\d{4}-\d{2}-\d{2}")


def price_of(prices: Mapping[str, Price], model: str) -> Price | None:
    """The price of a model, None where the table does not tell it for certain.

    A dated snapshot costs what its family costs, unless the table prices that family snapshot by snapshot
    ("gpt-4o-2024-05-13" is dearer than "gpt-4o"). A fine-tuned "ft:BASE:organization:suffix:id" is found
    under "ft:BASE", never under "BASE": it costs more.
    """
    name = ":".join(model.split(":")[:2]) if model.startswith("ft:") else model
    if (exact := prices.get(model) or prices.get(name)) is not None:
        return exact
    found = SNAPSHOT.fullmatch(name)
    if not found or any(
        (other := SNAPSHOT.fullmatch(listed)) and other["family"] == found["family"] for listed in prices
    ):
        return None
    return prices.get(found["family"])


def dollars(
    price: Price | None,
    tokens_in: int | None,
    tokens_cached: int | None,
    tokens_out: int | None,
    batch: bool = False,
) -> float | None:
    """Dollars for tokens in (the cached ones among them) and out; None if the price or a count is unknown.

    Untold cached tokens count as none, and a batch's as not cached: never too little (OpenAI's list names no
    cached price for a batch of most models).
    """
    if price is None or tokens_in is None or tokens_out is None:
        return None
    cached = 0 if batch or price.cached is None else min(tokens_cached or 0, tokens_in)
    full = (tokens_in - cached) * price.input + tokens_out * price.output
    return (full * (price.batch if batch else 1) + cached * (price.cached or 0)) / MILLION
