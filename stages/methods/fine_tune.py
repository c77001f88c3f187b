"""Vanilla fine-tuning: question -> gold answer (Fine-tune-CoT section 4, "Baseline methods"): `<q>###` / `<a>END`."""

from stages.config.load import Block
from stages.formats import FORMATS, FormatName, question
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Segment

LEARNS_FROM = "answers"


class Settings(Block):
    format: FormatName = "paper"


def render(example: Example, completions: list[Completion], settings: Settings) -> list[list[Segment]]:
    """One text per question; the teacher's completions are not used."""
    form = FORMATS[settings.format]
    return [[Segment(ask(example, [], settings, "") or ""), Segment(f"{form.target_start}{example.answer}{form.end}", "answer")]]


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    return None if texts else question(example, settings.format) + FORMATS[settings.format].question_end_direct


def answer_prefix(settings: Settings) -> str:
    return ""


def stops(settings: Settings) -> list[str]:
    return [end] if (end := FORMATS[settings.format].end.strip()) else []
