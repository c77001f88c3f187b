"""StrategyQA: yes or no questions whose steps are implicit (Geva et al. 2021), in the form of BIG-bench's
task.

One row under `examples` of task.json: {"input": "Can a pen sink?", "target_scores": {"Yes": 1, "No": 0},
"target": "Yes. Most pens are denser than water."}. The text after the first word is the human rationale.
"""

from pathlib import Path

from stages.parsing.fields import field, right_choice, rows_of
from stages.records.example import Example

PAGE = "https://github.com/google/BIG-bench/tree/main/bigbench/benchmark_tasks/strategyqa"
LICENCE = "Apache-2.0"  # BIG-bench; the original release, eladsegal/strategyqa, is under MIT
CITATION = "Geva et al. 2021, Did Aristotle Use a Laptop?"


def parse(raw: Path) -> list[Example]:
    examples = []
    for row, (where, source) in enumerate(rows_of(raw / "task.json", under="examples")):
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
                f"strategy_qa-{row}",
                "strategy_qa",
                question,
                word.lower(),
                "yes_no",
                rationale=rationale or None,
            )
        )
    return examples
