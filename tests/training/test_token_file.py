"""Tokenised texts in a file: the same texts, plans, batches and trainings as in memory, made once."""

import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Sequence as Texts
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.config.student import Student
from stages.records.sequence import Segment, Sequence, write_sequences
from stages.students.load import load
from stages.students.tokens import Target, Tokens
from stages.training import kept, steps, token_file, tokenised
from stages.training.fit import fit
from stages.training.outline import outline_of
from stages.training.rows import epoch_order, units_of
from stages.training.steps import Shape, Steps, ValidationRows, labels_trained

BASE = {"hub": "made/up", "revision": "0"}


def settings(**values: Any) -> Student:
    return Student.model_validate({"base": BASE, "epochs": 2, "batch_size": 4, "lr": 1e-3, **values})


def made(rng: random.Random, count: int, context: bool = False) -> list[Tokens]:
    """Texts whose units and examples lie scattered, some to be drawn, of one or two tasks."""
    texts = []
    for _ in range(count):
        ids = np.array([rng.randrange(50) for _ in range(rng.randrange(4, 20))], np.int32)
        cut = rng.randrange(1, len(ids) - 1)
        targets = [Target(cut - 1, ids[cut:], "answer", 0.5)]
        if rng.random() < 0.5 and cut > 1:
            targets.insert(0, Target(0, ids[1:cut], "rationale", 0.25))
        elif rng.random() < 0.3:  # its last token is no label
            targets = [Target(cut - 1, ids[cut:-1], "answer", 0.5)] if cut < len(ids) - 1 else targets
        if rng.random() < 0.3:  # tokens with weights of their own
            targets = [replace(one, token_weights=np.arange(len(one.labels)) - 1.5) for one in targets]
        example, unit = rng.randrange(6), rng.choice(["", "0", "1"])
        read = np.array([rng.randrange(50) for _ in range(3 * context)], np.int32)
        texts.append(
            Tokens(f"made-{example}", unit, example < 2, read, ids[:-1], targets, rng.random() < 0.2)
        )
    return texts


def filed(texts: Texts[Tokens], path: Path) -> token_file.KeptTexts:
    tasks: dict[str, int] = {}
    writer = token_file.Writer(path, tasks)
    for text in texts:
        writer.add(text)
    writer.close()
    return token_file.KeptTexts(path, list(tasks))


def plain(value: Any) -> Any:
    """Something to compare: arrays and tensors as lists, records as what they hold."""
    if isinstance(value, np.ndarray | torch.Tensor):
        return str(value.dtype), value.tolist()
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return plain(vars(value)) if hasattr(value, "__dict__") else value


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize("count", [1, 6, 7, 8, 60])
def test_a_file_gives_back_the_texts_and_their_outline(count, context, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(token_file, "ROWS", 7)
    texts = made(random.Random(count), count, context)
    found = filed(texts, tmp_path / "train.arrow")
    assert len(found) == count
    assert plain(list(found)) == plain(texts)
    assert plain(found[-1]) == plain(texts[-1])
    assert plain(found[1:5]) == plain(texts[1:5])
    with pytest.raises(IndexError):
        found[count]
    assert plain(found.outline) == plain(outline_of(texts))


def test_a_file_without_texts_is_an_empty_part(tmp_path) -> None:
    found = filed([], tmp_path / "validation.arrow")
    assert len(found) == 0
    assert plain(found.outline) == plain(outline_of([]))
    assert not ValidationRows(found, Shape("tree", [], "batch", 0))


@pytest.mark.parametrize("layout", ["tree", "padded"])
@pytest.mark.parametrize("group", [1, 3])
def test_both_ways_make_the_same_batches(group, layout, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(token_file, "ROWS", 7)
    monkeypatch.setenv("COT_ROW_TOKENS", "60")
    texts = made(random.Random(3), 50)
    files = filed(texts, tmp_path / "train.arrow")
    shape = Shape(layout, outline_of(texts).tasks, "sequence", 0)
    chosen = settings(group_size=group)
    both = [Steps(each, chosen, 5, shape) for each in (texts, files)]
    for epoch in range(3):
        for one in both:
            one.begin(epoch)
        assert len(both[0]) == len(both[1])
        for step in range(len(both[0])):
            assert plain(both[0][step]) == plain(both[1][step])
    whole = plain(list(ValidationRows(texts, shape)))
    assert plain(list(ValidationRows(files, shape))) == whole
    assert labels_trained(texts, chosen, 5) == labels_trained(files, chosen, 5)
    # of many units a block after the other is planned: other rows, the same texts
    monkeypatch.setattr(steps, "BLOCK", 5)
    blocks = ValidationRows(files, shape)
    assert not blocks.kept
    for _ in range(2):
        rows = list(blocks)
        for name in ("labels", "weights"):
            assert sorted(v for row in rows for v in row[name].tolist()) == sorted(
                value for row in ValidationRows(texts, shape) for value in row[name].tolist()
            )
        assert (
            sum(row["counts"] for row in rows).tolist()
            == np.sum([row["counts"][1] for row in whole], 0).tolist()
        )


def order_by_definition(texts: list[Tokens], seed: int, epoch: int, group_size: int) -> list[list[Tokens]]:
    """An epoch's units with every text in hand."""
    rng = random.Random(f"{seed} {epoch}")
    units: dict[Any, list[Tokens]] = defaultdict(list)
    for place, text in enumerate(texts):
        units[(text.example_id, text.unit) if text.unit else place].append(text)
    examples: dict[str, list[list[Tokens]]] = defaultdict(list)
    for unit in units.values():
        examples[unit[0].example_id].append(unit)
    groups = []
    for of_example in examples.values():
        drawn = [unit for unit in of_example if unit[0].draw]
        whole = [unit for unit in of_example if not unit[0].draw] + ([rng.choice(drawn)] if drawn else [])
        rng.shuffle(whole)
        groups += [whole[i : i + group_size] for i in range(0, len(whole), group_size)]
    rng.shuffle(groups)
    return [unit for group in groups for unit in group]


@pytest.mark.parametrize("group_size", [1, 2, 5])
@pytest.mark.parametrize("draws", [False, True])
def test_an_epoch_s_order_is_what_it_is_with_every_text_in_hand(group_size, draws) -> None:
    for seed in range(5):
        texts = made(random.Random(seed), 1 + 12 * seed)
        if not draws:
            texts = [Tokens(**{**vars(text), "draw": False}) for text in texts]
        for epoch in range(3):
            wanted = order_by_definition(texts, seed, epoch, group_size)
            order = epoch_order(texts, seed, epoch, group_size)
            assert [[id(text) for text in unit] for unit in order] == [
                [id(text) for text in unit] for unit in wanted
            ]
            assert len(order) == outline_of(texts).units_an_epoch
            members = [texts[place] for place in order.members().tolist()]
            assert {*map(id, members)} == {id(text) for unit in wanted for text in unit}
    assert [unit[0].example_id for unit in units_of(texts)]


# ---------------------------------------------------------------- in the work folder


def rows(count: int) -> list[Sequence]:
    """The last of them is for validation; every third one belongs to a question before."""
    parts = ["train"] * (count - 1) + ["validation"]
    return [
        Sequence(f"made-{i - (i % 3 == 2)}", [Segment(f"Q {i}?"), Segment(f" it is {i}", "cot")], part)
        for i, part in enumerate(parts)
    ]


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("COT_WORK", str(tmp_path / "work"))
    write_sequences(tmp_path / "rows.jsonl", rows(10))
    (tmp_path / "code").write_text("00ff")
    return tmp_path


def test_texts_are_tokenised_once(place, random_student, monkeypatch) -> None:
    student = load(random_student("gpt2"))
    files = (place / "rows.jsonl", place / "code")
    in_memory = tokenised.tokenised(*files, student, settings())
    assert not kept.token_folders(kept.work_home())
    monkeypatch.setattr(tokenised, "LARGE", 0)
    first = tokenised.tokenised(*files, student, settings())
    assert plain(list(first.texts["train"])) == plain(list(in_memory.texts["train"]))
    assert plain(list(first.texts["validation"])) == plain(list(in_memory.texts["validation"]))
    assert first.questions == in_memory.questions == 6
    (folder,) = kept.token_folders(kept.work_home())
    assert not kept.trainings(kept.work_home())
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(tokenised, "tokenize_each", None)
        again = tokenised.tokenised(*files, student, settings(lr=2e-3, epochs=7, batch_size=1))
        assert plain(list(again.texts["train"])) == plain(list(first.texts["train"]))
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    # another text, longest text, base or code is another folder
    keys = {tokenised.token_key(*files, settings())}
    keys.add(tokenised.token_key(*files, settings(max_tokens=9)))
    keys.add(tokenised.token_key(*files, settings(base={**BASE, "revision": "1"})))
    keys.add(tokenised.token_key(files[0], files[0], settings()))
    write_sequences(files[0], rows(11))
    keys.add(tokenised.token_key(*files, settings()))
    assert len(keys) == 5


def test_what_cannot_be_tokenised_leaves_nothing(place, random_student, monkeypatch) -> None:
    monkeypatch.setattr(tokenised, "LARGE", 0)
    student = load(random_student("gpt2"))
    for broken, message in (
        (
            [*rows(3), Sequence("made-9", [Segment("question")], "train")],
            "made-9: its method rendered no target",
        ),
        (rows(3)[2:], "nothing to train on"),
    ):
        write_sequences(place / "rows.jsonl", broken)
        with pytest.raises(ValueError, match=message):
            tokenised.tokenised(place / "rows.jsonl", place / "code", student, settings())
        assert not kept.token_folders(kept.work_home())


def test_tokens_that_nobody_used_for_a_week_go(place, random_student, monkeypatch) -> None:
    monkeypatch.setattr(tokenised, "LARGE", 0)
    student = load(random_student("gpt2"))
    tokenised.tokenised(place / "rows.jsonl", place / "code", student, settings())
    (folder,) = kept.token_folders(kept.work_home())
    kept.clear_recorded(kept.work_home(), place / "dvc.lock")
    assert folder.exists()
    ago = time.time() - kept.DAYS * 24 * 3600 - 60
    for path in (*folder.iterdir(), folder):
        os.utime(path, (ago, ago))
    tokenised.tokenised(place / "rows.jsonl", place / "code", student, settings())  # is a use
    kept.clear_recorded(kept.work_home(), place / "dvc.lock")
    assert folder.exists()
    os.utime(folder, (ago, ago))
    kept.clear_recorded(kept.work_home(), place / "dvc.lock")
    assert not folder.exists()


def test_a_training_is_the_same_both_ways(place, random_student, monkeypatch) -> None:
    found = []
    for large in (10**9, 0):
        monkeypatch.setattr(tokenised, "LARGE", large)
        student = load(random_student("gpt2"))
        texts, _ = tokenised.tokenised(place / "rows.jsonl", place / "code", student, settings())
        work = place / str(large)
        fitted = fit(student, texts, settings(), 3, work)
        weights = torch.load(work / "best.pt", weights_only=True)
        found.append((json.dumps(fitted.facts, sort_keys=True), plain(weights)))
    assert found[0] == found[1]
