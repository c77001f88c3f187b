"""Which texts meet: the order of an epoch, and the texts of one forward pass.

A unit is what one completion gave, often one text, CasCoD's two; its texts are trained in the same step.
Nothing here changes what a step learns: texts that happen to stand in one row share what they begin with,
whatever they came from.
"""

import random
from array import array
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, overload

import numpy as np

from stages.students.tokens import Tokens
from stages.training.outline import Outline, outline_of
from stages.training.trees import tree_size

Layout = Literal["tree", "varlen", "mask", "padded", "packed_decoder"]
"""How a forward pass lays its texts out.

tree, varlen, mask: one row of prefix trees, whose attention gathers, runs CUDA's variable-length kernel, or
has a dense mask (stages/training/plans.py). padded: one row per text, the reference. packed_decoder: each
context is encoded once and its decodings lie in one decoder row, which is exact where positions are relative
(T5).
"""

DECODER_TOKENS = 512  # decodings share a decoder row up to this length: its attention is dense


class Units(Sequence[list[Tokens]]):
    """Some units of a part's texts in an order; a text is looked up when its unit is asked for."""

    def __init__(self, texts: Sequence[Tokens], outline: Outline, order: np.ndarray) -> None:
        self.texts = texts
        self.outline = outline
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, place: int) -> list[Tokens]: ...
    @overload
    def __getitem__(self, place: slice) -> list[list[Tokens]]: ...
    def __getitem__(self, place: int | slice) -> list[Tokens] | list[list[Tokens]]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        unit = self.order[place]
        first, last = self.outline.starts[unit : unit + 2]
        return [self.texts[text] for text in self.outline.texts[first:last].tolist()]

    def members(self) -> np.ndarray:
        """int32[n]: places of the texts of all these units."""
        chosen = np.zeros(len(self.outline.draw), bool)
        chosen[self.order] = True
        found: np.ndarray = self.outline.texts[np.repeat(chosen, np.diff(self.outline.starts))]
        return found


def units_of(texts: Sequence[Tokens]) -> Units:
    """Texts that belong together, in the order of their first ones. One with an empty `unit` is its own."""
    outline = outline_of(texts)
    return Units(texts, outline, np.arange(len(outline.draw)))


def epoch_order(
    texts: Sequence[Tokens], seed: int, epoch: int, group_size: int = 1, outline: Outline | None = None
) -> Units:
    """An epoch's units: every one once, in an order that (seed, epoch) decides; of an example's units with
    `draw`, one is drawn (SCoTD's code).

    A step is the next `batch_size` units of it. group_size: up to this many units of one example stand next
    to each other, to be computed as one tree; more than 1 correlates a step's gradients, so only for large
    batches. `outline`: of the texts, where it is known already.
    """
    outline = outline or outline_of(texts)
    return Units(texts, outline, unit_order(outline, random.Random(f"{seed} {epoch}"), group_size))


def unit_order(outline: Outline, rng: random.Random, group_size: int) -> np.ndarray:
    """int32[units of an epoch]: their numbers."""
    units = outline.units.data
    draw = outline.draw.data
    drawing = outline.draw.any()
    kept = array("i")
    starts = array("i")  # of the groups
    for first, last in pairwise(outline.examples.tolist()):
        of_example = units[first:last].tolist()
        if drawing:
            drawn = [unit for unit in of_example if draw[unit]]
            of_example = [unit for unit in of_example if not draw[unit]]
            of_example += [rng.choice(drawn)] if drawn else []
        rng.shuffle(of_example)
        starts.extend(range(len(kept), len(kept) + len(of_example), group_size))
        kept.extend(of_example)
    if group_size == 1:
        rng.shuffle(kept)
        return np.array(kept, np.int32)
    groups = [kept[first:last] for first, last in pairwise([*starts, len(kept)])]
    rng.shuffle(groups)
    return np.array([unit for group in groups for unit in group], np.int32)


def fill_rows(units: Sequence[list[Tokens]], budget: int, layout: Layout) -> list[list[Tokens]]:
    """A step's units as rows of at most `budget` tokens; a single text that is longer has a row to itself."""
    texts = [text for unit in units for text in unit]
    if layout == "packed_decoder":
        return fill_padded_rows(pack_by_context(texts), budget)
    if layout == "padded":
        return fill_padded_rows([[text] for text in texts], budget)
    examples: dict[str, list[list[Tokens]]] = defaultdict(list)
    for unit in units:
        examples[unit[0].example_id].append(unit)
    pieces: list[list[Tokens]] = []
    for of_example in examples.values():  # an example's texts together, else a unit's, else each alone
        whole = [text for unit in of_example for text in unit]
        for piece in [whole] if row_size(whole) <= budget else of_example:
            pieces += [piece] if row_size(piece) <= budget else [[text] for text in piece]
    return first_fit(pieces, budget)


def row_size(texts: list[Tokens]) -> int:
    """Tokens of a row that is their tree."""
    return tree_size([text.inputs for text in texts])


def first_fit(pieces: list[list[Tokens]], budget: int) -> list[list[Tokens]]:
    """Each piece goes into the first row with room for it."""
    rows: list[list[Tokens]] = []
    used: list[int] = []
    for piece in pieces:
        tokens = row_size(piece)
        place = next((i for i, n in enumerate(used) if n + tokens <= budget), len(rows))
        if place == len(rows):
            rows.append([])
            used.append(0)
        rows[place] += piece
        used[place] += tokens
    return rows


def pack_by_context(texts: list[Tokens]) -> list[list[Tokens]]:
    """Texts with the same context, as many as one decoder row holds."""
    packs: list[list[Tokens]] = []
    last: dict[bytes, list[Tokens]] = {}
    for text in texts:
        key = text.context.tobytes()
        pack = last.get(key)
        if pack is None or sum(len(other.inputs) for other in [*pack, text]) > DECODER_TOKENS:
            pack = last[key] = []
            packs.append(pack)
        pack.append(text)
    return packs


def fill_padded_rows(packs: list[list[Tokens]], budget: int) -> list[list[Tokens]]:
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
        count += 1
        longest = grown
    return rows
