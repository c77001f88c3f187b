"""Rows of an exported corpus: the kept completions, and what a method makes of them as texts and messages."""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from stages.config.contracts import Method
from stages.parsing.fields import with_choices
from stages.records.completion import Completion
from stages.records.example import LEARNED, Example
from stages.records.sequence import Segment, Sequence
from stages.render import as_turn, read_back, render
from stages.text.answer_types import rules_of
from stages.text.formats import rationale_of, system_of, written
from stages.text.stated import rationale_before, stated_answer
from stages.training.openai_files import joined_text, split_prompt

TEXT, NUMBER, MARK = pa.string(), pa.int64(), pa.bool_()
# of a question and of what was said to it; null where a text is of no one completion
ABOUT = {
    "id": TEXT,
    "question": TEXT,
    "gold": TEXT,
    "sample": NUMBER,
    "rationale": TEXT,
    "answer": TEXT,
    "teacher": TEXT,
    "rationalised": MARK,
}
TRAINED = {"task": TEXT, "weight": pa.float64()}
MESSAGE = pa.struct({"role": TEXT, "content": TEXT, "weight": NUMBER})
# a folder of files each: a trainer that finds prompts and messages in one row may read either
COLUMNS: dict[str, dict[str, Any]] = {
    "prompt_completion": {**ABOUT, "prompt": TEXT, "completion": TEXT, **TRAINED},
    "messages": {**ABOUT, "messages": pa.list_(MESSAGE), **TRAINED},
    "corpus": {
        **ABOUT,
        "answer_type": TEXT,
        "choices": pa.list_(TEXT),
        "stem": TEXT,
        "response": TEXT,
        "template": TEXT,
        "subtask": TEXT,
        "given": TEXT,
        "origin": TEXT,
    },
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Corpus:
    """What was curated, with the questions that it answers."""

    name: str
    examples: list[Example]
    parts: dict[str, list[str]]  # ids of the split
    said: Mapping[str, list[Completion]]  # by question

    def of_part(self, part: str) -> Iterator[tuple[Example, Completion]]:
        """In the order of the questions and of their samples."""
        listed = set(self.parts[part])
        for example in self.examples:
            if example.id in listed:
                yield from ((example, row) for row in self.said.get(example.id, ()))


def about(example: Example, row: Completion | None) -> Row:
    """What all rows tell: of the question, and of the completion where there is one."""
    shared: Row = {"id": example.id, "question": example.question, "gold": example.answer}
    if row is None:
        return shared
    told: Row = {"sample": row.sample, "rationale": rationale_of(row), "answer": row.answer}
    return {**shared, **told, "teacher": row.model, "rationalised": row.rationalised}


def stem_of(example: Example) -> str | None:
    """The question without its options, where `columns.choices` would write them behind it again."""
    options = with_choices("", example.choices or [])
    return example.question.removesuffix(options) if example.question.endswith(options) else None


def response_of(example: Example, row: Completion) -> str | None:
    """Rationale and answer as one text, from which the teacher `responses` reads the same two again; None:
    it would read others.
    """
    rationale = rationale_of(row)
    choices = example.choices or []
    if row.answer is None:
        said = [rationale]
    else:
        answer = written(example, row.answer)
        said = [f"{rationale}\n\nThe answer is {answer}.", f"{rationale}\n\n\\boxed{{{answer}}}"]
        said += [f"{rationale}\n\n#### {answer}", *row.texts[-1:]]
    for text in said:
        stated = stated_answer(text, example.answer_type, choices)
        if (
            stated is not None
            and row.answer is not None
            and rules_of(example.answer_type).equal(stated, row.answer)
        ):
            stated = row.answer
        if (rationale_before(text), stated) == (rationale, row.answer):
            return text
    return None


def corpus_rows(corpus: Corpus, part: str) -> Iterator[Row]:
    """The completions of a part."""
    for example, row in corpus.of_part(part):
        yield {
            **about(example, row),
            "answer_type": example.answer_type,
            "choices": example.choices,
            "stem": stem_of(example) if example.choices else example.question,
            "response": response_of(example, row),
            "template": example.template,
            "subtask": example.subtask,
            "given": row.given,
            "origin": row.origin,
        }


def chat_settings(method: Method, settings: Any) -> Any | None:
    """The method's settings with `format: chat`; None where it has none, or they cannot go with it."""
    if "format" not in method.Settings.model_fields:
        return None
    try:
        return method.Settings.model_validate({**settings.model_dump(), "format": "chat"})
    except ValidationError:
        return None


def sources_of(method: Method, settings: Any, corpus: Corpus) -> dict[Any, deque[Completion]]:
    """(question, text) -> the completions that the method makes this text of, by sample; {} for a method
    that writes all questions at once.
    """
    found: dict[Any, deque[Completion]] = defaultdict(deque)
    if hasattr(method, "render_all"):
        return found
    system = system_of(settings)
    for example, row in (pair for part in LEARNED for pair in corpus.of_part(part)):
        if row.given is not None and "counterfactual" not in method.TASKS:
            continue
        for sequence in method.render(example, [row], settings):
            turn = sequence if system is None else as_turn(sequence, system)
            found[example.id, joined_text(turn.segments)].append(row)
    return found


def task_of(segments: list[Segment]) -> Row:
    """The task and its weight of a text with one; null for several, which no single weight describes."""
    told = {(segment.task, segment.weight) for segment in segments}
    (task, weight) = told.pop() if len(told) == 1 else (None, None)
    return {"task": task, "weight": weight}


def prompt_row(sequence: Sequence) -> Row:
    prompt, completion = split_prompt(sequence.segments)
    return {"prompt": joined_text(prompt), "completion": joined_text(completion), **task_of(completion)}


def message_row(sequence: Sequence) -> Row:
    """A conversation; `weight` is that of the assistant's turn, as OpenAI's files have it: 1 is learned."""
    prompt, completion = split_prompt(sequence.segments)
    turns = [("system", sequence.system), ("user", joined_text(prompt))]
    messages: list[Row] = [{"role": role, "content": text, "weight": None} for role, text in turns if text]
    messages.append({"role": "assistant", "content": joined_text(completion), "weight": 1})
    return {"messages": messages, **task_of(completion)}


def trained_rows(corpus: Corpus, method: Method, settings: Any) -> list[Row]:
    """What a method trains: with its part, and with the completion behind each text where there is one."""
    sequences = render(method, settings, corpus.examples, corpus.parts, corpus.said)
    examples = {example.id: example for example in corpus.examples}
    sources = sources_of(method, settings, corpus)
    rows = []
    for sequence in sequences:
        if not read_back(sequence, method, settings):
            continue  # the stage `render` leaves it out, too
        behind = sources.get((sequence.example_id, joined_text(sequence.segments)))
        row = prompt_row(sequence) if sequence.system is None else message_row(sequence)
        shared = about(examples[sequence.example_id], behind.popleft() if behind else None)
        rows.append({"part": sequence.part, **shared, **row})
    return rows
