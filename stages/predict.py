"""Predict: ask a student every test question, in as many steps as its method asks (Fine-tune-CoT section 3, step 3).

In: examples, split, demonstrations, student. Out: completions of the test part; reading them is score's business.
"""

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from stages.cli import run
from stages.config.decoding import Decoding
from stages.config.load import block
from stages.records.completion import Completion, write_completions
from stages.records.example import Example, read_examples


def answer_all(
    loaded: Any, method: ModuleType, settings: Any, examples: list[Example], shown: str, decoding: Decoding, model: str, origin: str
) -> list[Completion]:
    """Every question's completions, step by step; a sample's second step continues its own first step."""
    from stages.decode import decode

    steps: dict[tuple[int, int], tuple[list[str], list[str], list[str]]] = {}
    tokens: dict[tuple[int, int], list[int]] = {}
    for row in range(len(examples)):
        for sample in range(decoding.samples):
            steps[row, sample], tokens[row, sample] = ([], [], []), [0, 0]
    while True:
        asked = {at: method.ask(examples[at[0]], texts, settings, shown) for at, (_, texts, _) in steps.items()}
        if not any(asked.values()):
            break
        first = all(not texts for _, texts, _ in steps.values())
        # the first step's samples share their prompt: it is read once; later steps have a prompt per sample
        places = [at for at, prompt in asked.items() if prompt is not None and (at[1] == 0 or not first)]
        how = decoding if first else decoding.model_copy(update={"samples": 1})
        said = decode(loaded, [asked[at] for at in places], method.stops(settings), how, f"predict {origin}")
        for at, answers in zip(places, said, strict=True):
            for extra, answer in enumerate(answers):
                own = (at[0], at[1] + extra)
                prompts, texts, reasons = steps[own]
                prompts.append(asked[at])
                texts.append(answer.text)
                reasons.append(answer.finish_reason)
                tokens[own] = [tokens[own][0] + answer.tokens_in, tokens[own][1] + answer.tokens_out]
    prefix = method.answer_prefix(settings)
    return [
        Completion(
            examples[row].id, sample, *steps[row, sample], model, prefix, origin, usage=dict(zip(("in", "out"), tokens[row, sample], strict=True))
        )
        for row, sample in steps
    ]


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
    method, decoding = import_module(f"stages.methods.{name}"), block("decoding", Decoding)
    settings = block(f"methods.{name}", method.Settings)
    test = set(json.loads(split.read_text(encoding="utf-8"))["test"])
    asked = [example for example in read_examples(examples) if example.id in test]
    shown = demonstrations.read_text(encoding="utf-8")
    from stages.student import load, load_trained

    completions = answer_all(load_trained(student_folder), method, settings, asked, shown, decoding, student_name, "selected")
    for epoch in sorted((student_folder / "epochs").glob("*")):
        completions += answer_all(load(epoch), method, settings, asked, shown, decoding, student_name, f"epoch {int(epoch.name)}")
    write_completions(out, completions)


if __name__ == "__main__":
    run(main)
