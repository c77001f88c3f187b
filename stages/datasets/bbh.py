"""BIG-Bench Hard: how each task's answers are read. What is wrong in the source stays as it is, but for one
row.

- snarks 88 is cut off amid its first option; its text is taken from what code-davinci-002 was asked, which is
  whole.
- In movie_recommendation 163 and ruin_names 99 and 144 the options were torn apart at commas, and the target
  is none of them: their answer is the target's text, which no letter meets.
- causal_judgement asks two questions twice, with opposite targets, and sports_understanding two with equal
  ones: all rows stay, and a split with `distinct: true` puts them on one side.
"""

import re
from pathlib import Path

from stages.parsing.fields import field, rows_with_place
from stages.records.example import Example
from stages.text.gold import LETTERS, canonical_number

LETTERED = "choice"  # options (A), (B), ... in the question
TASKS = {  # how their answers are read
    "boolean_expressions": "exact",
    "causal_judgement": "yes_no",
    "date_understanding": LETTERED,
    "disambiguation_qa": LETTERED,
    "dyck_languages": "exact",
    "formal_fallacies": "exact",
    "geometric_shapes": LETTERED,
    "hyperbaton": LETTERED,
    "logical_deduction_five_objects": LETTERED,
    "logical_deduction_seven_objects": LETTERED,
    "logical_deduction_three_objects": LETTERED,
    "movie_recommendation": LETTERED,
    "multistep_arithmetic_two": "number",
    "navigate": "yes_no",
    "object_counting": "number",
    "penguins_in_a_table": LETTERED,
    "reasoning_about_colored_objects": LETTERED,
    "ruin_names": LETTERED,
    "salient_translation_error_detection": LETTERED,
    "snarks": LETTERED,
    "sports_understanding": "yes_no",
    "temporal_sequences": LETTERED,
    "tracking_shuffled_objects_five_objects": LETTERED,
    "tracking_shuffled_objects_seven_objects": LETTERED,
    "tracking_shuffled_objects_three_objects": LETTERED,
    "web_of_lies": "yes_no",
    "word_sorting": "exact",
}
SUBTASKS = tuple(TASKS)
LABELS = {"boolean_expressions": ["True", "False"], "formal_fallacies": ["valid", "invalid"]}
OPTION = re.compile(r"\(([A-Z])\) ?(.*)")


def read_options(question: str, where: str) -> list[str]:
    """The option texts below the line "Options:". Raises ValueError unless each line is one, lettered from A
    on.
    """
    lines = question.rpartition("\nOptions:\n")[2].split("\n")
    found = [OPTION.fullmatch(line) for line in lines]
    texts = [option[2] for option in found if option]
    if not texts or [option and option[1] for option in found] != list(LETTERS[: len(lines)]):
        raise ValueError(
            f"{where}: wanted lines '(A) ...', '(B) ...' below 'Options:', got {question[-200:]!r}"
        )
    return texts


def question_as_asked(raw: Path, task: str, row: int) -> str:
    """The question of one row as code-davinci-002 was asked it."""
    where, source = list(rows_with_place(raw / f"code_davinci_002_{task}.json", under="outputs"))[row]
    return field(source, "input", where, str).rpartition("\n\nQ: ")[2].partition("\nA:")[0]


def gold_answer(task: str, question: str, target: str, where: str) -> tuple[str, str, list[str] | None]:
    """(answer, answer type, choices)"""
    answer_type = TASKS[task]
    if answer_type == LETTERED:
        choices = read_options(question, where)
        letter = OPTION.fullmatch(f"{target} ")
        if letter and letter[1] in LETTERS[: len(choices)]:
            return letter[1], answer_type, choices
        return target, "exact", None
    if answer_type == "number":
        return canonical_number(target, where), answer_type, None
    return target.lower() if answer_type == "yes_no" else target, answer_type, LABELS.get(task)


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for task in TASKS:
        for row, (where, source) in enumerate(rows_with_place(raw / f"{task}.json", under="examples")):
            question, target = (field(source, name, where, str).strip() for name in ("input", "target"))
            if TASKS[task] == LETTERED and len(read_options(question, where)) == 1:
                question = question_as_asked(raw, task, row)
            answer, answer_type, choices = gold_answer(task, question, target, where)
            examples.append(
                Example(f"bbh-{len(examples)}", "bbh", question, answer, answer_type, choices, subtask=task)
            )
    return examples
