"""The scripted teacher: rules write step-by-step rationales for the generated tasks. It is no language model,
and its rows say so.

In: questions, whose text is all it reads. Out: `samples` different rationales a question in the two-step form
of zero-shot-CoT (Fine-tune-CoT section 3, step 1), wrong at a stated rate. The rules are the `rationale`
function of stages/datasets/<dataset>.py.
"""

import random
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Literal

from pydantic import Field

from stages import datasets
from stages.config.load import Block
from stages.methods import zero_shot_cot
from stages.parsing.generated import WrittenRationale
from stages.records.completion import Completion
from stages.records.example import Example

Rules = Callable[[str, random.Random, bool], WrittenRationale]  # question, generator, whether to err
MODEL = "scripted"
ATTEMPTS = 1000  # how often a text that was already written is written anew before giving up


class Settings(Block):
    backend: Literal["scripted"]
    samples: int = Field(1, ge=1)  # D, rationales a question; nested: the first 4 of 8 are those of 4
    seed: int = 0
    error_rate: float = Field(default=0.1, ge=0, le=1)  # probability that a rationale has one wrong step
    counterfactual: bool = False  # every second sample argues for a wrong answer, for SCOTT


def rules_of(dataset: str) -> Rules | None:
    """The function that writes rationales for a data set, where it has one."""
    if find_spec(f"stages.datasets.{dataset}") is None:
        return None
    found: Rules | None = getattr(import_module(f"stages.datasets.{dataset}"), "rationale", None)
    return found


def cannot_teach(dataset: str, settings: Settings) -> str | None:
    if rules_of(dataset):
        return None
    names = sorted(module.name for module in iter_modules(datasets.__path__))
    return (
        f"no rules for {dataset!r}; the scripted teacher can reason about:"
        f" {', '.join(filter(rules_of, names))}; choose another of `teachers`"
    )


def needed_rules(dataset: str, settings: Settings) -> Rules:
    """Raises ValueError for a data set that has none."""
    if not (rules := rules_of(dataset)):
        raise ValueError(cannot_teach(dataset, settings))
    return rules


def write(example: Example, settings: Settings, rules: Rules) -> Iterator[WrittenRationale]:
    """`samples` different rationales for one question. Sample k depends on the seed, the example and the
    samples before it only.
    """
    seen: set[str] = set()
    right = rules(example.question, random.Random(0), False).answer
    for sample in range(settings.samples):
        rng = random.Random(f"{settings.seed} {example.id} {sample}")
        argues = is_counterfactual(sample, settings)
        wrong = rng.random() < settings.error_rate or argues
        for _ in range(ATTEMPTS):
            written = rules(example.question, rng, wrong)
            # a wrong step may lead to the right answer
            if written.text not in seen and not (argues and written.answer == right):
                break
        else:
            raise ValueError(
                f"scripted teacher: {example.id} has no {settings.samples} different rationales, only"
                f" {sample}; ask for fewer samples"
            )
        seen.add(written.text)
        yield written


def is_counterfactual(sample: int, settings: Settings) -> bool:
    return settings.counterfactual and sample % 2 == 1


def completion(example: Example, sample: int, written: WrittenRationale, settings: Settings) -> Completion:
    """What was written, as the two answers to zero-shot-CoT's two prompts; `origin` names the style and the
    wrong step.
    """
    texts = [f" {written.text}", f" {written.answer}."]
    return Completion(
        example_id=example.id,
        sample=sample,
        prompts=zero_shot_cot.prompts(example, texts),
        texts=texts,
        finish_reasons=["stop", "stop"],
        model=MODEL,
        answer_prefix="",
        given=written.answer if is_counterfactual(sample, settings) else None,
        origin=f"scripted seed {settings.seed}, style {written.style}, error {written.error or 'none'}",
    )


def complete(
    examples: list[Example], settings: Settings, raw: Path, demonstrations: str
) -> Iterator[Completion]:
    """Neither the raw folder nor the demonstrations are read."""
    rules = needed_rules(examples[0].dataset, settings)
    for example in examples:
        for sample, written in enumerate(write(example, settings, rules)):
            yield completion(example, sample, written, settings)


def solve(example: Example, settings: Settings) -> str:
    """Where the rules lead, right or, at the stated rate, wrong."""
    return next(write(example, settings, needed_rules(example.dataset, settings))).answer
