"""Teacher `released`: completions that others published, because the teachers of the papers are retired.

Reads them out of the dataset's raw folder (stages/parsing/released.py) and matches them with examples by
question text. One source is one sample per question, or as many as it has, in the order of `sources`. A
question that a source does not cover gets no completion from it. No source says why a text ended, and many
zero-shot-CoT rationales are cut at 128 tokens, so every finish reason is "unknown".
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import field_validator

from stages.config.dataset import read_dataset
from stages.config.load import Block
from stages.config.source import source_files
from stages.parsing.released import (
    ReleasedAnswer,
    existing_file,
    letters_and_digits,
    loose_key,
    read_source,
)
from stages.parsing.released_samples import in_our_letters, read_samples, sample_key
from stages.records.completion import UNKNOWN, Completion, Reader
from stages.records.example import Example


class Source(NamedTuple):
    model: str
    # what stands before its answer: "The answer is 39." and "So the answer is (b)."; "": the last text is it
    answer_prefix: str
    # the teacher was shown the gold answer: a filter by answers proves nothing about such rationales
    rationalised: bool = False
    samples: int = 1  # of a question
    reader: Reader = "kojima"


def levels(teacher: str, model: str, count: int, reader: Reader = "kojima") -> dict[str, Source]:
    """Rationales at several levels of detail (arXiv 2502.18001), of a teacher that knew the gold answer."""
    shown = Source(model, "he answer is", rationalised=True, reader=reader)
    return {f"granularity_{teacher}_{level}.json": shown for level in range(1, count + 1)}


SOURCES = {
    "log_zero_shot_cot.log": Source("text-davinci-002", ""),
    "log_zero_shot.log": Source("text-davinci-002", ""),
    "faithful_code002.jsonl": Source("code-davinci-002", "he answer is"),
    "faithful_text002.jsonl": Source("text-davinci-002", "he answer is"),
    "faithful_text003.jsonl": Source("text-davinci-003", "he answer is"),
    "faithful_gpt35.jsonl": Source("gpt-3.5-turbo", "he answer is"),
    "faithful_gpt4.jsonl": Source("gpt-4", "he answer is"),
    "code_davinci_002_{subtask}.json": Source("code-davinci-002", "the answer is"),
    "code_davinci_002_direct_{subtask}.json": Source("code-davinci-002", ""),
    "palm": Source("PaLM-540B", "the answer is"),
    **levels("llama", "Llama-3-70B", 4),
    **levels("gemini", "Gemini-1.5-Flash", 6),
    **levels("gpt4o", "GPT-4o", 6, "stated"),  # of StrategyQA it says "True" and "False"
    "granularity_gpt4o_unseen.json": Source("GPT-4o", "he answer is"),
    "mentor_kd_raw.json": Source("gpt-3.5-turbo-instruct", "", samples=6, reader="stated"),
    "mentor_kd_right.json": Source("gpt-3.5-turbo-instruct", "", samples=3),
    "mentor_kd_mentor.json": Source("Flan-T5-large, taught", "", samples=3),
}


class Settings(Block):
    backend: Literal["released"]
    # files in data/raw/<dataset>/, or PaLM's lot of them; the place in the list is the sample's number
    sources: list[str]
    reader: Reader | None = None  # of their answers; null: each source's own

    @field_validator("sources")
    @classmethod
    def known(cls, sources: list[str]) -> list[str]:
        unknown = [source for source in sources if source not in SOURCES]
        if unknown or not sources:
            raise ValueError(f"got {unknown or 'no source'}, wanted some of {', '.join(SOURCES)}")
        return sources


def has_source(files: list[str], source: str) -> bool:
    """Whether a data set's files hold (a part of) a source."""
    if source == "palm":
        return "palm_questions_train.jsonl" in files
    before, _, after = source.partition("{subtask}")
    return any(name.startswith(before) and name.endswith(after) for name in files)


def cannot_teach(dataset: str, settings: Settings) -> str | None:
    files = source_files(read_dataset(dataset).source)
    if not (absent := [source for source in settings.sources if not has_source(files, source)]):
        return None
    there = [source for source in SOURCES if has_source(files, source)]
    return (
        f"the `source` of stages/datasets/{dataset}.yaml has no file of {', '.join(absent)}; it has"
        f" {', '.join(there) or 'none that a released teacher reads'}"
    )


def completion(
    example: Example, sample: int, source: str, answered: ReleasedAnswer, reader: Reader | None = None
) -> Completion:
    """A released answer as a completion of the example's question: each step's prompt repeats all that was
    said before.
    """
    told = SOURCES[source]
    prompts = []
    so_far = f"{answered.header}Q: {answered.question}"
    for asked, text in answered.steps:
        prompts.append(so_far + asked)
        so_far = prompts[-1] + text
    texts = [text for _, text in answered.steps]
    reasons = [UNKNOWN] * len(prompts)
    return Completion(
        example_id=example.id,
        sample=sample,
        prompts=prompts,
        texts=texts,
        finish_reasons=reasons,
        model=told.model,
        answer_prefix=told.answer_prefix,
        origin=answered.origin,
        reader=reader or told.reader,
        rationalised=told.rationalised,
    )


def question_key(source: str) -> Callable[[str], str]:
    """What a question and its row of a source have in common. Options are part of the question, except in
    Faithful-CoT's files: with letters in another order the answer would mean something else.
    """
    if source.startswith("faithful_"):
        return loose_key
    if source.startswith("mentor_kd_"):
        return sample_key
    return letters_and_digits if source.startswith("granularity_") else str.strip


def matched(
    examples: list[Example], source: str, raw: Path
) -> tuple[list[tuple[Example, int, ReleasedAnswer]], int]:
    """(examples with what a source says to them, by its sample; what the source has in all). Questions that
    occur twice take their records in order.

    Raises ValueError for a source that covers no example.
    """
    key = question_key(source)
    subtasks = dict.fromkeys(example.subtask for example in examples if example.subtask is not None)
    samples = source.startswith("mentor_kd_")
    answers = read_samples(existing_file(raw / source)) if samples else read_source(source, raw, subtasks)
    waiting: defaultdict[str, deque[ReleasedAnswer]] = defaultdict(deque)
    for answered in answers:
        waiting[key(answered.question)].append(answered)
    pairs = []
    for example in examples:
        there = waiting[key(example.question)]
        for sample in range(min(len(there), SOURCES[source].samples)):
            answered = there.popleft()
            if samples:
                answered = in_our_letters(answered, example.question)
            pairs.append((example, sample, answered))
    if not pairs:
        raise ValueError(
            f"{raw / source}: no question of it is one of the {len(examples)} examples, such as"
            f" {[example.question for example in examples[:1]]}"
        )
    return pairs, len(answers)


def coverage(examples: list[Example], settings: Settings, raw: Path) -> dict[str, dict[str, int | bool]]:
    """Per source: its rows, those that are matched with an example and those that are not, and whether its
    teacher was shown the gold answer.
    """
    found: dict[str, dict[str, int | bool]] = {}
    for source in settings.sources:
        pairs, rows = matched(examples, source, raw)
        found[source] = {"rows": rows, "matched": len(pairs), "unmatched": rows - len(pairs)}
        if SOURCES[source].rationalised:
            found[source]["rationalised"] = True
    return found


def complete(
    examples: list[Example], settings: Settings, raw: Path, demonstrations: str
) -> Iterator[Completion]:
    """What each source says to each example, sorted by example. Raises ValueError for a source that is
    missing or not in its format.
    """
    rows: defaultdict[str, list[Completion]] = defaultdict(list)
    first = 0
    for source in settings.sources:
        for example, sample, answered in matched(examples, source, raw)[0]:
            rows[example.id].append(completion(example, first + sample, source, answered, settings.reader))
        first += SOURCES[source].samples
    for example in examples:
        yield from rows[example.id]
