"""Teacher `released`: completions that others published, because the teachers of the paper are retired.

Reads the logs of zero-shot-CoT (Kojima et al. 2022; the rationales Fine-tune-CoT section 3 starts from) and the few-shot-CoT predictions
of Faithful-CoT (Lyu et al. 2023) out of the dataset's raw folder, and matches them with examples by question text. One source is one
sample per question, in the order of `sources`. A question that a source does not cover gets no completion from it.
No source says why a text ended, so every finish reason is "stop", although many zero-shot-CoT rationales are cut at 128 tokens.
"""

import ast
import re
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import field_validator

from stages.config.load import Block
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.jsonl import read_rows

MODELS = {
    "log_zero_shot_cot.log": "text-davinci-002",
    "log_zero_shot.log": "text-davinci-002",
    "faithful_code002.jsonl": "code-davinci-002",
    "faithful_text002.jsonl": "text-davinci-002",
    "faithful_text003.jsonl": "text-davinci-003",
    "faithful_gpt35.jsonl": "gpt-3.5-turbo",
    "faithful_gpt4.jsonl": "gpt-4",
}
QUESTIONS = "faithful_questions.jsonl"  # Faithful-CoT's predictions name their question by its id in this file
FAITHFUL_PREFIX = "he answer is"  # "The answer is 39." and "So the answer is (b)."
RULER = re.compile(r"^\*{25}$", re.MULTILINE)
RECORD = re.compile(
    r"\s*(?:\d+st data\n)?\d+_th_sampling\nQ: (?P<question>.*?)\nA: (?P<reply>.*)\npred_before : (?P<before>.*)"
    r"\npred_after : (?P<after>.*)\npred_list : .*\npred_mode : .*\nGT : (?P<gold>[^\n]*)\s*",
    re.DOTALL,
)


class Settings(Block):
    backend: Literal["released"]
    sources: list[str]  # files in data/raw/<dataset>/; the place in the list is the sample's number

    @property
    def samples(self) -> int:
        return len(self.sources)

    @field_validator("sources")
    @classmethod
    def known(cls, sources: list[str]) -> list[str]:
        unknown = [source for source in sources if source not in MODELS]
        if unknown or not sources:
            raise ValueError(f"got {unknown or 'no source'}, wanted some of {', '.join(MODELS)}")
        return sources


class LogRecord(NamedTuple):
    question: str  # after "Q: "
    steps: list[tuple[str, str]]  # what was put after the text so far, and what the model said to it
    pred_before: str  # the answer text as the log repeats it
    pred_after: str  # the answer the log's authors read
    gold: str


class Answered(NamedTuple):
    question: str
    steps: list[tuple[str, str]]
    origin: str


def header_value(header: str, name: str) -> str:
    """A string argument in the log's printed `Namespace(...)`."""
    found = re.search(rf"\b{name}=('[^']*'|\"[^\"]*\")", header)
    if not found:
        raise ValueError(f"no {name}='...' in the header {header[:200]!r}")
    return str(ast.literal_eval(found[1]))


def split_steps(reply: str, before: str, method: str, cot_trigger: str, trigger: str) -> list[tuple[str, str]]:
    """The steps in all that the log shows after "A: ". `trigger` asks for the answer and starts with "\\nTherefore, "."""
    if method == "zero_shot":
        asked = trigger.removeprefix("\nTherefore, ")
        asked = asked[0].upper() + asked[1:]
        if not reply.startswith(asked):
            raise ValueError(f"no {asked!r} at the start of the reply {reply[:80]!r}")
        return [(f"\nA: {asked}", reply.removeprefix(asked))]
    if method != "zero_shot_cot" or not reply.startswith(cot_trigger):
        raise ValueError(f"method {method!r}, wanted 'zero_shot' or 'zero_shot_cot'; no {cot_trigger!r} at the start of {reply[:80]!r}")
    rest = reply.removeprefix(cot_trigger)
    places = [found.start() for found in re.finditer(re.escape(trigger), rest)]
    # rationale and answer may repeat the trigger, and older logs print the answer trimmed and without colons
    fits = [place for place in places if bare(rest[place + len(trigger) :]) == bare(before)]
    if len(fits) != 1:
        raise ValueError(f"{len(fits)} of {len(places)} places of {trigger!r} leave the answer {before!r}, wanted 1: {rest!r}")
    rationale, answer = rest[: fits[0]], rest[fits[0] + len(trigger) :]
    space = " " if rationale.endswith(" ") else ""  # the one that the asking code puts before the trigger
    return [(f"\nA: {cot_trigger}", rationale.removesuffix(" ")), (space + trigger, answer)]


def bare(text: str) -> str:
    return re.sub(r"[\s:]", "", text)


def parse_log(text: str) -> list[LogRecord]:
    """All records of a zero-shot-CoT log, in its order (a shuffled one). Raises ValueError with the record's number."""
    header, *parts = RULER.split(text)
    method, cot_trigger, trigger = (header_value(header, name) for name in ("method", "cot_trigger", "direct_answer_trigger"))
    bodies = [part for part in parts if part.strip() and not part.lstrip().startswith("accuracy : ")]
    records = []
    for number, body in enumerate(bodies, 1):
        found = RECORD.fullmatch(body)
        if not found:
            raise ValueError(f"record {number}: wanted 'Q: ... A: ... pred_before ... GT : ...', got {body[:200]!r}")
        try:
            steps = split_steps(found["reply"], found["before"], method, cot_trigger, trigger)
        except ValueError as error:
            raise ValueError(f"record {number}: {error}") from error
        records.append(LogRecord(found["question"], steps, found["before"], found["after"], found["gold"]))
    return records


def read_log(path: Path) -> list[Answered]:
    try:
        records = parse_log(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return [Answered(record.question, record.steps, f"zero_shot_cot log {path.name} record {number}") for number, record in enumerate(records, 1)]


def read_faithful(path: Path) -> list[Answered]:
    """Faithful-CoT's predictions. The prompt is recorded without its few-shot header and without AQuA's list of options."""
    questions = {row["id"]: row["question"] for row in read_rows(path.with_name(QUESTIONS))}
    answered = []
    for number, row in enumerate(read_rows(path), 1):
        missing = {"id", "completion"} - row.keys()
        if missing or row["id"] not in questions:
            raise ValueError(f"{path} row {number}: no {sorted(missing)}" if missing else f"{path} row {number}: id {row['id']!r} not in {QUESTIONS}")
        text = row["completion"].split("\nQ:")[0].rstrip("\n")  # a model may go on with a question of its own
        answered.append(Answered(stem(questions[row["id"]]), [("\nA:", text)], f"Faithful-CoT {path.name} id {row['id']}"))
    return answered


def stem(question: str) -> str:
    """The question without its options."""
    return re.split(r"\s*(?:# Answer option|Answer Choices):", question)[0].strip()


def loose(question: str) -> str:
    """A key that survives what Faithful-CoT changed: options, case, spaces, periods and commas."""
    return re.sub(r"[\s.,]", "", stem(question)).casefold()


def completion(example: Example, sample: int, source: str, answered: Answered) -> Completion:
    """A released answer as a completion of the example's question: each step's prompt repeats all that was said before."""
    prompts, shown = [], f"Q: {answered.question}"
    for asked, text in answered.steps:
        prompts.append(shown + asked)
        shown = prompts[-1] + text
    return Completion(
        example_id=example.id,
        sample=sample,
        prompts=prompts,
        texts=[text for _, text in answered.steps],
        finish_reasons=["stop"] * len(prompts),
        model=MODELS[source],
        answer_prefix="" if source.endswith(".log") else FAITHFUL_PREFIX,
        origin=answered.origin,
    )


def complete(examples: list[Example], settings: Settings, raw: Path, demonstrations: str) -> Iterator[Completion]:
    """Up to one completion per example and source, sorted by example. Questions that occur twice take their records in order.

    Raises ValueError for a source that covers no example, or that is not in its format.
    """
    said: defaultdict[str, list[Completion]] = defaultdict(list)
    for sample, source in enumerate(settings.sources):
        # options are part of a log's question: with letters in another order its answers would mean something else
        read, key = (read_log, str.strip) if source.endswith(".log") else (read_faithful, loose)
        if not (raw / source).exists():
            raise ValueError(f"{raw / source} not found: a released teacher needs `{source}` under the dataset's `source.files`")
        waiting: defaultdict[str, deque[Answered]] = defaultdict(deque)
        for answered in read(raw / source):
            waiting[key(answered.question)].append(answered)
        matched = [(example, waiting[key(example.question)].popleft()) for example in examples if waiting[key(example.question)]]
        if not matched:
            raise ValueError(
                f"{raw / source}: no question of it is one of the {len(examples)} examples, such as {[example.question for example in examples[:1]]}"
            )
        for example, answered in matched:
            said[example.id].append(completion(example, sample, source, answered))
    for example in examples:
        yield from said[example.id]
