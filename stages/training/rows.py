"""Which texts meet: the order of an epoch, the texts of one forward pass, and that pass as tensors.

A unit is what one completion gave, often one text, CasCoD's two; its texts are trained in the same step.
Nothing here changes what a step learns: texts that happen to stand in one row share what they begin with,
whatever they came from.
"""

import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import torch

from stages.students.tokens import Tokens, pad
from stages.training.attention import gather_plan, varlen_plan, visible
from stages.training.trees import grow, size

Normalisation = Literal["batch", "sequence"]
Layout = Literal["tree", "varlen", "mask", "padded", "packed_decoder"]
"""tree, varlen, mask: one row of prefix trees, with attention from stages/training/attention.py by gathering, by CUDA's variable-length kernel, or by a
dense mask. padded: one row per text, the reference. packed_decoder: each context is encoded once and its decodings lie in one decoder row,
which is exact where positions are relative (T5)."""

DECODER_TOKENS = 512  # decodings share a decoder row up to this length: its attention is dense


def units_of(texts: Iterable[Tokens]) -> list[list[Tokens]]:
    """Texts that belong together, in the order of their first ones. An empty `unit` belongs
    to nothing else.
    """
    together: dict[Any, list[Tokens]] = defaultdict(list)
    for place, text in enumerate(texts):
        together[(text.example_id, text.unit) if text.unit else place].append(text)
    return list(together.values())


def epoch_order(texts: list[Tokens], seed: int, epoch: int, group_size: int = 1) -> list[list[Tokens]]:
    """An epoch's units: every one once, in an order that (seed, epoch) decides; of an example's units with
    `draw`, one is drawn (SCoTD's code).

    A step is the next `batch_size` units of it. group_size: up to this many units of one example stand next
    to each other, to be computed as one tree. More than 1 correlates a step's gradients: only for large
    batches.
    """
    rng = random.Random(f"{seed} {epoch}")
    by_example: dict[str, list[list[Tokens]]] = defaultdict(list)
    for unit in units_of(texts):
        by_example[unit[0].example_id].append(unit)
    groups = []
    for units in by_example.values():
        drawn = [unit for unit in units if unit[0].draw]
        kept = [unit for unit in units if not unit[0].draw] + ([rng.choice(drawn)] if drawn else [])
        rng.shuffle(kept)
        groups += [kept[i : i + group_size] for i in range(0, len(kept), group_size)]
    rng.shuffle(groups)
    return [unit for group in groups for unit in group]


def fill(units: list[list[Tokens]], budget: int, layout: Layout) -> list[list[Tokens]]:
    """A step's units as rows of at most `budget` tokens; only a single text that is longer has a
    row of more.
    """
    texts = [text for unit in units for text in unit]
    if layout == "packed_decoder":
        return fill_padded(by_context(texts), budget)
    if layout == "padded":
        return fill_padded([[text] for text in texts], budget)
    examples: dict[str, list[list[Tokens]]] = defaultdict(list)
    for unit in units:
        examples[unit[0].example_id].append(unit)
    pieces: list[list[Tokens]] = []
    for of_example in examples.values():  # an example's texts together, else a unit's, else each alone
        whole = [text for unit in of_example for text in unit]
        for piece in [whole] if tree_size(whole) <= budget else of_example:
            pieces += [piece] if tree_size(piece) <= budget else [[text] for text in piece]
    return first_fit(pieces, budget)


def tree_size(texts: list[Tokens]) -> int:
    return size([text.inputs for text in texts])


def first_fit(pieces: list[list[Tokens]], budget: int) -> list[list[Tokens]]:
    """Each piece goes into the first row with room for it."""
    rows: list[list[Tokens]] = []
    used: list[int] = []
    for piece in pieces:
        tokens = tree_size(piece)
        place = next((i for i, n in enumerate(used) if n + tokens <= budget), len(rows))
        if place == len(rows):
            rows.append([])
            used.append(0)
        rows[place] += piece
        used[place] += tokens
    return rows


def by_context(texts: list[Tokens]) -> list[list[Tokens]]:
    """Texts with the same context, as many as one decoder row holds."""
    packs: list[list[Tokens]] = []
    last: dict[bytes, list[Tokens]] = {}
    for text in texts:
        key = text.context.tobytes()
        if (
            key not in last
            or sum(len(other.inputs) for other in last[key]) + len(text.inputs) > DECODER_TOKENS
        ):
            last[key] = []
            packs.append(last[key])
        last[key].append(text)
    return packs


def fill_padded(packs: list[list[Tokens]], budget: int) -> list[list[Tokens]]:
    """Packs of like length together: packs x (longest context + longest inputs) stays within `budget`."""

    def lengths(pack: list[Tokens]) -> tuple[int, int]:
        return len(pack[0].context), sum(len(text.inputs) for text in pack)

    rows: list[list[Tokens]] = []
    count = 0
    longest = (0, 0)
    for pack in sorted(packs, key=lambda pack: (sum(lengths(pack)), lengths(pack))):
        context, inputs = lengths(pack)
        grown = (max(longest[0], context), max(longest[1], inputs))
        if not rows or (count + 1) * sum(grown) > budget:
            rows.append([])
            count = 0
            grown = (context, inputs)
        rows[-1] += pack
        count = count + 1
        longest = grown
    return rows


def collate(
    texts: list[Tokens], *, layout: Layout, tasks: list[str], normalisation: Normalisation, pad_id: int
) -> dict[str, Any]:
    """One forward pass as tensors.

    inputs   the model's keyword arguments places   int64[k], where in all rows, one after the other, a
    label's prediction is made; two labels may share a place labels   int64[k] tasks    int64[k], places in
    `tasks` weights  float[k], weight[task] x coefficient (see stages/training/objective.py) counts
    int64[len(tasks)], this pass's share of each task's denominator
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
            places.append(path[target.start : target.start + n])
            labels.append(target.labels)
            task_of.append(np.full(n, number[target.task]))
            weights.append(
                np.full(n, target.weight / (1 if normalisation == "batch" else trained[target.task]))
            )
    joined = {
        name: np.concatenate(parts).astype(np.int64)
        for name, parts in (("places", places), ("labels", labels), ("tasks", task_of))
    }
    return {
        "inputs": inputs,
        **{name: torch.from_numpy(values) for name, values in joined.items()},
        "weights": torch.from_numpy(np.concatenate(weights)).to(torch.get_default_dtype()),
        "counts": torch.from_numpy(counts),
    }


def lay_tree(texts: list[Tokens], layout: Layout) -> tuple[dict[str, Any], list[np.ndarray]]:
    """input_ids, position_ids int64[1, tokens], and what the attention has to know."""
    tree = grow([text.inputs for text in texts])
    inputs = {
        "input_ids": torch.from_numpy(tree.ids)[None],
        "position_ids": torch.from_numpy(tree.depth)[None],
    }
    if layout == "mask":
        return {**inputs, "attention_mask": visible(tree)}, tree.paths
    plan = gather_plan(tree) if layout == "tree" else varlen_plan(tree)
    # a mask of rank 4 is taken for a finished one: the model makes none of its own, which would be tokens x
    # tokens
    return {**inputs, "attention_mask": torch.ones(1, 1, 1, 1), "tree": plan}, tree.paths


def lay_padded(texts: list[Tokens], pad_id: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    """One row per text, filled up on the right."""
    contexts = [text.context.tolist() for text in texts]
    inputs = [text.inputs.tolist() for text in texts]
    ids = pad(inputs, pad_id)
    longest = max(map(len, inputs))
    paths = [row * longest + np.arange(len(ids)) for row, ids in enumerate(inputs)]
    if not contexts[0]:
        return {"input_ids": ids, "attention_mask": pad([[1] * len(row) for row in inputs], 0)}, paths
    mask = pad([[1] * len(row) for row in contexts], 0)
    return {"input_ids": pad(contexts, pad_id), "attention_mask": mask, "decoder_input_ids": ids}, paths


def lay_packed(texts: list[Tokens], pad_id: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    """One row per context; its decodings stand one after the other in the decoder's row and do not see each
    other.
    """
    packs = by_context(texts)
    if len(packs) == len(texts):
        return lay_padded(texts, pad_id)
    encoder, _ = lay_padded([pack[0] for pack in packs], pad_id)
    ids = pad([[token for text in pack for token in text.inputs.tolist()] for pack in packs], pad_id)
    owner = pad([[number for number, text in enumerate(pack) for _ in text.inputs] for pack in packs], -1)
    longest = ids.shape[1]
    mask = (owner[:, :, None] == owner[:, None, :]) & torch.ones(longest, longest, dtype=torch.bool).tril()
    paths: dict[int, np.ndarray] = {}
    for row, pack in enumerate(packs):
        ends = np.cumsum([len(text.inputs) for text in pack])
        paths |= {
            id(text): row * longest + np.arange(end - len(text.inputs), end)
            for text, end in zip(pack, ends.tolist(), strict=True)
        }
    return {**encoder, "decoder_input_ids": ids, "decoder_attention_mask": mask[:, None]}, [
        paths[id(text)] for text in texts
    ]
