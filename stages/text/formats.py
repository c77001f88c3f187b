"""Formats: how the papers write a training pair as text, and how a teacher's text is taken apart.

Fine-tune-CoT: `paper` is section 3, step 2. Its released code differs from it and from itself, so each of its
forms has a name (src/data/format.py of itsnamgyu/reasoning-teacher, and its reproduction notes for GPT-3).
CasCoD and SCoTD: `paper` is the paper's notation, `released` the strings of C-W-D/CasCoD
(src/datasets/bbh_dataset.py) and liunian-harold-li/scotd (dataset/hf_datasets.py).

`chat`: the method's own marks and nothing around them; the student's chat template stands around question and
answer (stages/students/chat.py).

A prompt does not end in white space and a target begins with the blank before its first word, which is where
most tokenizers put it.
Differs: the released forms have that blank in other places, or nowhere (difference 15).
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import model_validator

from stages.config.load import Block
from stages.records.completion import Completion
from stages.records.example import Example

FormatName = Literal["paper", "gpt3_release", "decoder_release", "encdec_release", "chat"]
Release = Literal["paper", "released", "chat"]

CONCLUSION = "Therefore, the answer is"  # CasCoD, Table 9: how the teacher is told to conclude
SCOTD_CONCLUSION = "So the answer is:"  # SCoTD, Table 1
STATED = re.compile(r"(?:\b(?:So|Thus|Hence|Therefore),? )?\b[Tt]he answer is:?")


class Worded(Block):
    """The settings of a method with several formats, one of which is `chat`."""

    format: str
    system: str = ""  # with `format: chat`: the system's message, where the student is to have one

    @model_validator(mode="after")
    def system_has_a_place(self) -> "Worded":
        if self.system and self.format != "chat":
            raise ValueError(f"`system` needs `format: chat`: {self.format} has no place for it")
        return self


def marked_once(text: str, prefix: str, stops: list[str]) -> bool:
    """Whether the answer prefix stands in a text once, and before the first stop mark; without it none is
    looked for.
    """
    if not prefix or prefix not in text:
        return True
    ends = [text.find(mark) for mark in stops if mark in text]
    return text.count(prefix) == 1 and all(text.index(prefix) < end for end in ends)


def system_of(settings: Block) -> str | None:
    """The system text of a method that speaks through chat templates, "" for none; None: it does not."""
    return settings.system if isinstance(settings, Worded) and settings.format == "chat" else None


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
    "chat": Format("", "", "", " --> ", ""),
}


@dataclass(frozen=True)
class Wording:
    """CasCoD's or SCoTD's way to put a question, and the marks around what follows it."""

    question: str
    start: str  # between prompt and target
    end: str  # after an answer


# Differs: CasCoD's released prompt begins with the task's description, which an Example does not have
# (difference 16)
CASCOD: dict[Release, Wording] = {
    "paper": Wording("Q: {question}\nA:", " ", ""),
    "released": Wording("Q:{question}\n\nA:", "", "."),
    "chat": Wording("{question}", " ", ""),
}
SCOTD: dict[Release, Wording] = {
    "paper": Wording("Q: {question}\nA:", " ", ""),
    "released": Wording("Q: {question}\nA: ", "", "\n\n"),
    "chat": Wording("{question}", " ", ""),
}


def question(example: Example, name: FormatName) -> str:
    """The question in Fine-tune-CoT's form `name`."""
    return example.question.strip() if FORMATS[name].strip else example.question


def worded(example: Example, wording: Wording) -> str:
    """The question in CasCoD's or SCoTD's words."""
    return wording.question.replace("{question}", example.question.strip())


def written(example: Example, answer: str) -> str:
    """An answer as CasCoD and SCoTD write it: the letter of a choice in parentheses.

    No entry in stages/text/answer_types.py: what is asked and trained must not depend on how answers are
    read.
    Differs: SCoTD's letters are small, also in its questions (difference 17).
    """
    return f"({answer})" if example.answer_type == "choice" else answer


def concluded(rationale: str, conclusion: str, answer: str) -> str:
    """Rationale and answer in one piece, r + a."""
    return f"{rationale} {conclusion} {answer}"


def rationale_of(completion: Completion, strip: bool = True) -> str:
    """The reasoning alone: what curate chose, where it had to choose.

    Where it stands in one text with the answer, without the sentence that states the answer.
    Differs: CasCoD's code splits at the first occurrence of the answer prefix and loses what follows a second
    one; here the last one counts (difference 18).
    """
    if completion.rationale is not None:
        return completion.rationale
    text = completion.texts[0]
    if len(completion.texts) == 1 and completion.answer_prefix in text:
        text = text[: text.rindex(completion.answer_prefix)]
        text = text[: max(text.rfind(mark) for mark in ".!?\n") + 1]
    return text.strip() if strip else text


def with_rationale(completions: list[Completion]) -> list[tuple[Completion, str]]:
    """(completion, rationale) of those that reason at all.

    The others only state an answer, and there is nothing to learn to say before it.
    """
    return [(completion, rationale) for completion in completions if (rationale := rationale_of(completion))]


class Shot(NamedTuple):
    """One demonstration."""

    question: str
    rationale: str
    answer: str  # with the mark it ends with


def parse_demonstrations(demonstrations: str, method: str, example: Example) -> tuple[str, list[Shot]]:
    """The task's description, "" where there is none, and the demonstrations.

    Each is taken apart at the last place that states the answer. Raises ValueError where there are none, or
    one without "Q:", "A:" or a stated answer.
    """
    description, *blocks = re.split(r"(?:^|\n\s*)Q: ", demonstrations.strip())
    if not blocks:
        raise ValueError(
            f"{method}: {example.dataset} has no demonstrations: write stages/datasets/{example.dataset}.txt"
            " or drop it from run.datasets"
        )
    shots = []
    for block in blocks:
        asked, mark, reply = block.partition("\nA:")
        stated = [*STATED.finditer(reply)]
        if not mark or not stated:
            raise ValueError(
                f"{method}: demonstration of {example.dataset}: wanted 'Q: ... A: ... the answer is ...',"
                f" got {('Q: ' + block)[:200]!r}"
            )
        rationale = reply[: stated[-1].start()]
        answer = reply[stated[-1].end() :]
        shots.append(Shot(asked.strip(), rationale.strip(), answer.strip()))
    return description.strip(), shots
