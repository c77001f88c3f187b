"""Last line: how a chat model is told to end its reply, so that one call has rationale and answer.

Beside the table of answer types and not in it: what is asked must not depend on how answers are read.
"""

from stages.records.example import Example

MARK = "Answer:"
# type of an answer -> what is to follow the mark
GIVES = {
    "number": "the number alone, in digits",
    "choice": "the letter of the right option alone",
    "yes_no": "yes or no",
    "text": "the answer alone",
    "exact": "the answer alone, written as the question asks for it",
    "date": "the date alone, as MM/DD/YYYY",
    "latex": "the result alone, in LaTeX",
}


def last_line(example: Example) -> str:
    """The instruction, of a few legal answers with all of them."""
    few = example.choices if example.answer_type == "exact" else None
    gives = f"one of: {', '.join(few)}" if few else GIVES[example.answer_type]
    return f'one last line that begins with "{MARK}" and gives {gives}'
