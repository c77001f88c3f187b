"""Tracking Shuffled Objects: the options keep their order."""

from pathlib import Path

from stages.parsing.fields import field, right_choice, rows_with_place, with_choices
from stages.records.example import Example


def parse(raw: Path) -> list[Example]:
    examples = []
    for row, (where, source) in enumerate(rows_with_place(raw / "task.json", under="examples")):
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
