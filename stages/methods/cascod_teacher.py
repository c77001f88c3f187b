"""How CasCoD asks its teacher: the task's description, how to conclude, demonstrations with rationales, the
question (Table 9). Asked only.

The description is what stands before the first demonstration, as in the files of BIG-Bench Hard (Suzgun et
al. 2023).
"""

from stages.config.load import Block
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence
from stages.text.formats import CONCLUSION, concluded, parse_demonstrations

LEARNS_FROM = "nothing"
TASKS = ()
DESCRIPTION = "Answer the following questions"  # where there is none; CasCoD's prompt for untrained students
CONCLUDE = f'Your response should conclude with the format "{CONCLUSION}".'
THINK = "Let's think step by step."


class Settings(Block):
    pass


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """Nothing is trained."""
    return []


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    """Raises ValueError for a dataset without demonstrations, or odd ones."""
    if texts:
        return None
    description, shots = parse_demonstrations(demonstrations, "cascod_teacher", example)
    task, *more = (description or DESCRIPTION).removeprefix("Task description: ").split("\n\n")
    # CasCoD's own files hold the sentence already
    blocks = [f"{task.removesuffix(CONCLUDE).strip().rstrip('.')}. {CONCLUDE}", *more]
    for shot in shots:
        rationale = shot.rationale if shot.rationale.startswith(THINK) else f"{THINK} {shot.rationale}"
        blocks.append(f"Q: {shot.question}\nA: {concluded(rationale, CONCLUSION, shot.answer)}")
    return "\n\n".join([*blocks, f"Q: {example.question.strip()}\nA: {THINK}"])


def answer_prefix(settings: Settings) -> str:
    return CONCLUSION


def stops(settings: Settings) -> list[str]:
    return ["\nQ:"]
