"""The base checkpoint in students/tiny: the weights that params.yaml pins, what its tokenizer does, that it
can copy and look up.
"""

import json
import random

import pytest
from conftest import ROOT
from ruamel.yaml import YAML

from stages.config.base import base_sha256
from stages.students.load import load
from tools.pretrain.text import SKILLS, document

TINY = ROOT / "students" / "tiny"


@pytest.fixture(scope="module")
def tiny():
    return load(TINY)


def test_the_weights_are_those_that_params_pin() -> None:
    pinned = YAML(typ="safe").load(ROOT / "params.yaml")["students"]["tiny"]["base"]
    assert pinned == {"path": "students/tiny", "sha256": base_sha256(TINY)}


def test_the_checkpoint_is_small_and_comes_with_its_recipe() -> None:
    assert sum(path.stat().st_size for path in TINY.iterdir()) < 8_000_000
    recipe = json.loads((TINY / "recipe.json").read_text())
    assert 500_000 <= recipe["parameters"] <= 3_000_000
    steps, tokens = zip(
        *(map(float, line.split(",")[:2]) for line in (TINY / "log.csv").read_text().splitlines()[1:]),
        strict=True,
    )
    assert max(steps) + 100 > recipe["steps"]
    assert max(tokens) <= recipe["steps"] * recipe["row_tokens"] * recipe["batch_rows"]


@pytest.mark.parametrize(
    "text", ["Ann has 42 balls.", "Où? ½ “quoted” ###\n\n-->\t{x}", "   two  blanks  ", "日本", "END"]
)
def test_the_tokenizer_reads_and_writes_any_text(tiny, text: str) -> None:
    assert tiny.tokenizer.decode(tiny.tokenizer(text).input_ids) == text


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (" Marlo", [" M", "a", "r", "l", "o"]),  # a name keeps its letters
        ("M-a-r", ["M", "-", "a", "-", "r"]),
        (" has the red ball", [" has", " the", " red", " ball"]),  # a common word is one token
        ("1234", ["1", "2", "3", "4"]),
    ],
)
def test_names_are_letters_and_words_are_words(tiny, text: str, tokens: list[str]) -> None:
    assert [tiny.tokenizer.decode([token]) for token in tiny.tokenizer(text).input_ids] == tokens


@pytest.mark.parametrize(
    ("skill", "least"),
    [("copy", 0.9), ("what_has", 0.9), ("pairs", 0.85), ("join", 0.9), ("reorder", 0.85), ("retell", 0.9)],
)
def test_copying_and_look_up_are_solved_on_unseen_text(tiny, skill: str, least: float) -> None:
    """The seed is neither training's nor that of probes.json; the bound lies below the measured rate by the
    noise of 50 cases.
    """
    from stages.students.decode import Decoding, decode

    rng = random.Random(77)
    cases = [next(s for s in SKILLS if s.__name__ == skill)(rng) for _ in range(50)]
    said = decode(tiny, [prompt for prompt, _ in cases], [], Decoding(max_new_tokens=160), skill)
    assert sum(answers[0].text == want for answers, (_, want) in zip(said, cases, strict=True)) / 50 >= least


def test_base_text_holds_no_evaluation_task() -> None:
    rng = random.Random(1)
    text = "\n".join(document(rng, share) for share in (0.0, 0.5) for _ in range(3000)).lower()
    assert "last letter" not in text
    assert not {"heads", "tails"} & set(text.split())
    assert all(line.count("now:") <= 1 for line in text.split("\n"))  # one trade, no chain of them


def test_the_hard_share_is_drawn_from_the_hard_skills(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.pretrain.text.HARD", [lambda rng: ("hard", "")])
    rng = random.Random(0)
    for share in (0.0, 0.3, 1.0):
        found = sum(document(rng, share) == "hard" for _ in range(2000)) / 2000
        assert found == pytest.approx(share, abs=0.04)


def test_pretraining_text_is_a_function_of_seed_and_step(tiny) -> None:
    from tools.pretrain.training import batches, learning_rate

    first, later = batches(tiny.tokenizer, 0, 0), batches(tiny.tokenizer, 0, 1)
    next(first)
    a, b = next(first), next(later)
    assert a.equal(b)  # a resumed run sees the text that an unbroken one would
    assert not a.equal(next(batches(tiny.tokenizer, 1, 1)))
    assert tuple(a.shape) == (32, 257)
    rates = [learning_rate(step, 1000) for step in range(1000)]
    assert max(rates) == pytest.approx(3e-3)
    assert rates[0] < rates[100] < rates[199]
    assert rates[-1] < 1e-5
