"""Vanilla fine-tuning: question -> gold answer (Fine-tune-CoT section 4, "Baseline methods"): `<q>###` /
`<a>END`.

loss = CE(answer), and where the prompt has a weight + prompt_weight x CE(prompt).
"""

from pydantic import Field, model_validator

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Segment, Sequence
from stages.text.formats import FORMATS, FormatName, Worded, question

LEARNS_FROM = "answers"
TASKS = ("answer",)


class Settings(Worded):
    format: FormatName = "paper"
    # appendix A.4: OpenAI's fine-tuning also trained the question, at 0.01. Causal students only
    prompt_weight: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def a_template_is_not_trained(self) -> "Settings":
        if self.prompt_weight and self.format == "chat":
            raise ValueError("`prompt_weight` is for texts as they stand: with `format: chat` it must be 0")
        return self


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """One text per question; the teacher's completions are not used."""
    form = FORMATS[settings.format]
    asked = ask(example, [], settings, "") or ""
    prompt = Segment(asked, "prompt", settings.prompt_weight) if settings.prompt_weight else Segment(asked)
    return [
        Sequence(example.id, [prompt, Segment(f"{form.target_start}{example.answer}{form.end}", "answer")])
    ]


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    return (
        None if texts else question(example, settings.format) + FORMATS[settings.format].question_end_direct
    )


def answer_prefix(settings: Settings) -> str:
    return ""


def stops(settings: Settings) -> list[str]:
    return [end] if (end := FORMATS[settings.format].end.strip()) else []
