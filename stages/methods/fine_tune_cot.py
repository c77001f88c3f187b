"""Fine-tune-CoT: question -> the teacher's rationale and answer (section 3, steps 2 and 3): `<q>###` / `<r> --> <a>END`."""

from stages.config.load import Block
from stages.formats import FORMATS, FormatName, question
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Segment

LEARNS_FROM = "rationales"


class Settings(Block):
    format: FormatName = "paper"


def rationale(completion: Completion, strip: bool) -> str:
    """The reasoning alone: where it stands in one text with the answer, without the sentence that states the answer."""
    text = completion.texts[0]
    if len(completion.texts) == 1 and completion.answer_prefix in text:
        text = text[: text.rindex(completion.answer_prefix)]
        text = text[: max(text.rfind(mark) for mark in ".!?\n") + 1]
    return text.strip() if strip else text


def render(example: Example, completions: list[Completion], settings: Settings) -> list[list[Segment]]:
    """One text per curated completion (D of them under diverse reasoning).

    The answer is the gold one, as in the released code; under the answer filter it equals the teacher's.
    """
    form = FORMATS[settings.format]
    prompt = Segment(ask(example, [], settings, "") or "")
    return [
        [prompt, Segment(f"{form.target_start}{rationale(completion, form.strip)}{form.arrow}{example.answer}{form.end}", "cot")]
        for completion in completions
    ]  # fmt: skip


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    return None if texts else question(example, settings.format) + FORMATS[settings.format].question_end


def answer_prefix(settings: Settings) -> str:
    return FORMATS[settings.format].arrow.strip()


def stops(settings: Settings) -> list[str]:
    return [end] if (end := FORMATS[settings.format].end.strip()) else []
