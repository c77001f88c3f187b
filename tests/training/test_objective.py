"""The objective on every layout and family against the naive computation: one padded row per text, separate
forwards, plain cross-entropy.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import pytest
import torch
from conftest import shapes
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from stages.config.normalisation import Normalisation
from stages.records.sequence import Segment, Sequence
from stages.students.tokens import tokenize
from stages.training.attention import use_tree_attention
from stages.training.collate import collate
from stages.training.layout import choose_layout
from stages.training.objective import inner_model, token_losses, weighted_loss
from stages.training.rows import fill_rows, units_of

FAMILIES = ["gpt2", "opt", "llama", "qwen2", "qwen3", "t5"]
# the others compute norms, rotary angles or softmax in float32, whatever their weights are
EXACT = {"gpt2", "opt"}


def config(family: str, **more: Any) -> Any:
    from transformers import Qwen3Config

    if family == "qwen3":
        base = {
            k: getattr(shapes()["qwen2"](), k)
            for k in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
        }
        return Qwen3Config(
            **base,
            intermediate_size=32,
            num_key_value_heads=1,
            head_dim=8,
            bos_token_id=None,
            eos_token_id=1,
            pad_token_id=0,
            **more,
        )
    made = shapes()[family]()
    made.update(more)
    return made


def build(family_config: Any, dtype: torch.dtype = torch.float32, attention: str | None = None) -> Any:
    """A random model whose attention is far from uniform, in eval mode."""
    torch.manual_seed(0)
    kind = AutoModelForSeq2SeqLM if family_config.is_encoder_decoder else AutoModelForCausalLM
    model = kind.from_config(
        family_config, dtype=dtype, **({"attn_implementation": attention} if attention else {})
    )
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:
                weights.mul_(3)
    return model.eval()


# ---------------------------------------------------------------- one step of each method, as hand-made texts


def words(example: int, what: str) -> str:
    return {
        "question": ["how many apples?", "where is the ball now, if Ann and Bob swap?", "is 7 odd?"][example],
        "rationale": ["two and two. ", "Ann gives it to Bob, who keeps it. ", "odd is not even; "][example],
        "answer": ["4", "with Bob", "yes"][example],
    }[what]


def one_task(i: int) -> list[Sequence]:
    return [
        Sequence(
            f"e-{i}",
            [Segment(words(i, "question")), Segment(words(i, "rationale") + words(i, "answer"), "cot")],
        )
    ]


def completions(i: int) -> list[Sequence]:
    """Several rationales of one question, with common beginnings and an exact duplicate."""
    texts = ["so a", "so bcd", "so b", "no", "so bcd", "n"][: 6 - 2 * i]
    return [Sequence(f"e-{i}", [Segment(words(i, "question")), Segment(text, "cot")]) for text in texts]


def weight_aligned(i: int) -> list[Sequence]:
    task = Segment(words(i, "rationale"), "rationale", 0.7), Segment(words(i, "answer"), "answer", 0.3)
    return [Sequence(f"e-{i}", [Segment(words(i, "question")), *task])]


def cascod(i: int) -> list[Sequence]:
    question, r, a = (words(i, what) for what in ("question", "rationale", "answer"))
    return [
        Sequence(f"e-{i}", [Segment(question + "[R]"), Segment(r, "rationale", 0.7)], unit="0"),
        Sequence(
            f"e-{i}",
            [Segment(question + "[R]"), Segment(r), Segment("[A]"), Segment(a, "answer", 0.3)],
            unit="0",
        ),
    ]


def all_aligned(i: int) -> list[Sequence]:
    """[EOS] after the rationale is read; the prefix of the answer is masked, or trained with it."""
    masked = i % 2 == 0
    before = [
        Segment(words(i, "question") + "[R]"),
        Segment(words(i, "rationale"), "rationale", 0.7, end=True),
    ]
    return [
        Sequence(
            f"e-{i}",
            [
                *before,
                Segment("[A]", None if masked else "answer", 0.3),
                Segment(words(i, "answer"), "answer", 0.3),
            ],
        )
    ]


def two_tasks(i: int) -> list[Sequence]:
    """MT-CoT, Step-by-step, SCOTT: two prompts of one question."""
    question, r, a = (words(i, what) for what in ("question", "rationale", "answer"))
    return [
        Sequence(f"e-{i}", [Segment(question + "[A]"), Segment(a, "answer", 0.3)], unit="0"),
        Sequence(f"e-{i}", [Segment(question + "[E]"), Segment(r + a, "cot", 0.7)], unit="0"),
    ]


def prompt_loss(i: int) -> list[Sequence]:
    return [
        Sequence(
            f"e-{i}", [Segment(words(i, "question"), "prompt", 0.01), Segment(words(i, "answer"), "cot")]
        )
    ]


def uneven(i: int) -> list[Sequence]:
    """Not every text has every task: the two normalisations differ most."""
    return cascod(i)[: 2 - i % 2] + weight_aligned(i)[: i % 2]


METHODS = [one_task, completions, weight_aligned, cascod, all_aligned, two_tasks, prompt_loss, uneven]


# ---------------------------------------------------------------- the naive computation


def plain_row(
    sequence: Sequence, tokenizer: Any, start: int | None
) -> tuple[list[int], list[int], list[str | None]]:
    """Encoder ids, all other ids with the last one, and the task of each of these."""
    first = next(place for place, segment in enumerate(sequence.segments) if segment.task)
    ids: list[int] = []
    tasks: list[str | None] = []
    for place, segment in enumerate(sequence.segments):
        tokens = tokenizer(segment.text).input_ids + (
            [1] if segment.end or place == len(sequence.segments) - 1 else []
        )
        ids, tasks = ids + tokens, tasks + [segment.task] * len(tokens)
    if start is None:
        return [], ids, tasks
    context = tokenizer("".join(segment.text for segment in sequence.segments[:first])).input_ids
    return context, [start, *ids[len(context) :]], [None, *tasks[len(context) :]]


def naive(model: Any, sequences: list[Sequence], tokenizer: Any, normalisation: str) -> torch.Tensor:
    """sum over tasks of weight x mean cross-entropy (tokens: x mean over texts of its sum), each text in a
    forward pass of its own, padded to the longest.
    """
    inner = inner_model(model)
    start = inner.config.decoder_start_token_id if inner.config.is_encoder_decoder else None
    rows = [plain_row(sequence, tokenizer, start) for sequence in sequences]
    longest, longest_context = (
        max(len(ids) for _, ids, _ in rows),
        max(len(context) for context, _, _ in rows),
    )
    weights = {
        segment.task: segment.weight
        for sequence in sequences
        for segment in sequence.segments
        if segment.task
    }
    losses: dict[str, list[list[torch.Tensor]]] = {task: [] for task in weights}
    for context, ids, tasks in rows:
        padded, mask = ids + [0] * (longest - len(ids)), [1] * len(ids) + [0] * (longest - len(ids))
        inputs = {"input_ids": torch.tensor([padded]), "attention_mask": torch.tensor([mask])}
        if start is not None:
            inputs = {
                "decoder_input_ids": inputs["input_ids"],
                "input_ids": torch.tensor([context + [0] * (longest_context - len(context))]),
            }
            inputs["attention_mask"] = torch.tensor(
                [[1] * len(context) + [0] * (longest_context - len(context))]
            )
        logits = model(**inputs, use_cache=False).logits[0]
        logits = logits if logits.dtype == torch.float64 else logits.float()
        for task in weights:
            places = [place for place in range(1, len(ids)) if tasks[place] == task]
            if places:
                losses[task].append(
                    [cross_entropy(logits[place - 1], torch.tensor(ids[place])) for place in places]
                )
    total = torch.zeros(())
    for task, texts in losses.items():
        if normalisation == "batch":
            total = total + weights[task] * torch.stack([value for text in texts for value in text]).mean()
        elif normalisation == "tokens":
            total = total + weights[task] * sum(value for text in texts for value in text) / len(texts)
        else:
            total = total + weights[task] * torch.stack([torch.stack(text).mean() for text in texts]).mean()
    return total


def ours(
    model: Any, sequences: list[Sequence], tokenizer: Any, normalisation: str, layout: str, budget: int
) -> tuple[float, int]:
    """The same, row by row, with gradients left in the model; and the number of rows."""
    inner = inner_model(model)
    start = inner.config.decoder_start_token_id if inner.config.is_encoder_decoder else None
    texts = [tokenize(sequence, tokenizer, start, 500) for sequence in sequences]
    tasks = sorted({target.task for text in texts for target in text.targets})
    rows = [
        collate(row, layout=layout, tasks=tasks, normalisation=normalisation, pad_id=0)
        for row in fill_rows(units_of(texts), budget, layout)
    ]  # the micro-batches of one step
    denominators = sum(row["counts"] for row in rows)
    total = 0.0
    for row in rows:
        part = weighted_loss(token_losses(model, row), row, denominators)
        part.backward()
        total += part.item()
    return total, len(rows)


def gradients(model: Any) -> dict[str, torch.Tensor]:
    found = {
        name: weights.grad.clone() for name, weights in model.named_parameters() if weights.grad is not None
    }
    model.zero_grad()
    return found


def assert_equal(
    model: Any,
    sequences: list[Sequence],
    tokenizer: Any,
    layout: str,
    normalisation: str,
    budget: int,
    tolerance: float,
) -> int:
    """Loss, and every gradient relative to the largest one."""
    wanted = naive(model, sequences, tokenizer, normalisation)
    wanted.backward()
    theirs = gradients(model)
    total, rows = ours(model, sequences, tokenizer, normalisation, layout, budget)
    mine = gradients(model)
    assert total == pytest.approx(wanted.item(), rel=tolerance)
    assert mine.keys() == theirs.keys()
    scale = max(gradient.abs().max() for gradient in theirs.values())
    for name, gradient in theirs.items():
        assert (mine[name] - gradient).abs().max() <= tolerance * scale, name
    return rows


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request):
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(before)


def tolerance(family: str, dtype: torch.dtype) -> float:
    return 1e-5 if dtype == torch.float32 else 1e-12 if family in EXACT else 1e-6


CELLS = [
    (family, layout)
    for family in FAMILIES
    for layout in (["packed_decoder", "padded"] if family == "t5" else ["tree", "mask", "padded"])
]


@pytest.fixture(scope="module")
def models() -> dict[Any, Any]:
    return {}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
@pytest.mark.parametrize(("family", "layout"), CELLS)
def test_loss_and_gradients_are_the_naive_ones(
    family: str, layout: str, method, dtype, models, byte_tokenizer
) -> None:
    if family == "t5" and method is prompt_loss:
        pytest.skip("an encoder reads the prompt")
    key = family, layout, dtype
    if key not in models:
        models[key] = build(config(family), dtype)
        if layout == "tree":
            use_tree_attention(models[key])
    sequences = [sequence for i in range(3) for sequence in method(i)]
    for normalisation in get_args(Normalisation):
        whole = assert_equal(
            models[key], sequences, byte_tokenizer, layout, normalisation, 10**6, tolerance(family, dtype)
        )
        parts = assert_equal(
            models[key], sequences, byte_tokenizer, layout, normalisation, 60, tolerance(family, dtype)
        )
        assert whole == 1 < parts


@pytest.mark.parametrize("family", ["gpt2", "t5"])
@pytest.mark.parametrize("dtype", [torch.float64], indirect=True)
def test_a_dense_mask_works_where_attention_adds_it(family: str, dtype, byte_tokenizer) -> None:
    sequences = [sequence for i in range(3) for sequence in completions(i)]
    layout = "packed_decoder" if family == "t5" else "mask"
    assert_equal(
        build(config(family), dtype, "eager"),
        sequences,
        byte_tokenizer,
        layout,
        "batch",
        10**6,
        tolerance(family, dtype),
    )


@pytest.mark.parametrize("family", ["gpt2", "opt"])
@pytest.mark.parametrize("dtype", [torch.float64], indirect=True)
def test_cascod_in_one_pass_is_the_authors_two_forwards(family: str, dtype, byte_tokenizer) -> None:
    """CasCoD's code: both texts of each example in one padded batch each, a token mean per task, (1 - alpha)
    and alpha.
    """
    model, pairs, alpha = build(config(family), dtype), [cascod(i) for i in range(3)], 0.3
    total = torch.zeros(())
    for place, weight in ((0, 1 - alpha), (1, alpha)):
        rows = [plain_row(pair[place], byte_tokenizer, None)[1:] for pair in pairs]
        longest = max(len(ids) for ids, _ in rows)
        ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows])
        mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows])
        last = "rationale" if place == 0 else "answer"
        labels = torch.tensor(
            [
                [i if task == last else -100 for i, task in zip(*row, strict=True)]
                + [-100] * (longest - len(row[0]))
                for row in rows
            ]
        )
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        total = total + weight * cross_entropy(
            logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100
        )
    total.backward()
    theirs = gradients(model)
    use_tree_attention(model)
    value, rows = ours(
        model, [text for pair in pairs for text in pair], byte_tokenizer, "batch", "tree", 10**6
    )
    assert rows == 1
    assert value == pytest.approx(total.item(), rel=1e-12)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(
            gradient, theirs[name], rtol=0, atol=1e-12 * max(g.abs().max().item() for g in theirs.values())
        )


def test_cascods_two_texts_are_one_path(byte_tokenizer) -> None:
    texts = [tokenize(sequence, byte_tokenizer, None, 500) for sequence in cascod(0)]
    batch = collate(texts, layout="tree", tasks=["answer", "rationale"], normalisation="batch", pad_id=0)
    assert batch["inputs"]["input_ids"].shape[1] == len(texts[1].inputs)
    twice = [place for place in batch["places"].tolist() if batch["places"].tolist().count(place) == 2]
    assert not twice  # the answer's mark stands between: the end-of-text label has its place for itself
    assert batch["labels"].tolist().count(1) == 2


@pytest.mark.parametrize("layout", ["padded", "packed_decoder"])
def test_padding_is_never_counted(layout: str, byte_tokenizer) -> None:
    model = build(config("t5"))
    texts = [tokenize(sequence, byte_tokenizer, 0, 500) for i in range(3) for sequence in completions(i)]
    values = []
    for pad_id in (0, 99):
        batch = collate(texts, layout=layout, tasks=["cot"], normalisation="batch", pad_id=pad_id)
        assert (
            len(batch["labels"])
            == sum(text.counts()["cot"] for text in texts)
            < batch["inputs"]["decoder_input_ids"].numel()
        )
        values.append(token_losses(model, batch))
    assert torch.equal(*values)


# ---------------------------------------------------------------- what trainers do to a model


@pytest.mark.parametrize("family", ["gpt2", "opt", "llama", "t5"])
def test_gradient_checkpointing_gives_the_same(family: str, byte_tokenizer) -> None:
    none = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "dropout": 0.0, "dropout_rate": 0.0}
    model = build(config(family, **{name: p for name, p in none.items() if hasattr(config(family), name)}))
    layout = "packed_decoder" if family == "t5" else "tree"
    if layout == "tree":
        use_tree_attention(model)
    model.train()
    sequences = [sequence for i in range(3) for sequence in completions(i)]
    model.activation_checkpointing_enable({"use_reentrant": False})
    calls = []
    block = next(module for module in model.modules() if hasattr(module, "_gradient_checkpointing_func"))
    inner = block._gradient_checkpointing_func
    for module in model.modules():
        if hasattr(module, "_gradient_checkpointing_func"):
            module._gradient_checkpointing_func = lambda *args: calls.append(1) or inner(*args)
    assert_equal(model, sequences, byte_tokenizer, layout, "batch", 10**6, 1e-5)
    assert calls


def test_a_recomputed_layer_drops_the_same(byte_tokenizer) -> None:
    """Dropout on: with and without checkpointing, from one random state."""
    sequences, found = [sequence for i in range(3) for sequence in completions(i)], []
    for checkpointing in (False, True):
        model = build(config("gpt2"))
        use_tree_attention(model)
        model.train()
        if checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        torch.manual_seed(5)
        ours(model, sequences, byte_tokenizer, "batch", "tree", 10**6)
        found.append(gradients(model))
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, msg=name)


@pytest.mark.parametrize(
    ("family", "targets"), [("llama", ["q_proj", "v_proj"]), ("gpt2", ["c_attn"]), ("t5", ["q", "v"])]
)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_lora_gives_the_same(family: str, targets: list[str], checkpointing: bool, byte_tokenizer) -> None:
    peft = pytest.importorskip("peft")
    model = build(config(family))
    layout = choose_layout(model, 500)[0]
    assert layout == ("packed_decoder" if family == "t5" else "tree")
    kind = "SEQ_2_SEQ_LM" if family == "t5" else "CAUSAL_LM"
    model = peft.get_peft_model(
        model,
        peft.LoraConfig(
            r=4, lora_alpha=8, target_modules=targets, task_type=kind, fan_in_fan_out=family == "gpt2"
        ),
    )
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.1)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    if checkpointing:
        model.train()
        inner_model(model).activation_checkpointing_enable({"use_reentrant": False})
        inner_model(model).enable_input_require_grads()
        inner_model(model).config.update({"attn_pdrop": 0.0, "dropout_rate": 0.0})
        for module in model.modules():
            if hasattr(module, "relative_attention_num_buckets"):
                module.dropout = 0.0
    sequences = [sequence for i in range(3) for sequence in cascod(i) + completions(i)]
    assert_equal(model, sequences, byte_tokenizer, layout, "sequence", 10**6, 1e-5)
    ours(model, sequences, byte_tokenizer, "batch", layout, 10**6)
    assert all("lora" in name for name in gradients(model))


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3"])
def test_bfloat16_autocast_is_close(family: str, byte_tokenizer) -> None:
    model = build(config(family))
    use_tree_attention(model)
    sequences = [sequence for i in range(3) for sequence in completions(i)]
    exact, _ = ours(model, sequences, byte_tokenizer, "batch", "tree", 10**6)
    full = gradients(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough, _ = ours(model, sequences, byte_tokenizer, "batch", "tree", 10**6)
    assert rough == pytest.approx(exact, rel=1e-2)
    half = gradients(model)
    off = (
        sum((half[name] - full[name]).square().sum() for name in full).sqrt()
        / sum(full[name].square().sum() for name in full).sqrt()
    )
    assert off < 0.05


def test_two_rows_at_once_do_not_meet(byte_tokenizer) -> None:
    model = build(config("llama"))
    use_tree_attention(model)
    batches = [
        collate(
            [tokenize(s, byte_tokenizer, None, 500) for s in method(i)],
            layout="tree",
            tasks=["cot"],
            normalisation="batch",
            pad_id=0,
        )
        for method in (one_task, completions)
        for i in range(3)
    ] * 5
    alone = [token_losses(model, batch).tolist() for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda batch: token_losses(model, batch).tolist(), batches))
    assert together == alone


def test_without_a_tree_it_is_ordinary_attention(byte_tokenizer) -> None:
    """The same model still reads padded rows and generates."""
    model = build(config("llama"))
    ids, mask = (
        torch.tensor([[0, 0, 5, 6, 7], [3, 4, 5, 6, 7]]),
        torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]),
    )
    inputs = {
        "input_ids": ids,
        "attention_mask": mask,
        "max_new_tokens": 5,
        "do_sample": False,
        "eos_token_id": None,
    }
    logits, said = model(input_ids=ids, attention_mask=mask).logits, model.generate(**inputs)
    use_tree_attention(model)
    torch.testing.assert_close(model(input_ids=ids, attention_mask=mask).logits, logits)
    assert torch.equal(model.generate(**inputs), said)


# ---------------------------------------------------------------- which layout a model takes


def unusual(name: str) -> Any:
    import transformers as t

    common: dict[str, Any] = {"vocab_size": 258, "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0}
    wide = {
        **common,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 512,
    }
    gated = {**wide, "intermediate_size": 32, "num_key_value_heads": 1}
    bart = {
        f"{side}_{what}": n
        for side in ("encoder", "decoder")
        for what, n in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 32))
    }
    linear = {
        f"linear_{what}": n
        for what, n in (
            ("num_key_heads", 2),
            ("num_value_heads", 2),
            ("key_head_dim", 8),
            ("value_head_dim", 8),
        )
    }
    experts = {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
    }
    return {
        "alibi": lambda: t.BloomConfig(**common, hidden_size=16, n_layer=2, n_head=2),
        "alibi without positions": lambda: t.MptConfig(**common, d_model=16, n_layers=2, n_heads=2),
        "short window": lambda: t.MistralConfig(**gated, sliding_window=64),
        "window by places": lambda: t.GPTNeoConfig(
            **common, hidden_size=16, num_layers=2, num_heads=2, attention_types=[[["global", "local"], 1]]
        ),
        "long window": lambda: t.MistralConfig(**gated, sliding_window=4096),
        "soft cap": lambda: t.Gemma2Config(**gated, head_dim=8),
        "own attention": lambda: t.GPTJConfig(**common, n_embd=16, n_layer=2, n_head=2, rotary_dim=4),
        "state": lambda: t.Qwen3NextConfig(**gated, head_dim=8, **linear, **experts),
        "experts": lambda: t.MixtralConfig(**gated, num_local_experts=4),
        "absolute decoder": lambda: t.BartConfig(
            **{**common, "bos_token_id": 2},
            **bart,
            d_model=16,
            decoder_start_token_id=1,
            max_position_embeddings=512,
            forced_eos_token_id=None,
        ),
    }[name]()


@pytest.mark.parametrize(
    ("name", "layout", "why"),
    [
        ("alibi", "padded", "mask fails"),
        ("alibi without positions", "padded", "mask "),
        ("short window", "padded", "its sliding_window is 64 tokens, the longest text has 256"),
        ("window by places", "padded", "mask is off by"),
        ("long window", "tree", "tree agrees with separate rows"),
        ("soft cap", "mask", "tree fails (ValueError: Gemma2Attention"),
        ("own attention", "mask", "mask agrees with separate rows"),
        ("state", "padded", "tree is off by 2e-01, mask is off by 2e-01"),
        ("experts", "tree", "tree agrees with separate rows"),
        ("absolute decoder", "padded", "packed_decoder is off by"),
    ],
)
def test_a_layout_is_chosen_by_trial_and_gives_the_naive_loss(
    name: str, layout: str, why: str, byte_tokenizer
) -> None:
    model = build(unusual(name))
    before = model.config._attn_implementation
    found, words = choose_layout(model.train(), 256)
    assert (found, model.training) == (layout, True)
    assert words.startswith(why)
    assert model.config._attn_implementation == ("tree" if layout == "tree" else before)
    sequences = [sequence for i in range(3) for sequence in completions(i)]
    assert_equal(model.eval(), sequences, byte_tokenizer, layout, "batch", 10**6, 1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_papers_families_take_the_cheap_layout(family: str) -> None:
    assert choose_layout(build(config(family)), 512)[0] == ("packed_decoder" if family == "t5" else "tree")
