"""Money: what asking costs, against what may be spent."""

from collections import defaultdict
from collections.abc import Iterator

from stages.asking.prices import price_of
from stages.config.student import HostedStudent
from stages.endpoint.estimate import no_price
from stages.endpoint.transport import mode_of
from tools.doctor.asked import Question, answers, scaled, still_asked, wanted_at
from tools.doctor.findings import Finding
from tools.doctor.setting import Setting


def find_prices(setting: Setting, asked: list[Question]) -> Iterator[Finding]:
    """A budget can be kept of what has a price alone; what has none has an unknown cost."""
    prices = setting.prices()
    for where, (name, model) in still_asked(setting, asked).items():
        student = setting.checked.students.get(where.removeprefix("students."))
        priced = f"ft:{model}" if isinstance(student, HostedStudent) else model
        if price_of(prices, priced) is not None:
            continue
        endpoint = setting.endpoint(name)
        if endpoint.budget is not None:
            yield Finding("prices", "stops", where, no_price(name, priced))
        elif answers(endpoint) is None:
            remedy = f"add {priced!r} under `prices`, and a `budget` to `endpoints.{name}`"
            yield Finding("prices", "warning", where, f"the price of {priced!r} is unknown", remedy)


def find_costs(setting: Setting, asked: list[Question]) -> Iterator[Finding]:
    """Of each endpoint, what its teachers' questions cost in all, against what is left of its budget."""
    at: defaultdict[str, list[Question]] = defaultdict(list)
    for one in asked:
        at[one.endpoint].append(one)
    for name, there in at.items():
        missing = (
            None if any(one.missing is None for one in there) else sum(one.missing or 0 for one in there)
        )
        endpoint = setting.endpoint(name)
        where = f"endpoints.{name}"
        if mode_of(endpoint) == "replay":
            if missing != 0:
                what = "an unknown number of" if missing is None else f"{missing:,}"
                yield Finding("costs", "stops", where, f"replay, and {what} answers are not in the store")
        elif missing != 0 and answers(endpoint) is None:
            yield cost(name, there, endpoint.budget, setting.shelf.store.spent(name))
    for where, settings in wanted_at(setting):
        endpoint = setting.endpoint(settings.endpoint)
        if mode_of(endpoint) != "replay" and answers(endpoint) is None:
            until = (
                "the students have answered" if where.startswith("simulators") else "the texts are rendered"
            )
            why = f"unknown until {until}; {left_of(endpoint.budget)}"
            yield Finding("costs", "warning", where, why, "then `cot plan` says more")


def cost(name: str, asked: list[Question], budget: float | None, spent: float) -> Finding:
    """Expected: prompts by their bytes, answers as long as stored ones. At most: no answer is cut short."""
    plans = [scaled(one.plan, one.seen) if one.plan else None for one in asked]
    expected = total([plan.dollars if plan else None for plan in plans])
    at_most = total([plan.at_most if plan else None for plan in plans])
    left = None if budget is None else budget - spent
    told = f"expected {dollars(expected)}, at most {dollars(at_most)}"
    if any(one.seen < 1 for one in asked):
        told += " (of every few questions, scaled)"
    where = f"endpoints.{name}"
    if left is None:
        return Finding("costs", "warning", where, f"{told}; no budget", f"give `{where}.budget`")
    told += f"; {dollars(left)} left of a budget of {dollars(budget)}"
    raise_it = f"raise `{where}.budget`"
    if expected is not None and expected > left:
        return Finding("costs", "stops", where, told, raise_it)
    if at_most is None or at_most > left:
        return Finding("costs", "warning", where, f"{told}: it may stop part way", raise_it)
    return Finding("costs", "ok", where, told)


def left_of(budget: float | None) -> str:
    return "no budget" if budget is None else f"at most the budget of {dollars(budget)}"


def total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def dollars(value: float | None) -> str:
    return "unknown" if value is None else f"${value:,.2f}"
