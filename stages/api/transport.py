"""Transport: how wanted answers get into the store - live calls, the Batch API, or not at all (replay)."""

import os
from collections.abc import Mapping
from importlib import import_module

from stages.api import cost
from stages.api.reseed import reseed
from stages.api.store import Store
from stages.config.endpoint import Endpoint, Price
from stages.records.example import Example
from stages.talk import Asking, Failures, Fulfil, Wanted, completions

MODES = ("live", "batch", "replay")
FIRST = 5  # keys that replay names


def mode_of(endpoint: Endpoint) -> str:
    """$COT_MODE, else the endpoint's own."""
    mode = os.environ.get("COT_MODE") or endpoint.mode
    if mode not in MODES:
        raise ValueError(f"$COT_MODE is {mode!r}, wanted one of {', '.join(MODES)}")
    return mode


def connect(name: str, endpoint: Endpoint, prices: Mapping[str, Price]) -> tuple[Store, Fulfil]:
    """The store, and what puts missing answers into it."""
    store, mode = Store(), mode_of(endpoint)
    reseeded = False

    def fulfil(wanted: list[Wanted]) -> Failures:
        """Take back what DVC has, then ask for the rest in the endpoint's mode."""
        nonlocal reseeded
        if not reseeded:
            reseeded = True
            if reseed(store):
                wanted = missing(wanted, store)
        if not wanted:
            return {}
        if mode == "replay":
            raise ValueError(replay_miss(wanted, store, name, endpoint, prices))
        module = import_module(f"stages.api.{mode}")  # the client's library takes a second to import: not where all is in the store
        failures: Failures = module.fulfil(wanted, store, name, endpoint, prices)
        return failures

    return store, fulfil


def missing(wanted: list[Wanted], store: Store) -> list[Wanted]:
    """The part of what is wanted that the store does not have."""
    left = [Wanted(want.request, want.key, sorted({*want.samples} - store.answers(want.key).keys())) for want in wanted]
    return [want for want in left if want.samples]


def replay_miss(wanted: list[Wanted], store: Store, name: str, endpoint: Endpoint, prices: Mapping[str, Price]) -> str:
    """Which answers replay lacks, and what they would cost."""
    keys = ", ".join(want.key[:12] for want in wanted[:FIRST]) + (", ..." if len(wanted) > FIRST else "")
    figures = cost.plan(wanted, cost.price_of(prices, wanted[0].request.model), per_request=endpoint.samples_per_request)
    return (
        f"replay: {sum(len(want.samples) for want in wanted)} answers to {len(wanted)} requests are not in {store.path} (first keys: {keys}). Asked"
        f" at endpoint {name!r}:\n{figures}\nBring a store along ($COT_STORE), re-seed it (`python -m stages.store import data/completions/*.jsonl`),"
        " or ask with `mode: live`"
    )


def plan(examples: list[Example], asking: Asking, name: str, endpoint: Endpoint, prices: Mapping[str, Price]) -> str:
    """What asking would take, all steps of it, and what was spent so far. Nothing is asked."""
    store = Store()
    wanted = cost.rehearse(examples, asking, store.answers)
    seen = cost.averages(completions(examples, asking, store.answers))
    price, batch = cost.price_of(prices, asking.request("").model), mode_of(endpoint) == "batch"
    budget = "" if endpoint.budget is None else f" of a budget of {endpoint.budget:.2f}"
    figures = cost.plan(wanted, price, seen, endpoint.samples_per_request, batch)
    return f"{figures}\nspent at endpoint {name!r} so far: {store.spent(name):.4f} dollars{budget}"
