"""Tokens, prefix trees, what attention makes of them, and which texts meet: against brute force."""

import random
from collections import Counter
from itertools import chain as joined
from itertools import pairwise

import numpy as np
import pytest
import torch

from stages.records.sequence import Segment, Sequence
from stages.students.tokens import Target, Tokens, tokenize
from stages.training.attention import gather_attention, varlen_attention
from stages.training.collate import collate
from stages.training.plans import dense_mask, gather_plan, varlen_plan
from stages.training.rows import epoch_order, fill_rows, pack_by_context, row_size, units_of
from stages.training.trees import chains, grow_tree, tree_size

EOS = 1


def sequence(*segments: Segment, **fields) -> Sequence:
    return Sequence("q", list(segments), **fields)


def flat(text: Tokens) -> list[tuple[int, int, str, float]]:
    """(place, label, task, weight) of every label."""
    return [
        (t.start + i, int(label), t.task, t.weight) for t in text.targets for i, label in enumerate(t.labels)
    ]


# ---------------------------------------------------------------- tokens


def test_the_last_token_is_a_label_and_no_input(byte_tokenizer) -> None:
    text = tokenize(sequence(Segment("ab"), Segment("cd", "cot", 0.5)), byte_tokenizer, None, 100)
    ids = byte_tokenizer("abcd").input_ids
    assert text.inputs.tolist() == ids
    assert flat(text) == [(1, ids[2], "cot", 0.5), (2, ids[3], "cot", 0.5), (3, EOS, "cot", 0.5)]
    assert not text.truncated


def test_an_end_inside_a_text_is_a_label_and_an_input(byte_tokenizer) -> None:
    segments = (
        Segment("q"),
        Segment("r", "rationale", 0.7, end=True),
        Segment("A"),
        Segment("a", "answer", 0.3),
    )
    text = tokenize(sequence(*segments), byte_tokenizer, None, 100)
    q, r, mark, a = byte_tokenizer("qrAa").input_ids
    assert text.inputs.tolist() == [q, r, EOS, mark, a]
    assert flat(text) == [
        (0, r, "rationale", 0.7),
        (1, EOS, "rationale", 0.7),
        (3, a, "answer", 0.3),
        (4, EOS, "answer", 0.3),
    ]


def test_a_decoder_begins_with_its_start_token(byte_tokenizer) -> None:
    text = tokenize(sequence(Segment("ab"), Segment("cd", "cot")), byte_tokenizer, 7, 100)
    c, d = byte_tokenizer("cd").input_ids
    assert text.context.tolist() == byte_tokenizer("ab").input_ids
    assert text.inputs.tolist() == [7, c, d]
    assert [(place, label) for place, label, _, _ in flat(text)] == [(0, c), (1, d), (2, EOS)]


def test_nothing_predicts_a_first_token(byte_tokenizer) -> None:
    text = tokenize(
        sequence(Segment("ab", "prompt", 0.01), Segment("c", "answer")), byte_tokenizer, None, 100
    )
    a, b, c = byte_tokenizer("abc").input_ids
    assert text.inputs.tolist() == [a, b, c]
    assert flat(text) == [(0, b, "prompt", 0.01), (1, c, "answer", 1.0), (2, EOS, "answer", 1.0)]


def test_a_mark_at_the_beginning_predicts_the_first_token(byte_tokenizer) -> None:
    class Marked:
        eos_token_id = EOS

        def __call__(self, text, add_special_tokens=True, **_):
            found = byte_tokenizer(text)
            found["input_ids"] = ([9] if add_special_tokens else []) + found["input_ids"]
            return found

    text = tokenize(sequence(Segment("ab", "prompt", 0.01), Segment("c", "answer")), Marked(), None, 100)
    a, b, c = byte_tokenizer("abc").input_ids
    assert text.inputs.tolist() == [9, a, b, c]
    assert [(place, label) for place, label, _, _ in flat(text)] == [(0, a), (1, b), (2, c), (3, EOS)]


def test_weight_0_is_no_label(byte_tokenizer) -> None:
    text = tokenize(
        sequence(Segment("q"), Segment("r", "rationale", 0.0), Segment("a", "answer")),
        byte_tokenizer,
        None,
        100,
    )
    assert text.counts() == {"answer": 2}
    assert len(text.inputs) == 3


@pytest.mark.parametrize(
    ("start", "room", "labels"),
    [(None, 5, 2), (None, 4, 1), (None, 3, 0), (None, 6, 3), (0, 3, 3), (0, 2, 2)],
)
def test_what_is_too_long_is_cut_off_the_end(start, room, labels, byte_tokenizer) -> None:
    text = tokenize(sequence(Segment("abc"), Segment("de", "cot")), byte_tokenizer, start, room)
    assert sum(text.counts().values()) == labels
    assert text.truncated == (labels < 3 or (start is not None and room < 3))
    assert len(text.inputs) <= room
    assert len(text.context) <= room


def test_labels_are_those_of_a_plain_row(byte_tokenizer) -> None:
    """One task, causal: the shifted labels that `transformers` would train."""
    for words in range(1, 6):
        asked, said = "question " * words, "because " * (6 - words)
        prompt, target = (byte_tokenizer(part, add_special_tokens=False).input_ids for part in (asked, said))
        ids, labels = (
            [*prompt, *target, byte_tokenizer.eos_token_id],
            [-100] * len(prompt) + [*target, byte_tokenizer.eos_token_id],
        )
        for room in (200, 40):
            tokens = tokenize(sequence(Segment(asked), Segment(said, "cot")), byte_tokenizer, None, room)
            shifted = [-100] * len(tokens.inputs)
            for place, label, _, _ in flat(tokens):
                shifted[place] = label
            assert (tokens.inputs.tolist(), shifted, tokens.truncated) == (
                ids[:room][:-1],
                labels[:room][1:],
                len(ids) > room,
            )


def test_an_encoder_needs_a_context(byte_tokenizer) -> None:
    with pytest.raises(ValueError, match=r"q: an encoder-decoder needs segments without a task"):
        tokenize(sequence(Segment("a", "prompt"), Segment("b", "answer")), byte_tokenizer, 0, 100)


# ---------------------------------------------------------------- trees


def texts_of(rng: random.Random, n: int, alphabet: int = 3, longest: int = 9) -> list[np.ndarray]:
    """Random texts that share beginnings, with duplicates and texts that are the beginning of others."""
    made = [
        np.array([rng.randrange(alphabet) for _ in range(rng.randint(1, longest))], np.int32)
        for _ in range(n)
    ]
    return [*made, made[0], made[-1][: max(1, len(made[-1]) // 2)]]


CASES = [texts_of(random.Random(seed), n) for seed, n in enumerate([1, 1, 2, 3, 4, 6, 8, 12, 20, 40])]
CASES += [[np.array([5], np.int32)], [np.array([300 * i, 1], np.int32) for i in range(5)]]


@pytest.mark.parametrize("texts", CASES)
def test_a_tree_has_one_token_per_distinct_beginning(texts) -> None:
    tree, prefixes = grow_tree(texts), {tuple(text[: i + 1]) for text in texts for i in range(len(text))}
    assert len(tree.ids) == tree_size(texts) == len(prefixes)
    for text, path in zip(texts, tree.paths, strict=True):
        assert tree.ids[path].tolist() == text.tolist()
        assert tree.depth[path].tolist() == list(range(len(text)))


@pytest.mark.parametrize("texts", CASES)
def test_a_token_sees_the_beginning_of_its_text_and_nothing_else(texts) -> None:
    tree = grow_tree(texts)
    beginning = {
        int(path[i]): tuple(text[: i + 1])
        for text, path in zip(texts, tree.paths, strict=True)
        for i in range(len(text))
    }
    wanted = [
        [beginning[q][: len(beginning[k])] == beginning[k] for k in range(len(tree.ids))]
        for q in range(len(tree.ids))
    ]
    assert dense_mask(tree)[0, 0].tolist() == wanted
    for chain in chains(tree.depth, tree.end):
        seen = [k for k in range(chain.start) if wanted[chain.start][k]]
        assert chain.ancestors.tolist() == seen
        assert all(
            wanted[q][k] for q in range(chain.start, chain.stop) for k in [*seen, *range(chain.start, q + 1)]
        )


@pytest.mark.parametrize("texts", CASES)
def test_chains_are_the_row_in_pieces_as_long_as_can_be(texts) -> None:
    tree = grow_tree(texts)
    found = chains(tree.depth, tree.end)
    assert [place for chain in found for place in range(chain.start, chain.stop)] == list(
        range(len(tree.ids))
    )
    sees = dense_mask(tree)[0, 0]
    for one, other in pairwise(found):  # a child of the token before it that is not its only one, or none
        same_subtree = bool(sees[other.start, one.stop - 1]) and bool(
            (sees[:, one.stop - 1].sum() - sees[:, other.start].sum()) == 1
        )
        assert not same_subtree


def states(tree, heads: int, shared: int, dtype=torch.float64) -> list[torch.Tensor]:
    torch.manual_seed(len(tree.ids))
    return [
        torch.randn(len(tree.ids), n, 8, dtype=dtype, requires_grad=True) for n in (heads, shared, shared)
    ]


def dense_attention(query, key, value, tree):
    """softmax over the visible keys, written out."""
    groups = query.shape[1] // key.shape[1]
    key, value = (t.repeat_interleave(groups, 1) for t in (key, value))
    scores = torch.einsum("qhd,khd->hqk", query, key) * 0.3
    return torch.einsum(
        "hqk,khd->qhd", scores.masked_fill(~dense_mask(tree)[0], -torch.inf).softmax(-1), value
    )


@pytest.mark.parametrize("texts", CASES)
@pytest.mark.parametrize(("heads", "shared"), [(2, 2), (4, 2)])
def test_gathered_attention_is_dense_attention(texts, heads: int, shared: int) -> None:
    tree = grow_tree(texts)
    given = states(tree, heads, shared)
    outputs = [gather_attention(*given, gather_plan(tree), 0.0, 0.3), dense_attention(*given, tree)]
    torch.testing.assert_close(*outputs, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(output.sin().sum(), given) for output in outputs]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_many_buckets_waste_little() -> None:
    rng = random.Random(0)
    stems = [[rng.randrange(100) for _ in range(rng.randint(20, 200))] for _ in range(10)]
    tree = grow_tree(
        [
            np.array(stem + [rng.randrange(100) for _ in range(rng.randint(5, 150))], np.int32)
            for stem in stems
            for _ in range(4)
        ]
    )
    plan = gather_plan(tree)
    own = sum(
        (c.stop - c.start) * (c.stop - c.start + len(c.ancestors)) for c in chains(tree.depth, tree.end)
    )
    assert len(plan.buckets) > 3
    assert sum(bucket.mask.numel() for bucket in plan.buckets) <= 1.3 * own + 4096 * len(plan.buckets)
    given = states(tree, 2, 1)
    torch.testing.assert_close(
        gather_attention(*given, plan, 0.0, 0.3), dense_attention(*given, tree), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("texts", CASES)
def test_the_variable_length_plan_is_dense_attention(texts) -> None:
    """The kernel's contract in a loop: query i of n sees the first i + 1 + (keys - n) keys of its own
    stretch.
    """
    tree = grow_tree(texts)
    plan, (query, key, value) = varlen_plan(tree), states(tree, 2, 2)
    key, value, outputs = key[plan.keys], value[plan.keys], []
    queries, keys = plan.cu_queries.tolist(), plan.cu_keys.tolist()
    for q0, q1, k0, k1 in zip(queries, queries[1:], keys, keys[1:], strict=False):
        assert q1 - q0 <= plan.longest_queries
        assert k1 - k0 <= plan.longest_keys
        for q in range(q0, q1):
            seen = slice(k0, k1 - (q1 - 1 - q))
            weights = (torch.einsum("hd,khd->hk", query[q], key[seen]) * 0.3).softmax(-1)
            outputs.append(torch.einsum("hk,khd->hd", weights, value[seen]))
    assert queries[-1] == len(tree.ids)
    torch.testing.assert_close(
        torch.stack(outputs), dense_attention(*states(tree, 2, 2), tree), rtol=1e-12, atol=1e-12
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="the variable-length kernel runs on CUDA only")
@pytest.mark.parametrize("texts", CASES)
@pytest.mark.parametrize(("heads", "shared"), [(2, 2), (4, 2)])
def test_the_variable_length_kernel_is_gathered_attention(texts, heads: int, shared: int) -> None:
    from accelerate.utils import send_to_device

    tree = grow_tree(texts)
    given = [t.detach().to("cuda", torch.bfloat16).requires_grad_() for t in states(tree, heads, shared)]
    outputs = [
        varlen_attention(*given, send_to_device(varlen_plan(tree), "cuda"), 0.3),
        gather_attention(*given, send_to_device(gather_plan(tree), "cuda"), 0.0, 0.3),
    ]
    torch.testing.assert_close(*outputs, rtol=2e-2, atol=2e-2)
    gradients = [torch.autograd.grad(output.float().sin().sum(), given) for output in outputs]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=5e-2, atol=5e-2)


# ---------------------------------------------------------------- which texts meet


def made(
    example: int, tokens: list[int], unit: str = "", draw: bool = False, context: list[int] | None = None
) -> Tokens:
    ids = np.array(tokens, np.int32)
    targets = [Target(len(ids) // 2, ids[len(ids) // 2 :], "cot", 1.0)]
    return Tokens(f"e-{example}", unit, draw, np.array(context or [], np.int32), ids, targets, False)


def corpus(
    rng: random.Random, examples: int, completions: int, texts: int, draw: bool = False
) -> list[Tokens]:
    """Each completion of an example gives some texts; an example's texts begin alike."""
    rows = []
    for example in range(examples):
        stem = [rng.randrange(50) for _ in range(rng.randint(5, 40))]
        for completion in range(completions):
            unit = str(completion) if texts > 1 else ""
            for _ in range(texts):
                tail = [rng.randrange(50) for _ in range(rng.randint(2, 40))]
                rows.append(made(example, stem + tail, unit, draw, context=stem))
    return rows


def identities(units) -> Counter:
    return Counter(id(text) for unit in units for text in unit)


@pytest.mark.parametrize("group_size", [1, 3, 8])
@pytest.mark.parametrize("texts", [1, 2])
def test_an_epoch_sees_every_text_once_in_a_seeded_order(group_size: int, texts: int) -> None:
    rows = corpus(random.Random(0), 12, 5, texts)
    order = epoch_order(rows, 3, 0, group_size)
    assert identities(order) == Counter(map(id, rows))
    assert len(order) == 60
    assert all(
        len(unit) == texts and len({(text.example_id, text.unit) for text in unit}) == 1 for unit in order
    )
    assert list(joined(*order)) == list(joined(*epoch_order(rows, 3, 0, group_size)))
    assert all(
        identities(other) == identities(order) and other != order
        for other in (epoch_order(rows, 3, 1, group_size), epoch_order(rows, 4, 0))
    )


def test_a_group_stands_together() -> None:
    rows = corpus(random.Random(0), 30, 7, 1)
    names = [unit[0].example_id for unit in epoch_order(rows, 0, 0, 3)]
    runs = Counter()
    place = 0
    while place < len(names):
        run = next(n for n in range(1, 200) if place + n == len(names) or names[place + n] != names[place])
        runs[run] += 1
        place += run
    assert runs.keys() <= {1, 3, 4, 6, 7}  # 7 = 3 + 3 + 1; runs of one example may meet
    assert runs[3] > 20
    alone = [unit[0].example_id for unit in epoch_order(rows, 0, 0, 1)]
    assert sum(one == other for one, other in pairwise(alone)) < 20


def test_of_an_examples_draws_one_is_drawn() -> None:
    rows = corpus(random.Random(0), 10, 4, 1, draw=True) + corpus(random.Random(1), 10, 1, 1)
    seen = set()
    for epoch in range(40):
        order = epoch_order(rows, 0, epoch)
        drawn = Counter(unit[0].example_id for unit in order if unit[0].draw)
        assert len(order) == 20
        assert set(drawn.values()) == {1}
        seen |= {id(unit[0]) for unit in order}
    assert seen == {id(row) for row in rows}


@pytest.mark.parametrize("layout", ["tree", "padded", "packed_decoder"])
@pytest.mark.parametrize("budget", [1, 90, 200, 100_000])
def test_rows_keep_to_the_budget_and_hold_every_text_once(layout: str, budget: int) -> None:
    rows = corpus(random.Random(2), 9, 3, 2)
    units = epoch_order(rows, 0, 0, 2)
    filled = fill_rows(units, budget, layout)
    assert identities(filled) == Counter(map(id, rows))
    for row in filled:
        if layout == "tree":
            tokens, least = row_size(row), 1
        else:
            packs = pack_by_context(row) if layout == "packed_decoder" else [[text] for text in row]
            tokens = len(packs) * (
                max(len(text.context) for text in row)
                + max(sum(len(text.inputs) for text in pack) for pack in packs)
            )
            least = len(packs[0])
        assert tokens <= budget or len(row) == least


@pytest.mark.parametrize(("budget", "rows"), [(29, 6), (30, 4), (39, 4), (40, 3)])
def test_rows_are_as_full_as_the_budget_lets_them_be(budget: int, rows: int) -> None:
    texts = [made(i, [i] * 10) for i in range(12)]
    for layout in ("tree", "padded"):
        assert len(fill_rows(units_of(texts), budget, layout)) == rows


def test_an_examples_texts_share_a_row_where_it_has_room() -> None:
    rows = corpus(random.Random(2), 9, 3, 2)
    for row in fill_rows(units_of(rows), 300, "tree"):
        assert all(
            len([text for text in row if text.example_id == name]) == 6
            for name in {text.example_id for text in row}
        )
    units = units_of(rows)
    # too little for an example: a unit's texts still stand together
    assert max(map(row_size, units)) <= 110 < row_size(rows[:6])
    for row in fill_rows(units, 110, "tree"):
        assert all(count == 2 for count in Counter((text.example_id, text.unit) for text in row).values())


@pytest.mark.parametrize("layout", ["tree", "varlen", "mask", "padded", "packed_decoder"])
def test_every_label_stands_behind_its_text_once(layout: str) -> None:
    rows = corpus(random.Random(3), 6, 3, 2)
    batch = collate(rows, layout=layout, tasks=["answer", "cot"], normalisation="batch", pad_id=0)
    ids = batch["inputs"][
        "decoder_input_ids" if layout in ("padded", "packed_decoder") else "input_ids"
    ].flatten()
    wanted = [(int(text.inputs[place]), label) for text in rows for place, label, _, _ in flat(text)]
    assert list(zip(ids[batch["places"]].tolist(), batch["labels"].tolist(), strict=True)) == wanted
    assert batch["counts"].tolist() == [0, len(wanted)]
    assert batch["tasks"].unique().tolist() == [1]
