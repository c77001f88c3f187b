"""EDIT's second step, key reasoning steps learning: of a right and a wrong rationale of one question only the
words are trained in which they differ, the right one's learnt, the wrong one's unlearnt (Dai et al. 2025,
"Capture the Key in Reasoning to Enhance CoT Distillation Generalization").

loss = CE(cot) + beta x CE(counterfactual), where a token weighs 1 if the least edit of its text into the
other one deletes or replaces its word, else 0. `normalisation: sequence` is the released loss: a mean over
texts of each one's weighted sum by its length (src/utils/method_utils.py of C-W-D/CasCoD).
It goes on from Std-CoT's student (`run.second_methods`), in the same format. It needs both kinds of
rationales: a curation with `filter: dual`, from which Std-CoT learns the right ones alone.

Differs: the release edits the student's own tokens, filled up to one length; here words are edited, before
any tokenizer, so that all students learn the same steps: half a changed number is not kept (difference 54).
Differs: the release's teacher turns its right rationale into a wrong one, or is told the answer that it
missed, so that both go the same way; here each wrong one has the nearest of the right ones that the teacher
said (difference 55).
Differs: in the release a wrong token weighs nothing once its loss is 20 or more (krsl_nll_threshold), which
its authors say hardly ever happens; here it always weighs (difference 56).
"""

from functools import partial

from pydantic import Field

from stages.methods import std_cot
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Run, Segment, Sequence
from stages.text.edits import edited_words, edits
from stages.text.formats import CASCOD, CONCLUSION, concluded, marked_once, with_rationale, worded, written

LEARNS_FROM = "rationales"
TASKS = ("cot", "counterfactual")


class Settings(std_cot.Settings):
    # shell/run_edit_step2_krsl.sh: alpha, of the right ones, is 1
    beta: float = Field(-0.025, le=0)


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """Two texts for each wrong completion, trained in the same step: its own, and that of the right one to
    which the fewest words have to be edited. A right one that is nearest to none trains nothing, and so does
    a text in which the answer's mark stands twice: render would leave it out, and its partner alone.
    """
    prompt = Segment(worded(example, CASCOD[settings.format]))
    targets = [
        (row.answer == example.answer, target(example, rationale, row.answer, settings))
        for row, rationale in with_rationale(completions)
        if row.answer is not None
    ]
    mark, ends = answer_prefix(settings), stops(settings)
    said = [(is_right, text) for is_right, text in targets if marked_once(text, mark, ends)]
    right = [text for is_right, text in said if is_right]
    wrong = [text for is_right, text in said if not is_right] if right else []
    pairs = [(min(right, key=partial(edits, other)), other) for other in wrong]
    return [
        Sequence(example.id, [prompt, segment], unit=str(number))
        for number, (one, other) in enumerate(pairs)
        for segment in (
            Segment(one, "cot", runs=runs(one, other)),
            Segment(other, "counterfactual", settings.beta, runs=runs(other, one)),
        )
    ]


def target(example: Example, rationale: str, answer: str, settings: Settings) -> str:
    start = CASCOD[settings.format].start
    return f"{start}{concluded(rationale, CONCLUSION, written(example, answer))}."


def runs(text: str, other: str) -> tuple[Run, ...]:
    return tuple(Run(*span) for span in edited_words(text, other))


ask = std_cot.ask
answer_prefix = std_cot.answer_prefix
stops = std_cot.stops
