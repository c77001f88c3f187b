"""Conversation: lead every sample of every question through the steps of a method, be it a teacher's or a
student's.

A conversation is replayed from the answers there are each time it is looked at: the prompts follow from the
method and from the answers so far, and what is not there is what is still to be asked. So a killed run, a
second worker and a larger D all continue the same way. What differs is who answers: an `Answerer`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from stages.asking.request import Answer, Request
from stages.config.contracts import GivesWrongAnswers, Method
from stages.records.completion import Completion, Reader, Step
from stages.records.demonstrations import demonstrations_for
from stages.records.example import Example

Stored = Callable[[str], dict[int, Answer]]  # key -> the samples there are
Failures = dict[tuple[str, int], str]  # (key, sample) -> why it did not come
UNSCORED = (
    "have no log-probabilities: `logprobs: true` does not ask again for what is stored, another `salt` does,"
    " where the server tells them"
)


@dataclass(frozen=True)
class Asking:
    """How questions are asked: a method's asking side, and the request that a prompt becomes."""

    method: Method
    settings: Any
    demonstrations: str
    samples: int
    request: Callable[[str], Request]
    keep_reasoning: bool = False  # put what a reasoning model thought in front of what it said
    paid: bool = False  # an endpoint bills the answers
    # Answers are kept in the store, and conversations that come to the same prompt draw from the same ones.
    # False (a student in this process): every question and every later step has draws of its own
    shared: bool = True
    reader: Reader = "kojima"  # how the last answer is read
    fewer: Mapping[str, int] = field(default_factory=dict)  # samples of questions that are asked less often
    # of each subtask and type, for a method that gives some samples a wrong one; {}: none is given
    answers: Mapping[tuple[str | None, str], tuple[str, ...]] = field(default_factory=dict)

    def samples_of(self, example: Example) -> int:
        return min(self.samples, self.fewer.get(example.id, self.samples))

    def given(self, example: Example, sample: int) -> str | None:
        """The wrong answer that a sample is to argue for; None: it is asked for its own."""
        if not self.answers or not isinstance(self.method, GivesWrongAnswers):
            return None
        return self.method.given(example, sample, self.answers, self.settings)

    def next_prompt(self, example: Example, texts: list[str], given: str | None = None) -> str | None:
        """What is asked after these texts; None: the conversation is over."""
        shown = demonstrations_for(example, self.demonstrations)
        if given is None or not isinstance(self.method, GivesWrongAnswers):
            return self.method.ask(example, texts, self.settings, shown)
        return self.method.ask_given(example, given, texts, self.settings, shown)

    def text_of(self, answer: Answer) -> str:
        thought = self.keep_reasoning and answer.reasoning
        return f"{answer.reasoning}\n{answer.text}" if thought else answer.text


def with_wrong_answers(asking: Asking, examples: Iterable[Example]) -> Asking:
    """The same, of a method that gives wrong answers with those there are to questions that are learned from
    (all but those in `fewer`).
    """
    if not isinstance(asking.method, GivesWrongAnswers):
        return asking
    found: dict[tuple[str | None, str], set[str]] = {}
    for example in examples:
        answers = found.setdefault((example.subtask, example.answer_type), set())
        if example.id not in asking.fewer:
            answers.add(example.answer)
    return replace(asking, answers={kind: tuple(sorted(answers)) for kind, answers in found.items()})


@dataclass
class Wanted:
    """Samples of one request that are not there."""

    request: Request
    key: str
    samples: list[int] = field(default_factory=list)


# gets the wanted answers to where `Stored` finds them; returns those that did not come
Fulfil = Callable[[list[Wanted]], Failures]


@dataclass(frozen=True)
class Answerer:
    """Who answers: a model behind an endpoint or in this process, through the store or from memory."""

    stored: Stored
    fulfil: Fulfil
    reasons: Callable[[Failures], str] = lambda failed: ""  # why answers did not come, for people


class Turn(NamedTuple):
    """A prompt and its answer."""

    prompt: str
    key: str
    draw: int  # which of the samples under this key
    answer: Answer


def replay(example: Example, asking: Asking, stored: Stored) -> tuple[list[Completion], dict[str, Wanted]]:
    """The finished completions of a question, and what is wanted next for the others, by key.

    The i-th sample of a question that comes to ask a prompt takes the prompt's sample i: samples are
    independent draws and nested (the first 8 of 16 are those of 8), and a text that two samples share is not
    the same draw twice.
    """
    finished: list[Completion] = []
    wanted: dict[str, Wanted] = {}
    requests: dict[str, Request] = {}
    keys: dict[str, str] = {}
    answers: dict[str, dict[int, Answer]] = {}
    taken: Counter[str] = Counter()
    for sample in range(asking.samples_of(example)):
        turns: list[Turn] = []
        given = asking.given(example, sample)
        while (
            prompt := asking.next_prompt(example, [asking.text_of(t.answer) for t in turns], given)
        ) is not None:
            if prompt not in requests:
                requests[prompt] = asking.request(prompt)
                keys[prompt] = requests[prompt].key if asking.shared else example.id
            key = keys[prompt]
            if turns and not asking.shared:
                key = f"{example.id}, sample {sample}, step {len(turns)}"
            if key not in answers:
                answers[key] = stored(key)
            draw = taken[key]
            taken[key] += 1
            if draw not in answers[key]:
                wanted.setdefault(key, Wanted(requests[prompt], key)).samples.append(draw)
                break
            turns.append(Turn(prompt, key, draw, answers[key][draw]))
        else:
            finished.append(replace(completion(example, sample, turns, asking), given=given))
    return finished, wanted


def completion(example: Example, sample: int, turns: list[Turn], asking: Asking) -> Completion:
    """A finished conversation as a row. Prompts stand without the demonstrations that all questions share
    (data/demonstrations has them).
    """
    header = demonstrations_for(example, asking.demonstrations).rstrip()
    prompts = [turn.prompt for turn in turns]
    if header:
        prompts = [prompt.removeprefix(header).lstrip("\n") for prompt in prompts]
    steps = tuple(step(turn, asking) for turn in turns)
    scores = [step.logprob for step in steps if step.logprob is not None]
    return Completion(
        example_id=example.id,
        sample=sample,
        prompts=prompts,
        texts=[asking.text_of(turn.answer) for turn in turns],
        finish_reasons=[turn.answer.finish_reason for turn in turns],
        model=steps[-1].model,
        answer_prefix=asking.method.answer_prefix(asking.settings),
        origin=steps[-1].source,
        paid=asking.paid,
        reader=asking.reader,
        reasoning=thoughts_of(turns, asking),
        steps=steps if asking.shared else (),
        usage=total_usage(step.usage for step in steps),
        logprob=sum(scores) if len(scores) == len(steps) else None,
        prompt_cut=any(turn.answer.prompt_cut for turn in turns),
    )


def thoughts_of(turns: list[Turn], asking: Asking) -> tuple[str, ...]:
    """What was thought before each text; () where nothing was, or where it stands in the texts already."""
    thoughts = tuple(turn.answer.reasoning for turn in turns)
    return thoughts if any(thoughts) and not asking.keep_reasoning else ()


def step(turn: Turn, asking: Asking) -> Step:
    """Where the answer lies, and what a row does not tell of it."""
    answer = turn.answer
    return Step(
        key=turn.key,
        sample=turn.draw,
        model=answer.model or asking.request("").model,
        source=answer.source,
        reasoning=len(answer.reasoning) if asking.keep_reasoning else 0,
        usage=usage(answer),
        # the sum over tokens
        logprob=None if answer.logprobs is None else float(sum(value for _, value in answer.logprobs)),
    )


def usage(answer: Answer) -> dict[str, int] | None:
    """Tokens in, out and, where told, (part of in) cached; None where the server did not tell."""
    if answer.tokens_in is None or answer.tokens_out is None:
        return None
    told = {"in": answer.tokens_in, "out": answer.tokens_out}
    return told if answer.tokens_cached is None else told | {"cached": answer.tokens_cached}


def total_usage(usages: Iterable[dict[str, int] | None]) -> dict[str, int] | None:
    """Of all steps together; None unless every one tells. Untold cached tokens are none."""
    total: Counter[str] = Counter()
    for used in usages:
        if used is None:
            return None
        total.update(used)
    return dict(total)


def ask_all(examples: list[Example], asking: Asking, stored: Stored, fulfil: Fulfil) -> Failures:
    """Ask until every conversation is finished or has failed: all first steps, then all second ones, and so
    on.
    """
    failed: Failures = {}
    asked: set[tuple[str, int]] = set()
    pending = examples
    while pending:
        wanted: dict[str, Wanted] = {}
        waiting: list[Example] = []
        for example in pending:
            before = len(waiting)
            for key, want in replay(example, asking, stored)[1].items():
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
        yield from replay(example, asking, stored)[0]
