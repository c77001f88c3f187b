"""Distil: the loss of a label whose probability another model knows too (`students.NAME.distil`).

    (1 - alpha) x cross-entropy + alpha x T^2 x KL(teacher || student), both softmax(logits / T)

It takes the place of the cross-entropy in stages/training/objective.py; tasks, weights and means are as
there. T^2 keeps the size of the gradient (Hinton et al., arXiv 1503.02531, section 2). Of the teacher the
`top_k` likeliest tokens are known and the mass of all others, which is one token more of both distributions.
With top_k = vocabulary it is the whole sum.

The file of soft labels (data/logits, by stages/logits.py) is Arrow's: a row a text, the train part's before
the validation part's, each in the order of the sequences. It is mapped into memory and read text by text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import torch

from stages.config.distil import Distil
from stages.records.example import LEARNED
from stages.students.tokens import SoftLabels, Tokens
from stages.training.cross_entropy import each_cross_entropy, rows_at_a_time
from stages.training.objective import Batch, Losses
from stages.training.outline import Outline, outline_of
from stages.training.token_file import list_column

ROWS = 256  # texts in a batch of the file: some ten megabytes
LISTS = {"labels": np.int32, "ids": np.int32, "log_p": np.float16}


def in_buckets(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Logits [n, vocabulary] and ids int64[n, k] -> log-probabilities [n, k + 1] of these tokens, and of all
    others together.
    """
    log_q = logits.log_softmax(-1)
    others = log_q.scatter(-1, ids, -torch.inf).logsumexp(-1, keepdim=True)
    return torch.cat([log_q.gather(-1, ids), others], -1)


def divergence(log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
    """KL(p || q), float[n], of log-probabilities [n, m]; what p says never happens adds nothing."""
    p = log_p.exp()
    return torch.where(p > 0, p * (log_p - log_q), 0).sum(-1)


def mixed_losses(
    distil: Distil, logits: torch.Tensor, labels: torch.Tensor, ids: torch.Tensor, log_p: torch.Tensor
) -> torch.Tensor:
    """Logits [n, vocabulary], labels int64[n], soft labels (stages/training/collate.py) -> float[n]."""
    whole = log_p.to(logits.dtype).log_softmax(-1)  # 16 bits do not add up to 1
    taught = divergence(whole, in_buckets(logits / distil.temperature, ids.long()))
    alpha = distil.alpha
    return (1 - alpha) * each_cross_entropy(logits, labels) + alpha * distil.temperature**2 * taught


def by_teacher(distil: Distil) -> Losses:
    """The loss of each label of a batch with soft labels, in float32 at least, some rows at a time."""

    def losses(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return rows_at_a_time(partial(mixed_losses, distil), logits, batch["labels"], *batch["soft"])

    return losses


class Writer:
    """Writes a file of soft labels, text by text. `texts`: how many of each part there will be."""

    def __init__(self, path: Path, texts: Mapping[str, int]) -> None:
        counts = {part: str(texts[part]) for part in LEARNED}
        lists = [(name, pa.list_(pa.from_numpy_dtype(kind))) for name, kind in LISTS.items()]
        self.schema = pa.schema(lists, metadata=counts)
        self.file = pa.ipc.new_file(str(path), self.schema)
        self.rows: list[dict[str, np.ndarray]] = []

    def add(self, text: Tokens, soft: SoftLabels) -> None:
        self.rows.append({"labels": labels_of(text), "ids": soft.ids.ravel(), "log_p": soft.log_p.ravel()})
        if len(self.rows) == ROWS:
            self.flush()

    def flush(self) -> None:
        arrays = [list_column([row[name] for row in self.rows], kind) for name, kind in LISTS.items()]
        self.file.write_batch(pa.record_batch(arrays, self.schema))
        self.rows.clear()

    def close(self) -> None:
        if self.rows:
            self.flush()
        self.file.close()


def labels_of(text: Tokens) -> np.ndarray:
    """int32[n], as stages/training/collate.py puts them one after the other."""
    return np.concatenate([target.labels for target in text.targets])


class Taught(Sequence[Tokens]):
    """The texts of a part with their soft labels, looked up when a text is asked for."""

    def __init__(self, texts: Sequence[Tokens], file: Path, part: str) -> None:
        self.texts = texts
        self.file = file
        source = pa.ipc.open_file(pa.memory_map(str(file)))
        counts = {name: int(source.schema.metadata[name.encode()]) for name in LEARNED}
        if counts[part] != len(texts):
            raise ValueError(f"{file}: soft labels of {counts[part]} {part} texts, wanted {len(texts)}")
        self.first = counts["train"] if part == "validation" else 0
        self.batches = [source.get_batch(place) for place in range(source.num_record_batches)]

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, place: int) -> Tokens: ...
    @overload
    def __getitem__(self, place: slice) -> list[Tokens]: ...
    def __getitem__(self, place: int | slice) -> Tokens | list[Tokens]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        text = self.texts[place]
        batch, row = divmod(self.first + place, ROWS)
        column: dict[str, Any] = {
            name: self.batches[batch].column(name)[row].values.to_numpy() for name in LISTS
        }
        n = len(column["labels"])
        if not np.array_equal(column["labels"], labels_of(text)):
            raise ValueError(
                f"{self.file}: text {place} has other labels than {text.example_id} is trained on"
            )
        return replace(text, soft=SoftLabels(column["ids"].reshape(n, -1), column["log_p"].reshape(n, -1)))

    @cached_property
    def outline(self) -> Outline:
        return outline_of(self.texts)


def taught(texts: Mapping[str, Sequence[Tokens]], file: Path) -> dict[str, Sequence[Tokens]]:
    """The texts of both parts with what the teacher says. Raises ValueError for a file of other texts."""
    return {part: Taught(texts[part], file, part) for part in LEARNED}
