"""Transport: how wanted answers get into the store - live calls, the Batch API, or not at all (replay)."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from stages.asking.conversation import UNSCORED, Answerer, Asking, Failures, Wanted, replay
from stages.asking.prices import price_of
from stages.asking.request import Answer
from stages.asking.reseed import reseed
from stages.asking.store import Store
from stages.config.endpoint import Endpoint, Price, endpoint_and_prices
from stages.endpoint.estimate import Plan, average_tokens, plan_calls, rehearse
from stages.endpoint.keys import hide_secrets
from stages.records.example import Example

MODES = ("live", "batch", "replay")
FIRST = 5  # keys that replay names


def mode_of(endpoint: Endpoint) -> str:
    """$COT_MODE, else the endpoint's own."""
    mode = os.environ.get("COT_MODE") or endpoint.mode
    if mode not in MODES:
        raise ValueError(f"$COT_MODE is {mode!r}, wanted one of {', '.join(MODES)}")
    return mode


def connect(name: str, examples: list[Example], asking: Asking, answers: Path | None = None) -> Answerer:
    """The store, and the endpoint that puts missing answers into it.

    `examples` are all that will be asked: replay says of a miss what they cost, the later steps too.
    `answers`: a file of some that were given before.
    """
    endpoint, prices = endpoint_and_prices(name)
    store = Store()
    mode = mode_of(endpoint)
    begun = False

    def fulfil(wanted: list[Wanted]) -> Failures:
        """Take back what was answered before, then ask for the rest in the endpoint's mode."""
        nonlocal begun
        if not begun:
            begun = True
            if reseed(store, answers):
                wanted = without(wanted, store.answers)
            there = sum(len(replay(example, asking, store.answers)[0]) for example in examples)
            total = sum(map(asking.samples_of, examples))
            print(f"{there:,} of {total:,} completions are in the store already", file=sys.stderr)
        if not wanted:
            return {}
        if mode == "replay":
            raise ValueError(replay_miss(wanted, examples, asking, name, endpoint, prices, store))
        # the client's library takes a second to import: not where all is in the store
        if mode == "batch":
            from stages.endpoint.batch import fulfil as send
        else:
            from stages.endpoint.live import fulfil as send
        return send(wanted, store, name, endpoint, prices)

    return Answerer(store.answers, fulfil, lambda failed: failure_lines(failed, store, endpoint))


def without(wanted: list[Wanted], held: Callable[[str], Iterable[int]]) -> list[Wanted]:
    """The part of what is wanted that is not among the samples that are `held` of a key."""
    left = [
        Wanted(want.request, want.key, sorted({*want.samples}.difference(held(want.key)))) for want in wanted
    ]
    return [want for want in left if want.samples]


def replay_miss(
    wanted: list[Wanted],
    examples: list[Example],
    asking: Asking,
    name: str,
    endpoint: Endpoint,
    prices: Mapping[str, Price],
    store: Store,
) -> str:
    """Which answers replay lacks, and what they and the steps that follow would cost."""
    keys = ", ".join(want.key[:12] for want in wanted[:FIRST]) + (", ..." if len(wanted) > FIRST else "")
    figures = plan_text(examples, asking, endpoint, prices, store)
    return (
        f"replay: {count_samples(wanted)} answers to {len(wanted)} requests are not in {store.path} (first"
        f" keys: {keys}). Asked at endpoint {name!r}, with all steps that follow:\n{figures}\n"
        "Bring a store along ($COT_STORE), re-seed it (`cot store import data/completions/*.jsonl`), or ask"
        " with `mode: live`"
    )


def plan(name: str, examples: list[Example], asking: Asking, answers: Path | None = None) -> str:
    """What asking would take, all steps of it, and what was spent so far. Nothing is asked."""
    endpoint, prices = endpoint_and_prices(name)
    store = Store()
    reseed(store, answers)
    budget = "" if endpoint.budget is None else f" of a budget of {endpoint.budget:.2f}"
    text = plan_text(examples, asking, endpoint, prices, store)
    return f"{text}\nspent at endpoint {name!r} so far: {store.spent(name):.4f} dollars{budget}"


def plan_text(
    examples: list[Example], asking: Asking, endpoint: Endpoint, prices: Mapping[str, Price], store: Store
) -> str:
    """The plan, with a line more for answers without wanted scores."""
    figures, scored = plan_figures(examples, asking, endpoint, prices, store)
    unscored = scored.count(False) if asking.request("").logprobs else 0
    return (
        f"{figures}\n{unscored:,} of {len(scored):,} stored answers {UNSCORED}" if unscored else str(figures)
    )


def missing_dollars(name: str, examples: list[Example], asking: Asking) -> tuple[float | None, float | None]:
    """(expected, at most) of all that is missing; None: unknown."""
    endpoint, prices = endpoint_and_prices(name)
    figures, _ = plan_figures(examples, asking, endpoint, prices, Store())
    return figures.dollars, figures.at_most


def plan_figures(
    examples: list[Example], asking: Asking, endpoint: Endpoint, prices: Mapping[str, Price], store: Store
) -> tuple[Plan, list[bool]]:
    """The plan for all that is missing of some conversations, with what is stored of them as its base, and of
    each stored answer whether it has log-probabilities.
    """
    # of each stored answer: its tokens, whether it has log-probabilities
    read: dict[str, list[tuple[int | None, bool]]] = {}

    def stored(key: str) -> dict[int, Answer]:
        found = store.answers(key)
        read[key] = [(answer.tokens_out, answer.logprobs is not None) for answer in found.values()]
        return found

    wanted = rehearse(examples, asking, stored)
    held = samples_under_way(store)
    asked = without(wanted, lambda key: held.get(key, ()))
    under_way = count_samples(wanted) - count_samples(asked)
    answers = [answer for there in read.values() for answer in there]
    seen = average_tokens(tokens for tokens, _ in answers)
    price = price_of(prices, asking.request("").model)
    batch = mode_of(endpoint) == "batch"
    figures = plan_calls(asked, price, seen, endpoint.samples_per_request, batch, under_way)
    return figures, [scored for _, scored in answers]


def count_samples(wanted: list[Wanted]) -> int:
    return sum(len(want.samples) for want in wanted)


def samples_under_way(store: Store) -> dict[str, set[int]]:
    """Key -> samples that a batch or a process that lives is asking for."""
    found: dict[str, set[int]] = {}
    living = store.living()
    with store.reading() as db:
        for key, sample, owner in db.execute("SELECT key, sample, owner FROM claim"):
            if owner in living or owner.startswith("job "):
                found.setdefault(key.hex(), set()).add(sample)
    return found


def missing_by_kind(examples: list[Example], asking: Asking) -> dict[str, int]:
    """How many answers are wanted and not there, by what the last failure of each was; {} where all are."""
    query = "SELECT kind FROM failure WHERE key = ? AND sample = ? ORDER BY rowid DESC LIMIT 1"
    store = Store()
    wanted: dict[str, Wanted] = {}
    for example in examples:
        wanted |= replay(example, asking, store.answers)[1]
    kinds = Counter[str]()
    with store.reading() as db:
        for key, want in wanted.items():
            for sample in want.samples:
                found = db.execute(query, (bytes.fromhex(key), sample)).fetchone()
                kinds[found[0] if found else "not asked"] += 1
    return dict(sorted(kinds.items()))


def failure_lines(failed: Failures, store: Store, endpoint: Endpoint) -> str:
    """What did not come: a line for each kind of failure, with how often and the last message about it."""
    query = (
        "SELECT message FROM failure WHERE key = ? AND sample = ? AND kind = ? ORDER BY rowid DESC LIMIT 1"
    )
    last = {kind: pair for pair, kind in failed.items()}
    lines = []
    for kind, count in sorted(Counter(failed.values()).items()):
        key, sample = last[kind]
        with store.reading() as db:
            row = db.execute(query, (bytes.fromhex(key), sample, kind)).fetchone()
        message = f", the last one: {hide_secrets(row[0], endpoint)}" if row and row[0] else ""
        lines.append(f"\n  {count} {kind}{message}")
    return "".join(lines)
