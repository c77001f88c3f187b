"""Predict: ask a student every test question, in as many steps as its method asks (Fine-tune-CoT section 3, step 3).

In: examples, split, demonstrations, student. Out: completions of the test part; reading them is score's business.
"""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from stages.cli import run
from stages.config.decoding import Decoding
from stages.config.load import block, find, read_params
from stages.records.completion import Completion, write_completions
from stages.records.example import Example, read_examples
from stages.request import Request
from stages.talk import Asking, ask_all, completions


@dataclass
class Talk:
    """One sample's way through the steps of its method."""

    example: Example
    sample: int
    prompts: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    finish_reasons: list[str] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=lambda: {"in": 0, "out": 0})

    def add(self, prompt: str, answer: Any) -> None:
        self.prompts.append(prompt)
        self.texts.append(answer.text)
        self.finish_reasons.append(answer.finish_reason)
        self.usage = {"in": self.usage["in"] + answer.tokens_in, "out": self.usage["out"] + answer.tokens_out}


def answer_all(
    loaded: Any, method: ModuleType, settings: Any, examples: list[Example], shown: str, decoding: Decoding, model: str, origin: str
) -> list[Completion]:
    """Every question's completions. Samples share their first prompt, which is read once; a later step continues its own sample."""
    from stages.decode import decode

    marks, what = method.stops(settings), f"predict {origin}"
    first = [method.ask(example, [], settings, shown) for example in examples]
    talks = []
    for example, prompt, answers in zip(examples, first, decode(loaded, first, marks, decoding, what), strict=True):
        for sample, answer in enumerate(answers):
            talks.append(Talk(example, sample))
            talks[-1].add(prompt, answer)
    alone = decoding.model_copy(update={"samples": 1})
    while pending := [(talk, prompt) for talk in talks if (prompt := method.ask(talk.example, talk.texts, settings, shown)) is not None]:
        for (talk, prompt), (answer,) in zip(pending, decode(loaded, [prompt for _, prompt in pending], marks, alone, what), strict=True):
            talk.add(prompt, answer)
    prefix = method.answer_prefix(settings)
    return [Completion(t.example.id, t.sample, t.prompts, t.texts, t.finish_reasons, model, prefix, origin, usage=t.usage) for t in talks]


def ask_hosted(
    pointer: dict[str, str], method: ModuleType, settings: Any, examples: list[Example], shown: str, decoding: Decoding, model: str
) -> list[Completion]:
    """The same of a student at OpenAI, through the store that teachers use: an answer is paid once. Raises ValueError for a shortfall."""
    seed = decoding.seed if decoding.temperature else None  # a greedy answer has none, and its key needs none

    def request(prompt: str) -> Request:
        return Request(
            kind=pointer["api"], model=pointer["model"], prompt=prompt, temperature=decoding.temperature, max_tokens=decoding.max_new_tokens,
            stop=tuple(method.stops(settings)), seed=seed,
        )  # fmt: skip

    asking, endpoint = Asking(method, settings, shown, decoding.samples, request), pointer["endpoint"]
    transport, config = import_module("stages.api.transport"), import_module("stages.config.endpoint")  # no dependencies, as in stages/teach.py
    store, fulfil = transport.connect(endpoint, *config.endpoint_and_prices(endpoint))
    if failed := ask_all(examples, asking, store.answers, fulfil):
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(failed.values()).items()))
        raise ValueError(
            f"student {model!r}: {len(failed)} answers did not come ({kinds}); all others are in the store: run again to ask for these only"
        )
    return [replace(row, model=model, origin="selected") for row in completions(examples, asking, store.answers)]


def main(
    name: Annotated[str, typer.Argument(metavar="METHOD", help="A file of stages/methods and a block under `methods`.")],
    student_name: Annotated[str, typer.Argument(metavar="STUDENT", help="The student's name, for the rows.")],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    split: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    demonstrations: Annotated[Path, typer.Argument(help="data/demonstrations/DATASET.txt")],
    student_folder: Annotated[Path, typer.Argument(help="data/students/CELL")],
    out: Annotated[Path, typer.Argument(help="Where the completions go.")],
) -> None:
    """Ask the test questions; rows of kept epochs (the paper's protocol) stand beside those of the selected student."""
    find(read_params(), f"methods.{name}")  # names the methods there are, where this one is not
    method, decoding = import_module(f"stages.methods.{name}"), block("decoding", Decoding)
    settings = block(f"methods.{name}", method.Settings)
    test = set(json.loads(split.read_text(encoding="utf-8"))["test"])
    asked = [example for example in read_examples(examples) if example.id in test]
    shown = demonstrations.read_text(encoding="utf-8")
    if (pointer := student_folder / "openai.json").exists():
        write_completions(out, ask_hosted(json.loads(pointer.read_text()), method, settings, asked, shown, decoding, student_name))
        return
    from stages.student import load, load_trained

    rows = answer_all(load_trained(student_folder), method, settings, asked, shown, decoding, student_name, "selected")
    for epoch in sorted((student_folder / "epochs").glob("*")):
        rows += answer_all(load(epoch), method, settings, asked, shown, decoding, student_name, f"epoch {int(epoch.name)}")
    write_completions(out, rows)


if __name__ == "__main__":
    run(main)
