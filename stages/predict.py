"""Predict: ask a student every test question, in as many steps as its method asks (Fine-tune-CoT section 3,
step 3).

In: examples, split, demonstrations, student. Out: completions of the test part; reading them is score's
business.
"""

import json
import os
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from stages.asking.conversation import Asking, ask_all, completions
from stages.asking.request import Request
from stages.config.cli import run
from stages.config.decoding import Decoding
from stages.config.load import block, find, read_params
from stages.records.completion import Completion, write_completions
from stages.records.demonstrations import shown
from stages.records.example import Example, read_examples


@dataclass
class Talk:
    """One sample's way through the steps of its method."""

    example: Example
    sample: int
    prompts: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    finish_reasons: list[str] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=lambda: {"in": 0, "out": 0})

    def next(self, method: ModuleType, settings: Any, demonstrations: str) -> str | None:
        prompt: str | None = method.ask(
            self.example, self.texts, settings, shown(demonstrations, self.example)
        )
        return prompt

    def add(self, prompt: str, answer: Any) -> None:
        self.prompts.append(prompt)
        self.texts.append(answer.text)
        self.finish_reasons.append(answer.finish_reason)
        self.usage = {"in": self.usage["in"] + answer.tokens_in, "out": self.usage["out"] + answer.tokens_out}


def answer_all(
    loaded: Any,
    method: ModuleType,
    settings: Any,
    examples: list[Example],
    demonstrations: str,
    decoding: Decoding,
    model: str,
    origin: str,
) -> list[Completion]:
    """Every question's completions. Samples share their first prompt, which is read once; a later step
    continues its own sample.
    """
    from stages.students.decode import decode

    marks = method.stops(settings)
    what = f"predict {origin}"
    first = [method.ask(example, [], settings, shown(demonstrations, example)) for example in examples]
    talks = []
    for example, prompt, answers in zip(
        examples, first, decode(loaded, first, marks, decoding, what), strict=True
    ):
        for sample, answer in enumerate(answers):
            talks.append(Talk(example, sample))
            talks[-1].add(prompt, answer)
    alone = decoding.model_copy(update={"samples": 1})
    while pending := [
        (talk, prompt)
        for talk in talks
        if (prompt := talk.next(method, settings, demonstrations)) is not None
    ]:
        for (talk, prompt), (answer,) in zip(
            pending, decode(loaded, [prompt for _, prompt in pending], marks, alone, what), strict=True
        ):
            talk.add(prompt, answer)
    prefix = method.answer_prefix(settings)
    return [
        Completion(
            t.example.id, t.sample, t.prompts, t.texts, t.finish_reasons, model, prefix, origin, usage=t.usage
        )
        for t in talks
    ]


def ask_hosted(
    pointer: dict[str, str],
    method: ModuleType,
    settings: Any,
    examples: list[Example],
    demonstrations: str,
    decoding: Decoding,
    model: str,
) -> list[Completion]:
    """The same of a student behind an endpoint, through the store that teachers use: an answer is paid once.
    Raises ValueError for a shortfall.
    """
    from stages.config.endpoint import endpoint_and_prices
    from stages.endpoint import transport

    seed = decoding.seed if decoding.temperature else None  # a greedy answer has none, and its key needs none

    def request(prompt: str) -> Request:
        return Request(
            kind=pointer["api"], model=pointer["model"], prompt=prompt, temperature=decoding.temperature, max_tokens=decoding.max_new_tokens,
            stop=tuple(method.stops(settings)), seed=seed, salt=pointer.get("salt", ""),
        )  # fmt: skip

    asking = Asking(method, settings, demonstrations, decoding.samples, request)
    name = pointer["endpoint"]
    endpoint, prices = endpoint_and_prices(name)
    store, fulfil = transport.connect(name, endpoint, prices, (examples, asking))
    if failed := ask_all(examples, asking, store.answers, fulfil):
        why = transport.reasons(failed, store, endpoint)
        raise ValueError(
            f"student {model!r}: {len(failed)} answers did not come; all others are in the store: run again"
            f" to ask for these only{why}"
        )
    return [
        replace(row, model=model, origin="selected") for row in completions(examples, asking, store.answers)
    ]


def served(folder: Path, endpoint: str) -> dict[str, str]:
    """How to reach a student that a server has loaded under its folder's name (`vllm serve FOLDER`); what the
    folder holds makes it another request.

    Raises ValueError for adapters that are not merged, which a server would not know.
    """
    from stages.students.load import base_sha256

    if (folder / "adapter_config.json").exists():
        raise ValueError(
            f"{folder}: a served student needs whole weights: train it with `lora.merge: true`, or unset"
            " $COT_DECODER"
        )
    if (pointer := folder / "base.json").exists():
        base = json.loads(pointer.read_text())
        return {
            "endpoint": endpoint,
            "api": "completions",
            "model": base.get("path") or base["hub"],
            "salt": base.get("sha256") or base["revision"],
        }
    return {"endpoint": endpoint, "api": "completions", "model": str(folder), "salt": base_sha256(folder)}


def main(
    name: Annotated[
        str, typer.Argument(metavar="METHOD", help="A file of stages/methods and a block under `methods`.")
    ],
    student_name: Annotated[str, typer.Argument(metavar="STUDENT", help="The student's name, for the rows.")],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    split: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    demonstrations: Annotated[Path, typer.Argument(help="data/demonstrations/DATASET.txt")],
    student_folder: Annotated[Path, typer.Argument(help="data/students/CELL")],
    out: Annotated[Path, typer.Argument(help="Where the completions go.")],
) -> None:
    """Ask the test questions; rows of kept epochs (the paper's protocol) stand beside those of the selected
    student.

    $COT_DECODER: loop (default), batching, or an endpoint of params.yaml that serves the student's folder.
    """
    params = read_params()
    find(params, f"methods.{name}")  # names the methods there are, where this one is not
    method = import_module(f"stages.methods.{name}")
    decoding = block("decoding", Decoding)
    settings = block(f"methods.{name}", method.Settings)
    test = set(json.loads(split.read_text(encoding="utf-8"))["test"])
    asked = [example for example in read_examples(examples) if example.id in test]
    text = demonstrations.read_text(encoding="utf-8")
    if (pointer := student_folder / "openai.json").exists():
        write_completions(
            out,
            ask_hosted(
                json.loads(pointer.read_text()), method, settings, asked, text, decoding, student_name
            ),
        )
        return
    kept = {f"epoch {int(epoch.name)}": epoch for epoch in sorted((student_folder / "epochs").glob("*"))}
    if (endpoint := os.environ.get("COT_DECODER", "")) in params.get("endpoints", {}):
        rows = []
        for origin, folder in {"selected": student_folder, **kept}.items():
            answered = ask_hosted(
                served(folder, endpoint), method, settings, asked, text, decoding, student_name
            )
            rows += [replace(row, origin=origin) for row in answered]
        write_completions(out, rows)
        return
    from stages.students.load import load, load_trained

    rows = answer_all(
        load_trained(student_folder), method, settings, asked, text, decoding, student_name, "selected"
    )
    for origin, folder in kept.items():
        rows += answer_all(load(folder), method, settings, asked, text, decoding, student_name, origin)
    write_completions(out, rows)


if __name__ == "__main__":
    run(main)
