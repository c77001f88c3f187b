"""What training computes: the texts of both parts, and each optimizer step as this process's rows.

A step is `batch_size` units (stages/training/rows.py), whatever the number of rows and processes: those
decide memory and speed only.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from stages.config.normalisation import Normalisation
from stages.config.student import Student
from stages.records import sequence as records
from stages.students.device import device
from stages.students.load import Loaded
from stages.students.tokens import Tokens, prompt_tokens, tokenize
from stages.training.collate import collate
from stages.training.outline import Outline, outline_of
from stages.training.rows import Layout, epoch_order, fill_rows, units_of

ROW_TOKENS = 4096
BLOCK = 16_384  # units of a validation part whose rows are planned together
# on CPUs, whose caches longer rows leave; and under a dense mask, which grows with a row's square
SHORT_ROW_TOKENS = 1024
NOTHING = "no sequence of the train part with a target that weighs more than 0: nothing to train on"


def tokenize_parts(
    sequences: Iterable[records.Sequence], student: Loaded, max_tokens: int
) -> dict[str, list[Tokens]]:
    """Tokenised train and validation texts. Raises ValueError as `tokenize_each`, and without a text to train
    on.
    """
    texts: dict[str, list[Tokens]] = {"train": [], "validation": []}
    for part, text in tokenize_each(sequences, student, max_tokens):
        texts[part].append(text)
    if not texts["train"]:
        raise ValueError(NOTHING)
    return texts


def tokenize_each(
    sequences: Iterable[records.Sequence], student: Loaded, max_tokens: int
) -> Iterator[tuple[str, Tokens]]:
    """Each text with its part. Texts whose tasks all weigh 0 are left out: nothing is learnt from them.

    Raises ValueError for a text that `tokenize_text` refuses.
    """
    limit = min(max_tokens, student.positions)
    prompts = lru_cache(maxsize=8)(prompt_tokens)  # a question's texts come one after the other
    for sequence in sequences:
        weights = [segment.weight for segment in sequence.segments if segment.task]
        if any(weights) or not weights:
            yield sequence.part, tokenize_text(sequence, student, limit, prompts)


def tokenize_text(
    sequence: records.Sequence, student: Loaded, limit: int, prompts: Callable[..., list[int]]
) -> Tokens:
    """One text of at most `limit` tokens. prompts: as `tokenize` takes it.

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
    most = student.max_prompt_tokens
    text = tokenize(sequence, student.tokenizer, student.start, limit, prompts, most)
    if not text.targets:
        raise ValueError(
            f"{sequence.example_id}: its prompt alone fills the {limit} tokens a text may have; raise"
            " max_tokens, cut prompts with max_prompt_tokens, or drop the question"
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


def step_rows(units: Sequence[list[Tokens]], shape: Shape) -> list[dict[str, Any]]:
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
    """An epoch: item i is this process's rows of step i, or what `as_rows` makes of its units."""

    def __init__(
        self,
        texts: Sequence[Tokens],
        settings: Student,
        seed: int,
        shape: Shape,
        as_rows: Callable[[Sequence[list[Tokens]], Shape], Any] = step_rows,
    ) -> None:
        self.texts = texts
        self.settings = settings
        self.seed = seed
        self.shape = shape
        self.as_rows = as_rows
        self.outline = outline_of(texts)
        self.epoch = -1
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Draw the epoch's order; every epoch has the same number of steps."""
        if epoch != self.epoch:
            size = self.settings.group_size
            self.units = epoch_order(self.texts, self.seed, epoch, size, self.outline)
            self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.units) // self.settings.batch_size)

    def __getitem__(self, step: int) -> list[dict[str, Any]]:
        size = self.settings.batch_size
        rows: list[dict[str, Any]] = self.as_rows(self.units[step * size : (step + 1) * size], self.shape)
        return rows


class ValidationRows:
    """All validation texts, as one step. Nothing is drawn: every epoch is measured on the same texts.

    Rows of up to BLOCK units stay in memory; of more, a block after the other is made each time.
    """

    def __init__(self, texts: Sequence[Tokens], shape: Shape) -> None:
        self.units = units_of(texts)
        self.shape = shape
        self.kept = step_rows(self.units[:], shape) if 0 < len(self.units) <= BLOCK else []

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from self.kept
        if not self.kept:
            for start in range(0, len(self.units), BLOCK):
                yield from step_rows(self.units[start : start + BLOCK], self.shape)

    def __bool__(self) -> bool:
        return len(self.units) > 0


def steps_an_epoch(outline: Outline, settings: Student) -> int:
    return -(-outline.units_an_epoch // settings.batch_size)


def epochs_of(outline: Outline, settings: Student) -> int:
    """How many epochs are begun."""
    if settings.max_steps:
        return -(-settings.max_steps // steps_an_epoch(outline, settings))
    return settings.epochs


def steps_of(outline: Outline, settings: Student) -> int:
    """How many steps the optimizer takes in all."""
    return settings.max_steps or settings.epochs * steps_an_epoch(outline, settings)


def labels_trained(texts: Sequence[Tokens], settings: Student, seed: int) -> dict[str, dict[str, float]]:
    """Per task: its weight, its labels and its texts in an epoch (a mean, where some are drawn)."""
    outline = outline_of(texts)
    epochs = epochs_of(outline, settings) if outline.draw.any() else 1
    labels = np.zeros(len(outline.tasks), np.int64)
    seen = np.zeros(len(outline.tasks), np.int64)
    for epoch in range(epochs):
        trained = outline.labels
        if outline.draw.any():
            order = epoch_order(texts, seed, epoch, settings.group_size, outline)
            trained = trained[:, order.members()]
        labels += trained.sum(1)
        seen += (trained > 0).sum(1)

    def mean(total: int) -> float:
        return total // epochs if total % epochs == 0 else round(total / epochs, 2)

    totals = zip(outline.tasks, outline.weights, labels.tolist(), seen.tolist(), strict=True)
    return {
        task: {"weight": weight, "tokens_per_epoch": mean(tokens), "texts_per_epoch": mean(count)}
        for task, weight, tokens, count in totals
        if count
    }
