"""From runs of characters to tokens, under the tokenizers of several families."""

import random
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from stages.records.sequence import Run, Segment, Sequence
from stages.students.token_weights import token_weights
from stages.students.tokens import text_tokens, tokenize

TINY = Path(__file__).parents[2] / "students/tiny"
SAID = [
    "Ann has 12 apples, and buys 3 more: 12 + 3 = 15.",
    "Therefore, the answer is 15.",
    "Bob gives the ball to Ann. So Ann has the ball; Bob doesn't.",
    "The cafés sell 4 crêpes à 5 €, 20 € in all. 😀 Naïve?",
]


def trained(model: Any, trainer: Any, pre: Any, decoder: Any, normal: Any = None, post: Any = None) -> Any:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoder
    if normal:
        tokenizer.normalizer = normal
    if post:
        tokenizer.post_processor = post
    tokenizer.train_from_iterator(SAID * 20, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>")


def gpt2_like() -> Any:
    """Bytes, merged; white space is left out of its offsets."""
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pre = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return trained(models.BPE(), trainer, pre, decoders.ByteLevel(), post=processors.ByteLevel())


def t5_like() -> Any:
    """Pieces of a unigram model, a mark for each blank and one before the text."""
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    pre = pre_tokenizers.Metaspace()
    return trained(models.Unigram(), trainer, pre, decoders.Metaspace(), normalizers.NFKC())


def llama_like() -> Any:
    """Characters, merged across words too, marks put in by the normaliser."""
    trainer = trainers.BpeTrainer(vocab_size=90, special_tokens=["<unk>", "</s>"], show_progress=False)
    model = models.BPE(unk_token="<unk>", byte_fallback=True)
    normal = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    pieces = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return trained(model, trainer, pre_tokenizers.Split(".", "isolated"), pieces, normal)


@pytest.fixture(params=["tiny", "smollm2", "gpt2_like", "t5_like", "llama_like"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    makers = {"gpt2_like": gpt2_like, "t5_like": t5_like, "llama_like": llama_like}
    if request.param in makers:
        return makers[request.param]()
    return AutoTokenizer.from_pretrained(
        TINY if request.param == "tiny" else request.getfixturevalue("smollm2")
    )


def spans(tokenizer: Any, ids: list[int]) -> list[range]:
    """The characters of each token, by what decoding one token more adds; part of a character is the whole. A
    mark before the text is its first character's.
    """
    found = []
    done = 0
    for count in range(1, len(ids) + 1):
        said = tokenizer.decode(ids[:count], clean_up_tokenization_spaces=False)
        whole = len(said.rstrip("\N{REPLACEMENT CHARACTER}"))
        found.append(range(done, max(whole + said.endswith("\N{REPLACEMENT CHARACTER}"), 1)))
        done = whole
    return found


def by_count(span: range, runs: list[Run]) -> float:
    shares = {run: sum(run.start <= at < run.stop for at in span) for run in runs}
    best = max(shares, key=lambda run: shares[run], default=None)
    return best.weight if best and shares[best] else 0.0


@pytest.mark.parametrize("text", SAID)
def test_a_token_weighs_what_most_of_its_characters_do(tokenizer: Any, text: str) -> None:
    ids = text_tokens(tokenizer, text)
    covered = spans(tokenizer, ids)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text
    rng = random.Random(text)
    for _ in range(50):
        cuts = sorted(rng.sample(range(len(text) + 1), 6))
        pairs = zip(cuts[::2], cuts[1::2], strict=True)
        runs = [Run(*cut, weight) for cut, weight in zip(pairs, (1.0, -0.5, 2.0), strict=True)]
        found = token_weights(tokenizer, text, Segment(text, "cot", runs=tuple(runs)))
        assert found == [by_count(span, runs) for span in covered]
        assert len(found) == len(ids)


def test_every_word_and_nothing_else_is_reached(tokenizer: Any) -> None:
    """A run of one word: the tokens of that word, with the blank before it where it is theirs."""
    text = SAID[0]
    at = text.index("apples")
    weights = token_weights(tokenizer, text, Segment(text, "cot", runs=(Run(at, at + 6),)))
    ids = text_tokens(tokenizer, text)
    said = tokenizer.decode([one for one, weight in zip(ids, weights, strict=True) if weight])
    assert said.strip(" ,") == "apples"


@pytest.mark.parametrize(
    ("runs", "wanted"),
    [
        ((), [0, 0, 0, 0]),
        ((Run(0, 3),), [1, 0, 0, 0]),
        ((Run(3, 4),), [0, 1, 0, 0]),  # the blank is the next word's
        ((Run(2, 5, -1.0),), [-1, -1, 0, 0]),  # a token on the border is the run's
        ((Run(3, 5), Run(5, 8, 2.0)), [0, 2, 0, 0]),  # of two, the one with more of it
        ((Run(4, 6), Run(6, 8, 2.0)), [0, 1, 0, 0]),  # of equals, the first
        ((Run(8, 9, 0.5),), [0, 0, 0.5, 0.5]),  # one character, two tokens
    ],
)
def test_border(runs: tuple[Run, ...], wanted: list[float]) -> None:
    """Tokens: "two", " dogs", and a smiling face in two halves."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    written = [
        pre_tokenizers.ByteLevel(False).pre_tokenize_str(word)[0][0] for word in ("two", " dogs", "😀")
    ]
    halves = [written[2][:2], written[2][2:]]
    vocabulary = {token: n for n, token in enumerate([*alphabet, *written[:2], *halves])}
    merges = []
    for token in (*written[:2], *halves):
        for end in range(2, len(token) + 1):
            vocabulary.setdefault(token[:end], len(vocabulary))
            merges.append((token[: end - 1], token[end - 1]))
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made)
    text = "two dogs😀"
    assert token_weights(tokenizer, text, Segment(text, "cot", runs=runs)) == wanted


def test_runs_are_of_the_segments_own_text(tokenizer: Any) -> None:
    """What the template says before it moves them."""
    own = "So Ann has the ball"
    segment = Segment(own, "cot", runs=(Run(3, 6),))
    whole = f"the ball. {own}"
    moved = Segment(whole, "cot", runs=(Run(13, 16),))
    found = token_weights(tokenizer, whole, segment)
    assert found == token_weights(tokenizer, whole, moved)
    assert any(found)


def test_a_tokenizer_that_does_not_tell_is_refused() -> None:
    class Slow:
        eos_token_id = 0
        is_fast = False

        def __call__(self, text: str, **_: Any) -> Any:
            return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))(text)

    text = Sequence("e-0", [Segment("q"), Segment("a", "cot", runs=(Run(0, 1),))])
    with pytest.raises(ValueError, match="Slow does not tell which characters a token covers"):
        tokenize(text, Slow(), None, 10)
