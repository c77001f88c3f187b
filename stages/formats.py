"""How Fine-tune-CoT writes a training pair as text: the marks between question, rationale and answer.

`paper` is section 3, step 2. The released code differs from it and from itself, so each of its forms has a name
(src/data/format.py of itsnamgyu/reasoning-teacher, and its reproduction notes for GPT-3).
"""

from dataclasses import dataclass
from typing import Literal

from stages.records.example import Example

FormatName = Literal["paper", "gpt3_release", "decoder_release", "encdec_release"]


@dataclass(frozen=True)
class Format:
    question_end: str  # between question and target when the target is a rationale
    question_end_direct: str  # the same when the target is the bare answer
    target_start: str
    arrow: str  # between rationale and answer
    end: str  # after the answer; "" leaves stopping to the end-of-text token
    strip: bool = True  # are blanks around question and rationale dropped?


FORMATS: dict[FormatName, Format] = {
    "paper": Format("###", "###", "", " --> ", "END"),
    "gpt3_release": Format("\n\n###\n\n", "\n\n ### \n\n", " ", "\n\n-->\n\n", " END", strip=False),
    "decoder_release": Format(" ###", " ###", " ", " --> ", " END"),
    "encdec_release": Format("", "", "", " --> ", ""),
}


def question(example: Example, name: FormatName) -> str:
    return example.question.strip() if FORMATS[name].strip else example.question
