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
        story = field(source, "input", where, str).strip()
        examples.append(
            Example(
                id=f"tracking_shuffled_objects-{row}",
                dataset="tracking_shuffled_objects",
                question=with_choices(f"{story} \nWhich choice is true ?", choices),
                answer=right_choice(scores, choices, where),
                answer_type="choice",
                choices=choices,
            )
        )
    return examples
