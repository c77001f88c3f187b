"""Cost: what a teacher's completions took in tokens and dollars, and what people would have taken
(Fine-tune-CoT appendices C and F).

In: a teacher's completions, the price table. Out: a JSON file for plots and diffs. Dollars are list prices of
the tokens that the rows report, not a bill: failed tries and conversations that did not finish are not in it.
What is not known is null, never zero.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from stages.asking.prices import ANNOTATION, dollars, price_of
from stages.config.cli import run
from stages.config.endpoint import Price
from stages.config.load import check, find, read_params
from stages.config.tracking import show_costs
from stages.corpus.funnel import Asked, is_paid_first
from stages.records.completion import Completion, Step, read_completions
from stages.records.jsonl import write_json


def row_dollars(row: Completion, prices: Mapping[str, Price]) -> float | None:
    """Each step by the model that answered, at the Batch API's price if it came from there; None if one is
    unknown. A row without steps costs what its model's tokens do.
    """
    parts = row.steps or [Step("", 0, row.model, "", usage=row.usage)]
    paid = [
        dollars(
            price_of(prices, step.model),
            (step.usage or {}).get("in"),
            (step.usage or {}).get("cached"),
            (step.usage or {}).get("out"),
            batch=step.source == "batch",
        )
        for step in parts
    ]
    known = [value for value in paid if value is not None]
    return sum(known) if len(known) == len(paid) else None


def costs(rows: list[Completion], prices: Mapping[str, Price]) -> dict[str, object]:
    """Counts, tokens (of the rows that report them; null if none does) and dollars (null unless those of
    every row are known).
    """
    seen: set[bytes] = set()
    counted = [row for row in rows if is_paid_first(row, seen)]
    told = Asked()
    told.add(counted)
    paid = [row_dollars(row, prices) for row in counted]
    known = [value for value in paid if value is not None]
    total = sum(known) if rows and len(known) == len(paid) else None
    asked = Counter(row.model for row in rows if row.paid or row.usage is not None)
    listed = {model: price_of(prices, model) for model in sorted(asked)}
    questions = len({row.example_id for row in rows})
    return {
        "paid": any(row.paid for row in rows),
        "questions": questions,
        "completions": len(rows),
        "completions_without_usage": sum(row.usage is None for row in rows),
        "requests": len({step.key for row in rows for step in row.steps}),
        **told.token_counts(),
        "dollars": rounded(total),
        "dollars_known": rounded(sum(known)) if known else None,
        "dollars_per_completion": rounded(None if total is None else total / len(rows)),
        "dollars_per_question": rounded(None if total is None else total / questions),
        "dollars_annotation": rounded(ANNOTATION * questions),
        "listed": {model: price.listed for model, price in listed.items() if price is not None},
        "completions_without_price": {
            model: asked[model] for model, price in listed.items() if price is None
        },
    }


def rounded(value: float | None) -> float | None:
    """Nine places: a thousandth of the cheapest token counts."""
    return None if value is None else round(value, 9)


def main(
    completions: Annotated[Path, typer.Argument(help="data/completions/DATASET-TEACHER.jsonl")],
    out: Annotated[Path, typer.Argument(help="Where the figures go (JSON).")],
) -> None:
    """Count what a teacher's completions cost."""
    prices = {
        model: check(f"prices.{model}", values, Price)
        for model, values in find(read_params(), "prices").items()
    }
    figures = costs(read_completions(completions), prices)
    write_json(out, figures)
    show_costs(out.stem, figures)


if __name__ == "__main__":
    run(main)
