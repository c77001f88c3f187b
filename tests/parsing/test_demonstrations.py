"""Demonstrations as they were released: a made-up file in each format, then the published ones."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from made_datasets import use_datasets

from stages.parsing.demonstrations import demonstrations_text
from stages.records.demonstrations import by_subtask, demonstrations_for
from stages.records.example import Example

RAW = Path("raw")


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    RAW.mkdir()


def test_demonstrations_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    use_datasets(monkeypatch, Path("datasets"))
    Path("datasets/coin_flip.txt").write_text("Q: ours?\n")
    assert demonstrations_text("coin_flip", None, RAW) == "Q: ours?\n"
    assert demonstrations_text("addsub", None, RAW) == ""


def test_an_unknown_demonstration_is_named() -> None:
    (RAW / "few_shot_cot_prompts.json").write_text(json.dumps({"coins": {"prompt": "x"}}))
    with pytest.raises(ValueError, match=r"no entry 'dice' .*; there are: coins"):
        demonstrations_text("coin_flip", "dice", RAW)


@pytest.mark.parametrize("key", ["coin_flip", "last_letter_concatenation", "gsm8k"])
def test_released_demonstrations(key: str, mirror: Path) -> None:
    commit = mirror / "github/itsnamgyu/reasoning-teacher/a2ca4d28d3bbabbd77106b76d06885d1a5eac0d9"
    name = "few_shot_cot_prompts.json"
    (RAW / name).symlink_to((commit / "data" / name).resolve())
    text = demonstrations_text("x", key, RAW)
    assert text.startswith("Q: ")
    assert text.count("\nA: ") == text.count("The answer is ") == 8


def test_demonstrations_of_big_bench_hard() -> None:
    (RAW / "coins.txt").write_text(
        "BENCHMARK DATA\n-----\nFlip coins.\n\nQ: Up?\nA: Yes. So the answer is yes.\n"
    )
    assert (
        demonstrations_text("x", "coins.txt", RAW) == "Flip coins.\n\nQ: Up?\nA: Yes. So the answer is yes.\n"
    )
    (RAW / "coins.txt").write_text(
        "Flip coins.\n\nQ: Up?\nA: So the answer is yes.\n\nQ: {QUESTION}\nA: Let's think step by step."
    )
    assert demonstrations_text("x", "coins.txt", RAW) == "Flip coins.\n\nQ: Up?\nA: So the answer is yes."
    with pytest.raises(
        ValueError,
        match=(
            r"x: `demonstrations` is 'dice\.txt', but raw/dice\.txt does not exist: list it under"
            r" source\.files"
        ),
    ):
        demonstrations_text("x", "dice.txt", RAW)


def test_demonstrations_of_subtasks() -> None:
    for task in ("coins", "dice"):
        (RAW / f"prompt_{task}.txt").write_text(
            f"BENCHMARK DATA\n-----\nPlay {task}.\n\nQ: Up?\nA: So the answer is yes."
        )
    text = demonstrations_text("x", "prompt_{subtask}.txt", RAW, ["dice", "coins"])
    assert (
        demonstrations_for(Example("x-0", "x", "?", "7", "number", subtask="coins"), text).strip()
        == "Play coins.\n\nQ: Up?\nA: So the answer is yes."
    )
    assert list(by_subtask(text)) == ["dice", "coins"]
    with pytest.raises(ValueError, match=r"raw/prompt_cards\.txt does not exist"):
        demonstrations_text("x", "prompt_{subtask}.txt", RAW, ["cards"])


def test_demonstrations_of_ones_own() -> None:
    """In local/, where an edit reruns prepare; a file of the raw folder goes before it."""
    Path("local").mkdir()
    Path("local/coins.txt").write_text("Q: Up?\nA: So the answer is yes.\n")
    assert demonstrations_text("x", "coins.txt", RAW) == "Q: Up?\nA: So the answer is yes.\n"
    (RAW / "coins.txt").write_text("Q: raw?\nA: So the answer is no.\n")
    assert demonstrations_text("x", "coins.txt", RAW) == "Q: raw?\nA: So the answer is no.\n"


def scotd(**changed: Any) -> str:
    row = {
        "question": "Where (x)?\nAnswer Choices:\n(a) here\n(b) there",
        "rationale": "Not here.",
        "answer": "(b)",
    }
    return json.dumps({"answer_prefix": " So the answer is: ", "exemplars": [{**row, **changed}, row]})


def test_demonstrations_of_scotd() -> None:
    (RAW / "shots.json").write_text(scotd(question="Good?", answer="no"))
    assert demonstrations_text("x", "shots.json", RAW) == (
        "Q: Good?\nA: Not here. So the answer is: no\n\n"
        "Q: Where (X)? Answer Choices: (A) here (B) there\nA: Not here. So the answer is: (B)\n"
    )  # fmt: skip
    (RAW / "shots.json").write_text(scotd(rationale=7))
    with pytest.raises(ValueError, match=r"shots\.json exemplar 0: rationale is 7, wanted str"):
        demonstrations_text("x", "shots.json", RAW)


@pytest.mark.parametrize(
    ("name", "shots", "opening"),
    [("sst2", 6, "What is the sentiment"), ("imdb", 3, "What is the sentiment"), ("anli", 6, "Premise:")],
)
def test_scotds_own_demonstrations_of_other_tasks_ask_in_full(
    name: str, shots: int, opening: str, mirror: Path
) -> None:
    (RAW / "shots.json").symlink_to(
        (
            mirror / f"extracted/liunian-harold-li/scotd/21668aad67e737da8a734fc3420edb315e75b4a7/{name}.json"
        ).resolve()
    )
    text = demonstrations_text("x", "shots.json", RAW)
    assert text.count(f"Q: {opening}") == text.count("\nA: ") == text.count(" So the answer is: ") == shots


@pytest.mark.parametrize(("name", "shots"), [("commonsense_qa", 7), ("openbookqa", 4), ("quarel", 5)])
def test_scotds_own_demonstrations_ask_as_this_project_does(name: str, shots: int, mirror: Path) -> None:
    (RAW / "shots.json").symlink_to(
        (
            mirror / f"extracted/liunian-harold-li/scotd/21668aad67e737da8a734fc3420edb315e75b4a7/{name}.json"
        ).resolve()
    )
    text = demonstrations_text("x", "shots.json", RAW)
    assert text.count("Q: ") == text.count("\nA: ") == text.count(" So the answer is: (") == shots
    assert not re.search(r"\([a-z]\)", text)
