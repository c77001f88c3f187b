"""Predict: ask a student every test question, in as many steps as its method asks (Fine-tune-CoT section 3,
step 3).

In: examples, split, demonstrations, student. Out: completions of the test part; reading them is score's
business.
"""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.asking.conversation import Answerer, Asking, ask_all, completions
from stages.asking.local import from_memory
from stages.asking.request import Request
from stages.config.base import base_sha256, read_pointer, read_prompt_limit
from stages.config.cli import run
from stages.config.contracts import Method
from stages.config.decoding import Decoding
from stages.config.kernels import fix_kernels
from stages.config.load import block, find, read_params
from stages.config.method import read_method
from stages.config.tracking import show_samples
from stages.endpoint import transport
from stages.records.completion import Completion, Reader, write_completions
from stages.records.example import Example, read_examples
from stages.text.formats import system_of

Place = dict[str, Any]  # where a student is: "api", "model" and, behind an endpoint, "endpoint" and "salt"


# a place's API -> the one that a conversation takes there
CHAT = {"completions": "chat", "transformers": "transformers_chat"}


def served(folder: Path, endpoint: str) -> Place:
    """A student that a server has loaded under its folder's name (`vllm serve FOLDER`); what the folder holds
    makes it another request.

    Raises ValueError for adapters that are not merged, which a server would not know.
    """
    if (folder / "adapter_config.json").exists():
        raise ValueError(
            f"{folder}: a served student needs whole weights: train it with `lora.merge: true`, or unset"
            " $COT_DECODER"
        )
    at: Place = {"api": "completions", "endpoint": endpoint}
    if (most := read_prompt_limit(folder)) is not None:
        at["max_prompt_tokens"] = most
    if (folder / "base.json").exists():
        base, _ = read_pointer(folder)
        return {**at, "model": base.path or base.hub, "salt": base.sha256 or base.revision}
    return {**at, "model": str(folder), "salt": base_sha256(folder)}


def place_of(folder: Path) -> Place:
    """Where the student of a folder answers: where its openai.json says, at the endpoint that $COT_DECODER
    names, else in this process.
    """
    if (pointer := folder / "openai.json").exists():
        hosted: Place = json.loads(pointer.read_text())
        return hosted
    endpoint = os.environ.get("COT_DECODER", "")
    if endpoint in read_params().get("endpoints", {}):
        return served(folder, endpoint)
    return {"api": "transformers", "model": str(folder)}


def prompt_check(place: Place) -> Callable[[str], None]:
    """Raises ValueError for a prompt that would have to be cut: a server reads it whole."""
    from transformers import AutoTokenizer

    from stages.students.tokens import prompt_tokens

    tokenizer = AutoTokenizer.from_pretrained(place["model"])
    most = place["max_prompt_tokens"]

    def check(prompt: str) -> None:
        if (length := len(prompt_tokens(tokenizer, prompt, True))) > most:
            raise ValueError(
                f"a prompt of {length} tokens, this student's `max_prompt_tokens` is {most}, and the endpoint"
                f" {place['endpoint']!r} would read all of it: unset $COT_DECODER, which cuts it as training"
                f" did: {prompt[:80]!r}"
            )

    return check


def student_asking(
    place: Place,
    method: Method,
    settings: Any,
    demonstrations: str,
    decoding: Decoding,
    reader: Reader = "kojima",
) -> Asking:
    """How a student is asked by a method."""
    stops = tuple(method.stops(settings))
    system = system_of(settings)
    kind = str(place["api"])
    if system is not None:
        kind = CHAT.get(kind, kind)
    seed = decoding.seed if decoding.temperature else None  # a greedy answer has none, and its key needs none

    check = prompt_check(place) if place.get("max_prompt_tokens") else None

    def request(prompt: str) -> Request:
        if check:
            check(prompt)
        return Request(
            kind=kind,
            model=place["model"],
            prompt=prompt,
            system=system or "",
            temperature=decoding.temperature,
            top_p=decoding.top_p if decoding.top_p < 1 else None,
            max_tokens=decoding.max_new_tokens,
            stop=stops,
            seed=seed,
            extra={"top_k": decoding.top_k} if decoding.top_k else {},
            salt=place.get("salt", ""),
        )

    hosted = "endpoint" in place
    return Asking(
        method, settings, demonstrations, decoding.samples, request, paid=hosted, shared=hosted, reader=reader
    )


def who_answers(
    place: Place, asking: Asking, examples: list[Example], decoding: Decoding, what: str
) -> Answerer:
    """An endpoint, through the store that teachers use (an answer is paid once), or the weights in a folder,
    loaded when they are needed. Raises ValueError for beam search behind an endpoint.
    """
    if "endpoint" in place and decoding.beams > 1:
        raise ValueError(
            f"`beams: {decoding.beams}` at the endpoint {place['endpoint']!r}: the API has no beam search;"
            " drop `beams`, or ask a student of this machine in this process (unset $COT_DECODER)"
        )
    if "endpoint" in place:
        return transport.connect(place["endpoint"], examples, asking)

    def load() -> Any:
        from stages.students.load import load_trained

        return load_trained(Path(place["model"]))

    return from_memory(load, decoding, what)


def predictions(
    student: str, origin: str, examples: list[Example], asking: Asking, who: Answerer
) -> list[Completion]:
    """Every question's completions, under the student's name. Raises ValueError for a shortfall."""
    if failed := ask_all(examples, asking, who.stored, who.fulfil):
        raise ValueError(
            f"student {student!r}: {len(failed)} answers did not come; all others are in the store: run again"
            f" to ask for these only{who.reasons(failed)}"
        )
    return [replace(row, model=student, origin=origin) for row in completions(examples, asking, who.stored)]


def main(
    name: Annotated[str, typer.Argument(metavar="METHOD", help="A block under `methods`.")],
    student_name: Annotated[str, typer.Argument(metavar="STUDENT", help="The student's name, for the rows.")],
    asked: Annotated[str, typer.Argument(metavar="DECODING", help="A block under `decodings`.")],
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
    fix_kernels(student_folder)
    find(read_params(), f"methods.{name}")  # names the methods there are, where this one is not
    method, settings, reader = read_method(name)
    decoding = block(f"decodings.{asked}", Decoding)
    test = set(json.loads(split.read_text(encoding="utf-8"))["test"])
    questions = [example for example in read_examples(examples) if example.id in test]
    shown = demonstrations.read_text(encoding="utf-8")
    kept = {f"epoch {int(epoch.name)}": epoch for epoch in sorted((student_folder / "epochs").glob("*"))}
    rows: list[Completion] = []
    for origin, folder in {"selected": student_folder, **kept}.items():
        place = place_of(folder)
        asking = student_asking(place, method, settings, shown, decoding, reader)
        who = who_answers(place, asking, questions, decoding, f"predict {origin}")
        rows += predictions(student_name, origin, questions, asking, who)
    write_completions(out, rows)
    show_samples(out.stem, rows, questions)


if __name__ == "__main__":
    run(main)
