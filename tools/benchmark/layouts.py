"""Ways to lay out one optimizer step: others' and ours, for the same texts and the same loss.

Others': rows padded on the right, eight at a time, logits everywhere; the end-of-text token is an input too,
as is usual. Which ones differ by what is in a batch and how far it is padded:
- dynamic: any eight texts, to the batch's longest: the Hugging Face Trainer's default; the baseline
- grouped: texts of like length together: its `group_by_length`
- longest: to the data set's longest text (reasoning-teacher, src/custom/data_module.py)
- authors: CasCoD's two texts of two examples, to 1024 tokens (C-W-D/CasCoD, src/datasets/utils.py)
- one_pass: CasCoD's two texts as one row with the first one's end as a second label, plainly padded: what
  needs no code of ours

Ours (stages/training/rows.py): rows filled with texts, logits only at labels.
- unshared: nothing shared: what group_size 1 computes where no two texts of a question meet
- ours: as trained by default: unshared, but CasCoD's two texts, one unit, share what they begin with
- shared: as with group_size D: completions of a question share it
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from stages.students.tokens import Tokens
from stages.training import collate, rows
from stages.training.objective import token_losses, weighted_loss
from stages.training.rows import units_of
from stages.training.steps import Shape, step_rows
from stages.training.trees import Tree, grow_tree
from tools.benchmark.workloads import Workload

BATCH = 8
AUTHORS = 1024  # CasCoD's max_words
IGNORE = -100

Batch = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    name: str
    batches: Callable[[], Iterable[Batch]]  # a step's passes
    loss: Callable[[Any, Batch], torch.Tensor]  # model, one pass -> its part of the step's loss
    ours: bool


def whole(text: Tokens) -> list[int]:
    """Inputs and the last label."""
    return [*text.inputs.tolist(), int(text.targets[-1].labels[-1])]


def padded(texts: list[Tokens], length: int | None, weights: dict[str, float], pad_id: int = 0) -> Batch:
    """input_ids, attention_mask, labels int64[rows, length], weights float[rows, length] of the labels.
    length: None for the longest here.
    """
    ids = [whole(text) for text in texts]
    shape = (len(texts), length or max(map(len, ids)))
    inputs = np.full(shape, pad_id)
    mask = np.zeros(shape, np.int64)
    labels = np.full(shape, IGNORE)
    scale = np.zeros(shape, np.float32)
    for row, (text, known) in enumerate(zip(texts, ids, strict=True)):
        inputs[row, : len(known)] = known
        mask[row, : len(known)] = 1
        for target in text.targets:
            place = slice(target.start + 1, target.start + 1 + len(target.labels))
            labels[row, place] = target.labels
            scale[row, place] = target.weight * weights[target.task]
    columns = {"input_ids": inputs, "attention_mask": mask, "labels": labels, "weights": scale}
    return {name: torch.from_numpy(values) for name, values in columns.items()}


def one_pass(pairs: list[list[Tokens]], weights: dict[str, float]) -> Batch:
    """CasCoD's pairs as rows: the second text's inputs hold the first's; where the answer's request begins
    stands the first one's end as well.
    """
    batch = padded([pair[1] for pair in pairs], None, weights)
    row_of: list[int] = []
    places: list[int] = []
    labels: list[int] = []
    scale: list[float] = []
    for row, pair in enumerate(pairs):
        for text in pair:
            for target in text.targets:
                n = len(target.labels)
                row_of += [row] * n
                places += range(target.start, target.start + n)
                labels += target.labels.tolist()
                scale += [target.weight * weights[target.task]] * n
    at = {
        "rows": torch.tensor(row_of),
        "places": torch.tensor(places),
        "at_labels": torch.tensor(labels),
        "at_weights": torch.tensor(scale),
    }
    return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], **at}


def hugging_face(model: Any, batch: Batch, total: int) -> torch.Tensor:
    """The loss that a model of `transformers` computes itself."""
    value: torch.Tensor = model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        labels=batch["labels"],
        num_items_in_batch=total,
        use_cache=False,
    ).loss
    return value


def weighted(model: Any, batch: Batch) -> torch.Tensor:
    """The same with a weight for each label, for two tasks."""
    logits: torch.Tensor = model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
    ).logits
    if "rows" in batch:
        chosen = logits[batch["rows"], batch["places"]].float()
        values = cross_entropy(chosen, batch["at_labels"], reduction="none") * batch["at_weights"]
    else:
        each = cross_entropy(
            logits[:, :-1].flatten(0, 1).float(),
            batch["labels"][:, 1:].flatten(),
            ignore_index=IGNORE,
            reduction="none",
        )
        values = each * batch["weights"][:, 1:].flatten()
    total: torch.Tensor = values.sum()
    return total


def side_by_side(texts: list[np.ndarray]) -> Tree:
    """Texts in one row without anything in common."""
    trees = [grow_tree([text]) for text in texts]
    starts = np.cumsum([0, *map(len, texts)]).tolist()
    return Tree(
        np.concatenate([tree.ids for tree in trees]),
        np.concatenate([tree.depth for tree in trees]),
        np.concatenate([tree.end + start for tree, start in zip(trees, starts, strict=False)]),
        [tree.paths[0] + start for tree, start in zip(trees, starts, strict=False)],
    )


@contextmanager
def nothing_shared() -> Iterator[None]:
    """Rows as they are where no two texts of a row begin alike; in a benchmark's one step of few questions
    they would.
    """
    with (
        patch.object(collate, "grow_tree", side_by_side),
        patch.object(rows, "tree_size", lambda texts: sum(map(len, texts))),
    ):
        yield


def chunks(items: list[Any], n: int = BATCH) -> list[list[Any]]:
    return [items[start : start + n] for start in range(0, len(items), n)]


def others(work: Workload) -> list[Layout]:
    total = sum(work.labels.values())
    weights = {task: 1 / n for task, n in work.labels.items()}

    def lay(name: str, batches: list[list[Tokens]], length: int | None = None) -> Layout:
        def loss_of(model: Any, batch: Batch) -> torch.Tensor:
            return weighted(model, batch) if work.cascod else hugging_face(model, batch, total)

        return Layout(
            name, lambda: (padded(texts, length, weights) for texts in batches), loss_of, ours=False
        )

    pairs = chunks(work.texts, 2)
    halves = (
        [[pair[half] for pair in part for half in (0, 1)] for part in chunks(pairs, BATCH // 2)]
        if work.cascod
        else []
    )
    any_eight = halves or chunks(work.texts)
    grouped = chunks(sorted(work.texts, key=lambda text: len(text.inputs)))
    found = [lay("dynamic", any_eight), lay("grouped", grouped)]
    if not work.cascod:
        return [*found, lay("longest", any_eight, work.longest)]
    single = Layout(
        "one_pass", lambda: (one_pass(part, weights) for part in chunks(pairs)), weighted, ours=False
    )
    return [*found, lay("authors", chunks(work.texts, 4), AUTHORS), single]


def ours(work: Workload, shape: Shape) -> list[Layout]:
    """shape: of rows, as stages/training/layout.py chose it for the model."""
    denominators = torch.tensor([work.labels[task] for task in shape.tasks])

    def loss_of(model: Any, batch: Batch) -> torch.Tensor:
        return weighted_loss(token_losses(model, batch), batch, denominators.to(batch["labels"].device))

    def apart() -> list[Batch]:
        with nothing_shared():
            return step_rows([[text] for text in work.texts], shape)

    def together() -> list[Batch]:
        return step_rows(units_of(work.texts), shape)

    names = {"unshared": apart, "ours": together} if work.cascod else {"ours": apart, "shared": together}
    if work.diversity == 1 and not work.cascod:
        names = {"ours": together}
    return [Layout(name, batches, loss_of, ours=True) for name, batches in names.items()]
