"""Made-up additions to split; and a cell to score: twelve of them, five predictions, two of these right."""

from typing import Any

from stages.records.completion import Completion
from stages.records.example import Example

EXAMPLES = {
    f"toy-{row}": Example(f"toy-{row}", "toy", f"What is {row} plus 1?", str(row + 1), "number")
    for row in range(12)
}
SPLIT = {
    "train": [f"toy-{i}" for i in range(6)],
    "validation": ["toy-6"],
    "test": [f"toy-{i}" for i in (11, 7, 8, 9, 10)],
}


def prediction(row: int, text: str, sample: int = 0, **fields: Any) -> Completion:
    """What the student says to question `row`."""
    values: dict[str, Any] = {"finish_reasons": ["stop"], "answer_prefix": "-->", "origin": "selected"}
    return Completion(f"toy-{row}", sample, ["q"], [text], model="tiny", **{**values, **fields})


PREDICTIONS = [
    prediction(11, "one more --> 12"),
    prediction(7, "one more --> 9"),
    prediction(8, "that makes 9"),  # no prefix: right only if read leniently
    prediction(9, "one more and one more and", finish_reasons=["length"]),
    prediction(10, "--> 11.0"),
]


def sums(count: int, templates: int = 10, **fields: Any) -> list[Example]:
    """`count` examples that take turns in their stated templates."""
    return [
        Example(
            f"toy-{row}",
            "toy",
            f"What is {row} plus {row % 7}?",
            str(row),
            "number",
            template=f"t{row % templates}",
            **fields,
        )
        for row in range(count)
    ]
