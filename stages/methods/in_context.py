"""In context: questions of one task with their rationales, then a question of it (SCoTD section 3.5, after
MetaICL, Min et al. 2022).

loss = CE(cot) on the last question's text alone. A student trained like this is asked an unseen task with
that task's demonstrations. With `rationales: false` it learns and sees questions and answers only: the
baseline that re-implements MetaICL, CE(answer) in that case. The paper states neither how many demonstrations
were shown in training nor how they were drawn.
"""

import random
from collections import defaultdict
from collections.abc import Mapping

from pydantic import Field

from stages.config.load import Block
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Segment, Sequence
from stages.text.formats import (
    SCOTD,
    SCOTD_CONCLUSION,
    concluded,
    parse_demonstrations,
    with_rationale,
    worded,
    written,
)

LEARNS_FROM = "rationales"
TASKS = ("cot",)
WORDING = SCOTD["paper"]


class Settings(Block):
    shots: int = Field(6, ge=1)  # SCoTD's released prompts have 3 to 7, that of SST-2 six; MetaICL shows 16
    rationales: bool = True
    seed: int = 0  # of the draws


def target(example: Example, rationale: str, settings: Settings) -> str:
    """What follows the prompt, in a demonstration too."""
    answer = written(example, example.answer)
    return WORDING.start + (concluded(rationale, SCOTD_CONCLUSION, answer) if settings.rationales else answer)


def texts_of(example: Example, completions: list[Completion], settings: Settings) -> list[tuple[str, str]]:
    """(sample, target) for each completion with a rationale; without rationales one of them is enough."""
    texts = [
        (str(completion.sample), target(example, rationale, settings))
        for completion, rationale in with_rationale(completions)
    ]
    return texts if settings.rationales else texts[:1]


def sequence(example: Example, sample: str, text: str, context: str = "") -> Sequence:
    return Sequence(
        example.id, [Segment(context + worded(example, WORDING)), Segment(text, "cot")], unit=sample
    )


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """The question alone, as it is asked of a dataset without demonstrations; training uses `render_all`."""
    return [sequence(example, sample, text) for sample, text in texts_of(example, completions, settings)]


def render_all(
    examples: list[Example], corpus: Mapping[str, list[Completion]], train: set[str], settings: Settings
) -> list[Sequence]:
    """Each completion after demonstrations of its own: other train questions of its dataset and subtask, one
    completion each.

    Raises ValueError where a task has too few questions with a rationale.
    """
    texts = {example.id: texts_of(example, corpus.get(example.id, []), settings) for example in examples}
    tasks: dict[tuple[str, str | None], list[Example]] = defaultdict(list)
    for example in sorted(examples, key=lambda example: example.id):
        if example.id in train and texts[example.id]:
            tasks[example.dataset, example.subtask].append(example)
    sequences = []
    for example in examples:
        task = tasks[example.dataset, example.subtask]
        for sample, text in texts[example.id]:
            draw = random.Random(f"{settings.seed} {example.id} {sample}")
            others = [
                other
                for other in draw.sample(task, min(len(task), settings.shots + 1))
                if other.id != example.id
            ][: settings.shots]
            if len(others) < settings.shots:
                raise ValueError(
                    f"in_context: {example.id}: {len(others)} other train questions with a rationale, wanted"
                    f" {settings.shots} to show"
                )
            blocks = [worded(other, WORDING) + draw.choice(texts[other.id])[1] for other in others]
            sequences.append(sequence(example, sample, text, "".join(f"{block}\n\n" for block in blocks)))
    return sequences


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    """The dataset's demonstrations, put into the words of training; none where it has none."""
    if texts:
        return None
    blocks = []
    if demonstrations.strip():
        description, shots = parse_demonstrations(demonstrations, "in_context", example)
        blocks = [description] * bool(description)
        for shot in shots:
            answer = shot.answer.removesuffix(".")
            text = (
                concluded(shot.rationale, SCOTD_CONCLUSION, answer).strip() if settings.rationales else answer
            )
            blocks.append(WORDING.question.replace("{question}", shot.question) + WORDING.start + text)
    return "\n\n".join([*blocks, worded(example, WORDING)])


def answer_prefix(settings: Settings) -> str:
    return SCOTD_CONCLUSION if settings.rationales else ""


def stops(settings: Settings) -> list[str]:
    return []
