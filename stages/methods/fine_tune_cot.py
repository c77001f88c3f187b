"""Fine-tune-CoT: question -> the teacher's rationale and answer (section 3, steps 2 and 3): `<q>###` / `<r>
--> <a>END`.

loss = CE(cot), and where the prompt has a weight + prompt_weight x CE(prompt).
"""

from pydantic import Field, model_validator

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Segment, Sequence
from stages.text.formats import FORMATS, FormatName, Worded, question, rationale_of, with_rationale

LEARNS_FROM = "rationales"
TASKS = ("cot",)


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
    """One text per curated completion with a rationale (D of them under diverse reasoning).

    The answer is the gold one, as in the released code; under the answer filter it equals the teacher's.
    """
    form = FORMATS[settings.format]
    asked = ask(example, [], settings, "") or ""
    prompt = Segment(asked, "prompt", settings.prompt_weight) if settings.prompt_weight else Segment(asked)
    sequences = []
    for completion, _ in with_rationale(completions):
        rationale = rationale_of(completion, form.strip)
        target = f"{form.target_start}{rationale}{form.arrow}{example.answer}{form.end}"
        sequences.append(Sequence(example.id, [prompt, Segment(target, "cot")], unit=str(completion.sample)))
    return sequences


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    return None if texts else question(example, settings.format) + FORMATS[settings.format].question_end


def answer_prefix(settings: Settings) -> str:
    return FORMATS[settings.format].arrow.strip()


def stops(settings: Settings) -> list[str]:
    return [end] if (end := FORMATS[settings.format].end.strip()) else []
