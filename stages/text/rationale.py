"""A completion's reasoning without its answer: what people and models judge, and foresee answers from."""

import re
from dataclasses import replace

from stages.records.completion import Completion
from stages.text.formats import STATED, rationale_of

# sentences that state the answer, at the end
CLOSING = re.compile(rf"(?:{STATED.pattern}(?:[^.!?\n]|\.\d)*[.!?]?\s*)+$")


def judged_rationale(completion: Completion) -> str:
    """The rationale before the first answer prefix, without closing sentences that state an answer.

    Where the method asks in steps, all of the first step; "" where only an answer was given. SCoTD section
    3.1.1 (footnote 8) takes the final prediction off what people compare; r' of CasCoD equation 8.
    Reasoning that has reached its result before it closes still tells it.
    """
    if completion.answer_prefix and len(completion.texts) == 1:
        before, prefix, _ = completion.texts[0].partition(completion.answer_prefix)
        completion = replace(completion, texts=[before + prefix])
    return CLOSING.sub("", rationale_of(completion)).strip()
