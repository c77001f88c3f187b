"""Groups: what it costs a student to meet several completions of one question in the same step.

That is `students.NAME.group_size`: a group shares the computation of its question, and its gradients are
alike, so the step is cheaper and says less. Each size is trained from the same start on the same sequences
for as many epochs as size 1, then on for as many as the time saved pays for. Nothing is selected: the last
epoch of either is asked the test questions.
"""

import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stages.asking.local import from_memory
from stages.config.decoding import GREEDY, Decoding
from stages.config.load import block
from stages.config.method import read_method
from stages.config.student import Student, read_student
from stages.predict import predictions, student_asking
from stages.records.example import Example, read_examples
from stages.records.sequence import Sequence, read_sequences
from stages.results.metrics import grade, rates
from stages.students.adapters import load_for_training
from stages.training.fit import fit
from stages.training.steps import Shape, Steps, tokenize_parts

MOST = 3.0  # times the epochs: what equal time may grow to


@dataclass(frozen=True)
class Cell:
    """A distilled cell of the grid whose stages up to `render` have run."""

    name: str
    settings: Student
    sequences: list[Sequence]
    examples: dict[str, Example]
    test: list[str]
    demonstrations: str


def read_cell(name: str, student: str, batch: int, epochs: int) -> Cell:
    """`name` as in data/sequences. Raises ValueError where that file is missing or the student is hosted."""
    path = Path(f"data/sequences/{name}.jsonl")
    settings = read_student(student)
    if not path.exists() or not isinstance(settings, Student):
        raise ValueError(
            f"{path}: not found, or `students.{student}` is not trained here; run `dvc repro` up to render"
            " first"
        )
    dataset, split = name.split("-")[:2]
    examples = {example.id: example for example in read_examples(Path(f"data/examples/{dataset}.jsonl"))}
    test = json.loads(Path(f"data/splits/{dataset}-{split}.json").read_text())["test"]
    shown = Path(f"data/demonstrations/{dataset}.txt").read_text(encoding="utf-8")
    return Cell(
        name,
        settings.model_copy(update={"batch_size": batch, "epochs": epochs}),
        read_sequences(path),
        examples,
        test,
        shown,
    )


def accuracy_of(cell: Cell, loaded: Any, decoding: Decoding) -> float:
    """Accuracy on the test questions, by the strict reading."""
    name = json.loads(Path(f"metrics/rendered/{cell.name}.json").read_text(encoding="utf-8"))["method"]
    method, settings, reader = read_method(name)
    asked = [cell.examples[one] for one in cell.test]
    place = {"api": "transformers", "model": "student"}
    asking = student_asking(place, method, settings, cell.demonstrations, decoding, reader)
    who = from_memory(lambda: loaded, decoding, "predict")
    rows = predictions("student", "selected", asked, asking, who)
    return rates(grade(rows, cell.examples))["accuracy"]


def train_once(
    cell: Cell, size: int, epochs: int, seed: int, asked: list[int], decoding: Decoding
) -> dict[str, Any]:
    """One training of `epochs` epochs: CPU seconds an epoch, and after each epoch in `asked` the held-out
    loss and the test accuracy.
    """
    settings = cell.settings.model_copy(update={"group_size": size, "epochs": epochs, "keep_epochs": True})
    loaded = load_for_training(settings, seed)
    texts = tokenize_parts(cell.sequences, loaded, settings.max_tokens)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        fitted = fit(loaded, texts, settings, seed, Path(folder))
        seconds = (time.process_time() - began) / epochs
        found: dict[str, Any] = {
            "group_size": size,
            "seed": seed,
            "cpu_seconds_epoch": round(seconds, 3),
            "after": {},
        }
        for epoch in asked:
            loaded.model.load_state_dict(
                torch.load(Path(folder, "epochs", f"{epoch:02d}.pt"), weights_only=True)
            )
            accuracy = round(accuracy_of(cell, loaded, decoding), 4)
            found["after"][str(epoch)] = {
                "validation_loss": fitted.history[epoch - 1]["validation_loss"],
                "accuracy": accuracy,
            }
    return found


def computed_tokens(cell: Cell, sizes: list[int]) -> dict[int, int]:
    """Per group size, the tokens that an epoch computes, shared ones once."""
    loaded = load_for_training(cell.settings, 0)
    texts = tokenize_parts(cell.sequences, loaded, cell.settings.max_tokens)["train"]
    tasks = sorted({target.task for text in texts for target in text.targets})
    shape = Shape("tree", tasks, cell.settings.normalisation, loaded.tokenizer.pad_token_id)
    computed = {}
    for size in sizes:
        steps = Steps(texts, cell.settings.model_copy(update={"group_size": size}), 0, shape)
        computed[size] = sum(
            row["inputs"]["input_ids"].numel() for step in range(len(steps)) for row in steps[step]
        )
    return computed


def measure(cell: Cell, sizes: list[int], seeds: list[int], done: Any) -> dict[str, Any]:
    """Per size: mean and standard deviation over seeds of loss and accuracy after equal epochs and after
    equal time.
    """
    decoding = block(f"decodings.{GREEDY}", Decoding)
    epochs = cell.settings.epochs
    computed = computed_tokens(cell, sizes)
    lines = []
    runs = []
    for size in sizes:
        longer = min(round(epochs * computed[1] / computed[size]), int(MOST * epochs))
        found = []
        for seed in seeds:
            found.append(train_once(cell, size, longer, seed, sorted({epochs, longer}), decoding))
            done()
        runs += found
        lines.append(
            {"layout": f"groups of {size}", "tokens_in": computed[size], **means_of(found, epochs, longer)}
        )
    title = (
        f"{cell.name}: {epochs} epochs, {cell.settings.batch_size} completions a step, {len(seeds)} seeds,"
        f" {len(cell.test)} test questions"
    )
    return {"name": cell.name, "title": title, "seeds": seeds, "lines": lines, "trainings": runs}


def means_of(found: list[dict[str, Any]], epochs: int, longer: int) -> dict[str, Any]:
    """Means and standard deviations (None for one seed) over the trainings of a size; losses in nats a token,
    accuracies as shares.
    """
    seconds = statistics.fmean(one["cpu_seconds_epoch"] for one in found)
    line: dict[str, Any] = {"cpu_seconds": round(seconds, 3), "epochs_equal_time": longer}
    for what, epoch in (("epochs", epochs), ("time", longer)):
        for number in ("validation_loss", "accuracy"):
            values = [one["after"][str(epoch)][number] for one in found]
            line[f"{number}_equal_{what}"] = round(statistics.fmean(values), 4)
            line[f"{number}_equal_{what}_sd"] = (
                round(statistics.stdev(values), 4) if len(values) > 1 else None
            )
    return line
