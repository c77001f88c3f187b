"""Filters of a corpus: completions in, the completions that stay out, in the same order. One question's rows
share example_id.
"""

import random
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace

from stages.records.completion import Completion
from stages.records.example import Example
from stages.text.answers import is_correct, read


def of_questions(completions: list[Completion], ids: Collection[str]) -> list[Completion]:
    return [completion for completion in completions if completion.example_id in ids]


def first_samples(completions: list[Completion], per_question: int | None) -> list[Completion]:
    """The first `per_question` samples of each question by sample index (None: all), so that smaller budgets
    nest in larger ones.
    """
    asked = defaultdict(list)
    for completion in completions:
        asked[completion.example_id].append(completion.sample)
    kept = {
        (question, sample) for question, samples in asked.items() for sample in sorted(samples)[:per_question]
    }
    return [completion for completion in completions if (completion.example_id, completion.sample) in kept]


def finished(completions: list[Completion]) -> list[Completion]:
    """Completions of which no step was cut at the length limit, refused or lost."""
    return [
        completion
        for completion in completions
        if all(reason == "stop" for reason in completion.finish_reasons)
    ]


def distinct(completions: list[Completion]) -> list[Completion]:
    """The first of a question's completions whose texts differ only in upper case and white space."""
    first: dict[tuple[str, tuple[str, ...]], Completion] = {}
    for completion in completions:
        texts = tuple(" ".join(text.split()).casefold() for text in completion.texts)
        first.setdefault((completion.example_id, texts), completion)
    return list(first.values())


def strict_answer(completion: Completion, example: Example) -> str | None:
    """The answer where the text states it for the last time: what stands before that is the rationale
    (formats.rationale_of).

    Differs: reasoning-teacher takes the last number or letter of a text without its answer prefix; here that
    is no answer. It and CasCoD's code read behind the first of several prefixes, and CasCoD's loses all from
    the second one on (trap 18).
    """
    text = completion.texts[-1]
    prefix = completion.answer_prefix
    choices = example.choices or []
    stated = text[text.rindex(prefix) :] if prefix and prefix in text else text
    return read(stated, prefix, example.answer_type, len(choices), choices).strict


def answered(completions: list[Completion], examples: Mapping[str, Example]) -> list[Completion]:
    """Completions with an answer in the place where their prefix says it is."""
    return [
        completion
        for completion in completions
        if strict_answer(completion, examples[completion.example_id]) is not None
    ]


def correct(completions: list[Completion], examples: Mapping[str, Example]) -> list[Completion]:
    """Completions whose answer is the gold answer (Fine-tune-CoT section 3, step 2); the rationale may still
    be wrong (appendix E.1).
    """
    return [
        completion
        for completion in completions
        for example in [examples[completion.example_id]]
        if is_correct(strict_answer(completion, example), example.answer, example.answer_type)
    ]


def with_answer(completions: list[Completion], examples: Mapping[str, Example]) -> list[Completion]:
    """The same rows, each with the answer it gives: what is trained on them may be the teacher's own answer,
    right or wrong.
    """
    read_out = []
    for completion in completions:
        example = examples[completion.example_id]
        answer = strict_answer(completion, examples[completion.example_id])
        right = is_correct(answer, example.answer, example.answer_type)
        read_out.append(replace(completion, answer=example.answer if right else answer))
    return read_out


def undersample(completions: list[Completion], questions: int, seed: int) -> list[Completion]:
    """All completions of `questions` questions drawn without replacement; which ones does not depend on the
    order of the rows.
    """
    ids = sorted({completion.example_id for completion in completions})
    return of_questions(completions, set(random.Random(seed).sample(ids, min(questions, len(ids)))))
