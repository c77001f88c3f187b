"""StrategyQA: the target is yes or no with the human rationale behind it."""

from pathlib import Path

from stages.parsing.fields import field, right_choice, rows_with_place
from stages.records.example import Example


def parse(raw: Path) -> list[Example]:
    examples = []
    for row, (where, source) in enumerate(rows_with_place(raw / "task.json", under="examples")):
        scores = field(source, "target_scores", where, dict)
        if set(scores) != {"Yes", "No"}:
            raise ValueError(f"{where}: target_scores is {scores!r}, wanted scores of Yes and No")
        word = "Yes" if right_choice(scores, ["Yes", "No"], where) == "A" else "No"
        target = field(source, "target", where, str)
        if not target.startswith(f"{word}."):
            raise ValueError(
                f"{where}: target is {target!r}, wanted it to begin with '{word}.' as target_scores says"
            )
        question = field(source, "input", where, str).strip()
        rationale = target.removeprefix(f"{word}.").strip()
        examples.append(
            Example(
                id=f"strategy_qa-{row}",
                dataset="strategy_qa",
                question=question,
                answer=word.lower(),
                answer_type="yes_no",
                rationale=rationale or None,
            )
        )
    return examples
