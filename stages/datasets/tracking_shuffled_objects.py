"""Tracking Shuffled Objects with three objects, a task of BIG-bench (Srivastava et al. 2022), as
zero-shot-CoT serves it.

One row under `examples` of task.json: {"input": "Ann has a red ball, Bob a blue ball, Cal a pink ball.
\\n\\nAnn and Bob swap. At the end Ann has the ", "target_scores": {"red ball.": 0, "blue ball.": 1, "pink
ball.": 0}}. Options keep their order.
"""

from pathlib import Path

from stages.parsing.fields import field, right_choice, rows_of, with_choices
from stages.records.example import Example

PAGE = "https://github.com/google/BIG-bench/tree/main/bigbench/benchmark_tasks/tracking_shuffled_objects"
LICENCE = "Apache-2.0"
CITATION = "Srivastava et al. 2022, Beyond the Imitation Game"


def parse(raw: Path) -> list[Example]:
    examples = []
    for row, (where, source) in enumerate(rows_of(raw / "task.json", under="examples")):
        scores = field(source, "target_scores", where, dict)
        choices = list(scores)
        # the input breaks off where the option goes on; zero-shot-CoT leaves one blank there
        asked = f"{field(source, 'input', where, str).strip()} \nWhich choice is true ?"
        answer = right_choice(scores, choices, where)
        examples.append(
            Example(
                f"tracking_shuffled_objects-{row}",
                "tracking_shuffled_objects",
                with_choices(asked, choices),
                answer,
                "choice",
                choices,
            )
        )
    return examples
