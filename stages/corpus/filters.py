"""Filters of a corpus: completions in, those that stay out, in the same order.

One question's rows share example_id.
"""

import random
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import lru_cache

from stages.records.completion import Completion, Reader
from stages.records.example import Example
from stages.text.answers import is_correct, read_answer
from stages.text.formats import rationale_of
from stages.text.stated import rationale_before
from stages.text.thoughts import split_thoughts


def keep_questions(completions: list[Completion], ids: Collection[str]) -> list[Completion]:
    """Completions of these questions."""
    return [completion for completion in completions if completion.example_id in ids]


def keep_first_samples(completions: list[Completion], per_question: int | None) -> list[Completion]:
    """The first `per_question` samples of each question by sample index; None: all.

    So smaller budgets nest in larger ones.
    """
    samples_of = defaultdict(list)
    for completion in completions:
        samples_of[completion.example_id].append(completion.sample)
    kept = {
        (question, sample)
        for question, samples in samples_of.items()
        for sample in sorted(samples)[:per_question]
    }
    return [completion for completion in completions if (completion.example_id, completion.sample) in kept]


def keep_finished(completions: list[Completion]) -> list[Completion]:
    """Completions of which no step was cut at the length limit, refused or lost."""
    return [completion for completion in completions if completion.finished]


def states_again(completion: Completion) -> bool:
    """Whether the answer is stated more than once: then the last one ends the rationale."""
    prefix = completion.answer_prefix
    return bool(prefix) and completion.texts[-1].count(prefix) > 1


def keep_stated_once(completions: list[Completion]) -> list[Completion]:
    """Completions without those that state their answer again."""
    return [completion for completion in completions if not states_again(completion)]


def thoughts_of(row: Completion) -> list[str]:
    """What was thought before each text, where a model that thinks was asked."""
    if row.reasoning:
        return list(row.reasoning)
    return [split_thoughts(text)[1] for text in row.texts] if row.reader == "stated" else []


def keep_whole_thoughts(completions: list[Completion]) -> list[Completion]:
    """Completions without those of which a text is a thought that was cut, and nothing said after it."""
    return [row for row in completions if not thought_is_cut(row)]


def thought_is_cut(row: Completion) -> bool:
    return any(
        thought and reason != "stop" and not split_thoughts(text)[0].strip()
        for thought, reason, text in zip(thoughts_of(row), row.finish_reasons, row.texts, strict=False)
    )


def keep_thoughtful(completions: list[Completion]) -> list[Completion]:
    """Completions with thoughts to learn."""
    return list(filter(has_thoughts, completions))


def has_thoughts(row: Completion) -> bool:
    return any(thoughts_of(row))


def texts_learned(row: Completion, train_on: str) -> list[str]:
    """What was said, step by step, or thought, or both, as it is trained on."""
    said = [] if train_on == "thoughts" else row.texts
    return [*said, *([] if train_on == "summary" else thoughts_of(row))]


def keep_distinct(completions: list[Completion], train_on: str = "summary") -> list[Completion]:
    """The first of a question's completions of which what is learned differs only in upper case and white
    space.
    """
    first: dict[tuple[str, tuple[str, ...]], Completion] = {}
    for completion in completions:
        texts = tuple(" ".join(text.split()).casefold() for text in texts_learned(completion, train_on))
        first.setdefault((completion.example_id, texts), completion)
    return list(first.values())


def strict_answer(completion: Completion, example: Example) -> str | None:
    """The answer where the text states it for the last time: what stands before that is the rationale.

    So `formats.rationale_of` cuts it.
    Differs: reasoning-teacher takes the last number or letter of a text without its answer prefix; here
    that is no answer. It and CasCoD's code read behind the first of several prefixes, and CasCoD's loses
    all from the second one on (difference 13).
    """
    text = completion.texts[-1]
    prefix = completion.answer_prefix
    if completion.reader == "kojima" and prefix and prefix in text:  # the other readers look there anyway
        text = text[text.rindex(prefix) :]
    return read_strictly(text, prefix, example.answer_type, tuple(example.choices or ()), completion.reader)


@lru_cache(maxsize=1024)  # several filters read the completions of a question, one after the other
def read_strictly(
    text: str, prefix: str, answer_type: str, choices: tuple[str, ...], reader: Reader
) -> str | None:
    return read_answer(text, prefix, answer_type, choices, reader).strict


def keep_answered(completions: list[Completion], examples: Mapping[str, Example]) -> list[Completion]:
    """Completions with an answer in the place where their prefix says it is."""
    return [
        completion
        for completion in completions
        if strict_answer(completion, examples[completion.example_id]) is not None
    ]


def keep_as_given(completions: list[Completion], examples: Mapping[str, Example]) -> list[Completion]:
    """Without counterfactual completions that state another answer than the one they were to argue for."""

    def obeys(completion: Completion) -> bool:
        if completion.given is None:
            return True
        example = examples[completion.example_id]
        return is_correct(strict_answer(completion, example), completion.given, example.answer_type)

    return [completion for completion in completions if obeys(completion)]


def keep_correct(completions: list[Completion], examples: Mapping[str, Example]) -> list[Completion]:
    """Completions whose answer is the gold answer (Fine-tune-CoT section 3, step 2).

    The rationale may still be wrong (appendix E.1).
    """

    def is_right(completion: Completion) -> bool:
        example = examples[completion.example_id]
        return is_correct(strict_answer(completion, example), example.answer, example.answer_type)

    return [completion for completion in completions if is_right(completion)]


def keep_dual(completions: list[Completion], examples: Mapping[str, Example]) -> list[Completion]:
    """The right ones and, apart, the wrong ones of a question; of one without a right one none."""
    right = {row.sample for row in keep_correct(completions, examples)}
    kept = completions if right else []
    return [row if row.sample in right else replace(row, apart=True) for row in kept]


def with_answers(completions: list[Completion], examples: Mapping[str, Example]) -> list[Completion]:
    """The same rows, each with the answer it gives, right or wrong; a right one in the gold answer's writing.

    What is trained on them may be the teacher's own answer.
    """
    answered = []
    for completion in completions:
        example = examples[completion.example_id]
        answer = strict_answer(completion, example)
        right = is_correct(answer, example.answer, example.answer_type)
        answered.append(replace(completion, answer=example.answer if right else answer))
    return answered


def with_rationales(completions: list[Completion], train_on: str) -> list[Completion]:
    """The same rows, each with what is learned of it before the answer, where that is not what the papers'
    rule takes (stages/text/formats.py, `rationale_of`).

    summary: what is said before the answer is stated. thoughts: what was thought. both: one after the other.
    """
    return [
        replace(row, rationale=learned(row, train_on)) if row.reader == "stated" or row.reasoning else row
        for row in completions
    ]


def learned(row: Completion, train_on: str) -> str:
    one_text = row.reader == "stated" and len(row.texts) == 1
    said = rationale_before(row.texts[0]) if one_text else rationale_of(row)
    thoughts = "\n\n".join(thoughts_of(row)).strip()
    if train_on == "summary":
        return said
    return thoughts if train_on == "thoughts" else f"{thoughts}\n\n{said}".strip()


def rationale_learned(row: Completion, train_on: str) -> str:
    """What is learned before the answer, whichever way it was asked."""
    return rationale_of(with_rationales([row], train_on)[0])


def draw_questions(questions: Collection[str], count: int, seed: int) -> set[str]:
    """`count` of these ids, all different, without replacement and whatever their order."""
    return set(random.Random(seed).sample(sorted(questions), min(count, len(questions))))
