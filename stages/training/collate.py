"""Collate: the texts of one forward pass as tensors, in each layout."""

from typing import Any

import numpy as np
import torch

from stages.config.normalisation import Normalisation
from stages.students.tokens import Tokens, pad
from stages.training.plans import dense_mask, gather_plan, varlen_plan
from stages.training.rows import Layout, pack_by_context
from stages.training.trees import grow_tree


def collate(
    texts: list[Tokens], *, layout: Layout, tasks: list[str], normalisation: Normalisation, pad_id: int
) -> dict[str, Any]:
    """One forward pass as tensors.

    inputs   the model's keyword arguments
    places   int64[k], where in all rows, one after the other, a label is predicted; two labels may share one
    labels   int64[k]
    tasks    int64[k], places in `tasks`
    weights  float[k], weight[task] x coefficient x the token's own (stages/training/objective.py)
    counts   int64[len(tasks)], this pass's share of each task's denominator
    soft     of texts with soft labels: their ids int32[k, n] and log_p float16[k, n + 1]
    """
    lay = {"padded": lay_padded, "packed_decoder": lay_packed}.get(layout)
    inputs, paths = lay(texts, pad_id) if lay else lay_tree(texts, layout)
    number = {task: place for place, task in enumerate(tasks)}
    counts = np.zeros(len(tasks), np.int64)
    places = []
    labels = []
    task_of = []
    weights = []
    for text, path in zip(texts, paths, strict=True):
        trained = text.counts()
        for task, n in trained.items():
            counts[number[task]] += n if normalisation == "batch" else 1
        for target in text.targets:
            n = len(target.labels)
            divisor = trained[target.task] if normalisation == "sequence" else 1
            places.append(path[target.start : target.start + n])
            labels.append(target.labels)
            task_of.append(np.full(n, number[target.task]))
            weight = np.full(n, target.weight / divisor)
            weights.append(weight if target.token_weights is None else weight * target.token_weights)
    return {
        "inputs": inputs,
        "places": joined_ids(places),
        "labels": joined_ids(labels),
        "tasks": joined_ids(task_of),
        "weights": torch.from_numpy(np.concatenate(weights)).to(torch.get_default_dtype()),
        "counts": torch.from_numpy(counts),
        **soft_labels(texts),
    }


def soft_labels(texts: list[Tokens]) -> dict[str, Any]:
    """As small as they are kept. A label that several texts share has each text's own."""
    found = [text.soft for text in texts if text.soft]
    if not found:
        return {}
    parts = ([soft.ids for soft in found], [soft.log_p for soft in found])
    return {"soft": tuple(torch.from_numpy(np.concatenate(part)) for part in parts)}


def joined_ids(parts: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(parts).astype(np.int64))


def lay_tree(texts: list[Tokens], layout: Layout) -> tuple[dict[str, Any], list[np.ndarray]]:
    """input_ids, position_ids int64[1, tokens], and what the attention has to know."""
    tree = grow_tree([text.inputs for text in texts])
    inputs = {
        "input_ids": torch.from_numpy(tree.ids)[None],
        "position_ids": torch.from_numpy(tree.depth)[None],
    }
    if layout == "mask":
        return {**inputs, "attention_mask": dense_mask(tree)}, tree.paths
    plan = gather_plan(tree) if layout == "tree" else varlen_plan(tree)
    # a mask of rank 4 is taken for a finished one: the model makes none of its own, of tokens x tokens
    return {**inputs, "attention_mask": torch.ones(1, 1, 1, 1), "tree": plan}, tree.paths


def lay_padded(texts: list[Tokens], pad_id: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    """One row per text, filled up on the right."""
    contexts = [text.context.tolist() for text in texts]
    inputs = [text.inputs.tolist() for text in texts]
    ids = pad(inputs, pad_id)
    longest = ids.shape[1]
    paths = [row * longest + np.arange(len(tokens)) for row, tokens in enumerate(inputs)]
    if not contexts[0]:
        return {"input_ids": ids, "attention_mask": pad([[1] * len(row) for row in inputs], 0)}, paths
    mask = pad([[1] * len(row) for row in contexts], 0)
    return {"input_ids": pad(contexts, pad_id), "attention_mask": mask, "decoder_input_ids": ids}, paths


def lay_packed(texts: list[Tokens], pad_id: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    """One row per context; its decodings stand one after the other in the decoder's row and do not see each
    other.
    """
    packs = pack_by_context(texts)
    if len(packs) == len(texts):
        return lay_padded(texts, pad_id)
    encoder, _ = lay_padded([pack[0] for pack in packs], pad_id)
    ids = pad([[token for text in pack for token in text.inputs.tolist()] for pack in packs], pad_id)
    owner = pad([[number for number, text in enumerate(pack) for _ in text.inputs] for pack in packs], -1)
    longest = ids.shape[1]
    mask = (owner[:, :, None] == owner[:, None, :]) & torch.ones(longest, longest, dtype=torch.bool).tril()
    paths: dict[int, np.ndarray] = {}
    for row, pack in enumerate(packs):
        first = row * longest
        for text in pack:
            paths[id(text)] = np.arange(first, first + len(text.inputs))
            first += len(text.inputs)
    inputs = {**encoder, "decoder_input_ids": ids, "decoder_attention_mask": mask[:, None]}
    return inputs, [paths[id(text)] for text in texts]
