"""Talk: lead every sample of every question through the steps of a method, with the store of answers as the
only state.

A talk is replayed from the store each time it is looked at: the prompts follow from the method and from the
answers so far, and what is not stored is what is still to be asked. So a killed run, a second worker and a
larger D all continue the same way.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import AfterValidator

from stages.asking.request import Answer, Request
from stages.config.load import check, find, read_params
from stages.records.completion import Completion
from stages.records.demonstrations import shown
from stages.records.example import Example


def there_is(method: str) -> str:
    if find_spec(f"stages.methods.{method}") is None:
        raise ValueError(f"stages/methods/{method}.py does not exist")
    return method


MethodName = Annotated[str, AfterValidator(there_is)]
Stored = Callable[[str], dict[int, Answer]]  # key -> the samples there are
Failures = dict[tuple[str, int], str]  # (key, sample) -> why it did not come


@dataclass(frozen=True)
class Asking:
    """Who is asked how: a method's asking side, and the request that a prompt becomes."""

    method: ModuleType
    settings: Any
    demonstrations: str
    samples: int
    request: Callable[[str], Request]
    keep_reasoning: bool = False  # put what a reasoning model thought in front of what it said


@dataclass
class Wanted:
    """Samples of one request that the store does not have."""

    request: Request
    key: str
    samples: list[int] = field(default_factory=list)


# puts the wanted answers into the store; returns those that did not come
Fulfil = Callable[[list[Wanted]], Failures]


def asking_method(name: str) -> tuple[ModuleType, Any]:
    """A method of stages/methods and its block of params.yaml, which may be missing: its settings have
    defaults.
    """
    method = import_module(f"stages.methods.{name}")
    return method, check(f"methods.{name}", find(read_params(), "methods").get(name) or {}, method.Settings)


def said(answer: Answer, asking: Asking) -> str:
    return f"{answer.reasoning}\n{answer.text}" if asking.keep_reasoning and answer.reasoning else answer.text


def walk(example: Example, asking: Asking, stored: Stored) -> tuple[list[Completion], dict[str, Wanted]]:
    """The finished completions of a question, and what is wanted next for the others.

    The i-th sample of a question that comes to ask a prompt takes the prompt's sample i: samples are
    independent draws and nested (the first 8 of 16 are those of 8), and a text that two samples share is not
    the same draw twice.
    """
    done: list[Completion] = []
    wanted: dict[str, Wanted] = {}
    known: dict[str, tuple[Request, str, dict[int, Answer]]] = {}
    taken: Counter[str] = Counter()
    demonstrations = shown(asking.demonstrations, example)
    for sample in range(asking.samples):
        prompts: list[str] = []
        answers: list[Answer] = []
        keys: list[str] = []
        while (
            prompt := asking.method.ask(
                example, [said(a, asking) for a in answers], asking.settings, demonstrations
            )
        ) is not None:
            if prompt not in known:
                request = asking.request(prompt)
                known[prompt] = (request, request.key, stored(request.key))
            request, key, samples = known[prompt]
            place = taken[prompt]
            taken[prompt] += 1
            if place not in samples:
                wanted.setdefault(key, Wanted(request, key)).samples.append(place)
                break
            prompts.append(prompt)
            answers.append(samples[place])
            keys.append(f"{key}/{place}")
        else:
            done.append(completion(example, sample, prompts, answers, keys, asking))
    return done, wanted


def completion(
    example: Example, sample: int, prompts: list[str], answers: list[Answer], keys: list[str], asking: Asking
) -> Completion:
    """A finished talk as a row. Prompts stand without the demonstrations that all questions share
    (data/demonstrations has them).
    """
    header = shown(asking.demonstrations, example).rstrip()
    usages = [usage(answer) for answer in answers]
    scores = [score(answer) for answer in answers]
    return Completion(
        example_id=example.id,
        sample=sample,
        prompts=[prompt.removeprefix(header).lstrip("\n") if header else prompt for prompt in prompts],
        texts=[said(answer, asking) for answer in answers],
        finish_reasons=[answer.finish_reason for answer in answers],
        model=model(answers[-1], asking),
        answer_prefix=asking.method.answer_prefix(asking.settings),
        origin=answers[-1].source,
        key=" ".join(key + aside(answer, answers, asking) for key, answer in zip(keys, answers, strict=True)),
        usage=(
            None
            if None in usages
            else {name: sum(used[name] for used in usages if used) for name in ("in", "out", "cached")}
        ),
        logprob=None if None in scores else sum(value for value in scores if value is not None),
    )


def usage(answer: Answer) -> dict[str, int] | None:
    """Tokens in, out and (part of in) cached; None where the server did not tell."""
    if answer.tokens_in is None or answer.tokens_out is None:
        return None
    return {"in": answer.tokens_in, "out": answer.tokens_out, "cached": answer.tokens_cached or 0}


def model(answer: Answer, asking: Asking) -> str:
    """As the server names it, else as it was asked for."""
    return answer.model or asking.request("").model


def score(answer: Answer) -> float | None:
    """Sum of the token log-probabilities, None where there are none."""
    return None if answer.logprobs is None else float(sum(value for _, value in answer.logprobs))


def aside(answer: Answer, answers: list[Answer], asking: Asking) -> str:
    """What a row does not say otherwise about a step's answer, as `?name=value&...`, so that `cot store
    import` can give it back to the store.

    A row has one usage, logprob, model and origin for all steps together, and one text for what a model
    thought and what it said.
    """
    told: dict[str, object] = (
        {"reasoning": len(answer.reasoning)} if asking.keep_reasoning and answer.reasoning else {}
    )
    if len(answers) > 1 and (value := score(answer)) is not None:
        told["logprob"] = value  # of the last step too: differences of floats are not exact
    if answer is not answers[-1]:
        told |= usage(answer) or {}
        told |= {"model": named} if (named := model(answer, asking)) != model(answers[-1], asking) else {}
        told |= {"source": answer.source} if answer.source != answers[-1].source else {}
    return f"?{urlencode(told)}" if told else ""


def ask_all(examples: list[Example], asking: Asking, stored: Stored, fulfil: Fulfil) -> Failures:
    """Ask until every talk is finished or has failed: all first steps, then all second ones, and so on."""
    failed: Failures = {}
    asked: set[tuple[str, int]] = set()
    pending = examples
    while pending:
        wanted: dict[str, Wanted] = {}
        waiting: list[Example] = []
        for example in pending:
            before = len(waiting)
            for key, want in walk(example, asking, stored)[1].items():
                if samples := [sample for sample in want.samples if (key, sample) not in failed]:
                    # two questions with the same text share their answers
                    merged = wanted.setdefault(key, Wanted(want.request, key))
                    merged.samples = sorted({*merged.samples, *samples})
                    waiting[before:] = [example]
        pairs = {(key, sample) for key, want in wanted.items() for sample in want.samples}
        if lost := pairs & asked:
            raise RuntimeError(
                f"{len(lost)} answers, such as {min(lost)}, were asked for and neither stored nor reported as"
                " failed"
            )
        asked = pairs
        if wanted:
            failed |= fulfil(list(wanted.values()))
        pending = waiting
    return failed


def completions(examples: list[Example], asking: Asking, stored: Stored) -> Iterator[Completion]:
    """The finished completions of all questions, in order."""
    for example in examples:
        yield from walk(example, asking, stored)[0]
