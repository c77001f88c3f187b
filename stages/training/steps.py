"""What training computes: the texts of both parts, and each optimizer step as this process's rows.

A step is `batch_size` units (stages/training/rows.py), whatever the number of rows and processes: those
decide memory and speed only.
"""

import os
from dataclasses import dataclass
from typing import Any

from torch.utils.data import Dataset

from stages.config.student import Student
from stages.records.sequence import Sequence
from stages.students.device import device
from stages.students.load import Loaded
from stages.students.tokens import Tokens, tokenize
from stages.training.collate import Normalisation, collate
from stages.training.rows import Layout, epoch_order, fill_rows, units_of

ROW_TOKENS = 4096
# on CPUs, whose caches longer rows leave; and under a dense mask, which grows with a row's square
SHORT_ROW_TOKENS = 1024


def tokenize_parts(sequences: list[Sequence], student: Loaded, max_tokens: int) -> dict[str, list[Tokens]]:
    """Tokenised train and validation texts. Texts whose tasks all weigh 0 are left out: nothing is learnt
    from them.

    Raises ValueError for a text that `tokenize_text` refuses, and without a text to train on.
    """
    limit = min(max_tokens, student.positions)
    texts: dict[str, list[Tokens]] = {"train": [], "validation": []}
    for sequence in sequences:
        weights = [segment.weight for segment in sequence.segments if segment.task]
        if any(weights) or not weights:
            texts[sequence.part].append(tokenize_text(sequence, student, limit))
    if not texts["train"]:
        raise ValueError(
            "no sequence of the train part with a target that weighs more than 0: nothing to train on"
        )
    return texts


def tokenize_text(sequence: Sequence, student: Loaded, limit: int) -> Tokens:
    """One text of at most `limit` tokens.

    Raises ValueError for a text without a task, for one whose targets are cut away wholly, that has tokens
    which the model does not know or that the student cannot be asked for.
    """
    if not any(segment.task for segment in sequence.segments):
        raise ValueError(
            f"{sequence.example_id}: its method rendered no target (a segment with a task): nothing to"
            " learn from"
        )
    if student.encoder_decoder and any(segment.end for segment in sequence.segments[:-1]):
        raise ValueError(
            f"{sequence.example_id}: an end-of-text token inside a text (all_aligned) is for causal"
            " students: asked for the answer, an encoder-decoder would read the rationale in its"
            " encoder, where training had it in the decoder"
        )
    text = tokenize(sequence, student.tokenizer, student.start, limit)
    if not text.targets:
        raise ValueError(
            f"{sequence.example_id}: its prompt alone fills the {limit} tokens a text may have; raise"
            " max_tokens or drop the question"
        )
    known = student.model.get_input_embeddings().num_embeddings
    labels = [target.labels for target in text.targets]
    largest = max(ids.max(initial=0) for ids in (text.context, text.inputs, *labels))
    if largest >= known:
        raise ValueError(
            f"{sequence.example_id}: the student's tokenizer gives the token id {largest}, its model has"
            f" {known} embeddings"
        )
    return text


@dataclass(frozen=True)
class Shape:
    """How steps become rows, and which of them are this process's."""

    layout: Layout
    tasks: list[str]
    normalisation: Normalisation
    pad_id: int
    rank: int = 0
    world: int = 1

    @property
    def budget(self) -> int:
        """Tokens a row: $COT_ROW_TOKENS, a matter of memory, speed and rounding."""
        short = self.layout == "mask" or device().type == "cpu"
        return int(os.environ.get("COT_ROW_TOKENS") or (SHORT_ROW_TOKENS if short else ROW_TOKENS))


def step_rows(units: list[list[Tokens]], shape: Shape) -> list[dict[str, Any]]:
    """This process's rows of a step, as stages/training/collate.py makes them.

    Every process has the same number of rows, as sharded models need it; where there are too few, one is
    repeated without a weight.
    """
    budget = shape.budget
    rows = fill_rows(units, budget, shape.layout)
    while len(rows) < shape.world and budget > 1:  # shorter rows, so that no process is idle
        budget //= 2
        rows = fill_rows(units, budget, shape.layout)
    if shape.world > 1:
        # rows at the same time are alike in length
        rows.sort(key=lambda row: -sum(len(text.context) + len(text.inputs) for text in row))
    mine = range(shape.rank, -(-len(rows) // shape.world) * shape.world, shape.world)
    return [collate_row(rows[min(place, len(rows) - 1)], shape, place < len(rows)) for place in mine]


def collate_row(row: list[Tokens], shape: Shape, counts: bool) -> dict[str, Any]:
    """counts: whether the row is trained, or only keeps this process in step with the others."""
    batch = collate(
        row,
        layout=shape.layout,
        tasks=shape.tasks,
        normalisation=shape.normalisation,
        pad_id=shape.pad_id,
    )
    if not counts:
        batch["weights"].zero_()
        batch["counts"].zero_()
    return batch


class Steps(Dataset[list[dict[str, Any]]]):
    """An epoch: item i is this process's rows of step i."""

    def __init__(self, texts: list[Tokens], settings: Student, seed: int, shape: Shape) -> None:
        self.texts = texts
        self.settings = settings
        self.seed = seed
        self.shape = shape
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Draw the epoch's order; every epoch has the same number of steps."""
        self.units = epoch_order(self.texts, self.seed, epoch, self.settings.group_size)

    def __len__(self) -> int:
        return -(-len(self.units) // self.settings.batch_size)

    def __getitem__(self, step: int) -> list[dict[str, Any]]:
        size = self.settings.batch_size
        return step_rows(self.units[step * size : (step + 1) * size], self.shape)


def validation_rows(texts: list[Tokens], shape: Shape) -> list[dict[str, Any]]:
    """All validation texts, as one step. Nothing is drawn: every epoch is measured on the same texts."""
    return step_rows(units_of(texts), shape) if texts else []


def epochs_of(texts: list[Tokens], settings: Student, seed: int) -> int:
    """How many epochs are begun."""
    units = len(epoch_order(texts, seed, 0, settings.group_size))
    steps = -(-units // settings.batch_size)
    return -(-settings.max_steps // steps) if settings.max_steps else settings.epochs


def labels_trained(texts: list[Tokens], settings: Student, seed: int) -> dict[str, dict[str, float]]:
    """Per task: its weight, its labels and its texts in an epoch (a mean, where some are drawn)."""
    epochs = epochs_of(texts, settings, seed) if any(text.draw for text in texts) else 1
    found: dict[str, dict[str, float]] = {}
    for epoch in range(epochs):
        for unit in epoch_order(texts, seed, epoch, settings.group_size):
            for text in unit:
                weights = {target.task: target.weight for target in text.targets}
                for name, labels in text.counts().items():
                    new = {"weight": weights[name], "tokens_per_epoch": 0, "texts_per_epoch": 0}
                    task = found.setdefault(name, new)
                    task["tokens_per_epoch"] += labels
                    task["texts_per_epoch"] += 1
    for task in found.values():
        for name in ("tokens_per_epoch", "texts_per_epoch"):
            total = task[name]
            task[name] = total // epochs if total % epochs == 0 else round(total / epochs, 2)
    return found
