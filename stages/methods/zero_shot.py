"""Zero-shot: the bare question, `Q: <q>` (Fine-tune-CoT section 4, "Baseline methods"). Asked only."""

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence
from stages.text.formats import FormatName, Worded

LEARNS_FROM = "nothing"
TASKS = ()
PROMPTS: dict[FormatName, str] = {
    "paper": "Q: {question}",
    "gpt3_release": "Q: {question}\n\nA:",
    "decoder_release": "Q: {question}\n\nA:",
    "encdec_release": "question: {question}",
    "chat": "{question}",
}


class Settings(Worded):
    format: FormatName = "paper"


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """Nothing is trained."""
    return []


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    return None if texts else PROMPTS[settings.format].replace("{question}", example.question.strip())


def answer_prefix(settings: Settings) -> str:
    return ""


def stops(settings: Settings) -> list[str]:
    return ["\nQ:"]
