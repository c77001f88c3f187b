"""A second training: what of a method's block it takes, and from which weights it starts."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from stages.config.base import Base, base_sha256, start_of, write_pointer
from stages.config.method import method_of
from stages.config.second import second_settings
from stages.config.student import Student

STUDENT = Student(base=Base(path="students/tiny", sha256="0"), lr=0.002, batch_size=8, epochs=5)
METHODS: dict[str, Any] = {
    "std_cot": {"second": {"lr": 5e-6, "batch_size": 64}},
    "slower": {"like": "std_cot", "second": {"lr": 1e-6}},
    "mt_cot": {"alpha": 0.5},
}
WANTED = {"std_cot": (5e-6, 64, 5), "slower": (1e-6, 64, 5), "mt_cot": (0.002, 8, 5)}


@pytest.mark.parametrize("name", WANTED)
def test_a_methods_block_says_how_a_second_training_differs(name: str) -> None:
    found = second_settings(name, METHODS, STUDENT)
    assert (found.lr, found.batch_size, found.epochs) == WANTED[name]
    assert found.model_copy(update={"lr": 0.002, "batch_size": 8}) == STUDENT  # and nothing else
    method_of(name, METHODS)  # the method itself takes such a block


def test_its_own_epochs_are_not_ended_by_the_first_trainings_steps() -> None:
    steps = STUDENT.model_copy(update={"max_steps": 400})
    for second, wanted in (({"epochs": 10}, (10, None)), ({"lr": 0.1}, (5, 400)), ({"max_steps": 7}, (5, 7))):
        found = second_settings("std_cot", {"std_cot": {"second": second}}, steps)
        assert (found.epochs, found.max_steps) == wanted


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ({"rank": 2}, r"`methods.std_cot.second.rank`: unknown key; legal keys: lr, batch_size"),
        ({"lr": 0.0}, r"`methods.std_cot.second.lr`"),
    ],
)
def test_what_is_wrong_with_it_is_said(second: dict[str, Any], told: str) -> None:
    for read in (
        lambda: second_settings("std_cot", {"std_cot": {"second": second}}, STUDENT),
        lambda: method_of("std_cot", {"std_cot": {"second": second}}),
    ):
        with pytest.raises(ValueError, match=told):
            read()


def test_it_starts_from_the_first_ones_weights_or_adapters(tmp_path: Path) -> None:
    tiny = ROOT / "students/tiny"
    whole = start_of(tiny)
    assert (whole.path, whole.sha256) == (str(tiny), base_sha256(tiny))
    adapters = tmp_path / "adapters"
    write_pointer(whole, adapters)
    assert start_of(adapters) == whole  # no adapters yet: a pointer is followed
    hashes = []
    for weights in (b"one", b"two"):
        (adapters / "adapter_config.json").write_text("{}")
        (adapters / "adapter_model.safetensors").write_bytes(weights)
        assert start_of(adapters).path == str(adapters)
        hashes.append(start_of(adapters).sha256)
    assert hashes[0] != hashes[1]
    hosted = tmp_path / "hosted"
    hosted.mkdir()
    (hosted / "openai.json").write_text(json.dumps({"model": "ft:m"}))
    for folder, told in ((hosted, "a student at OpenAI"), (tmp_path / "none", "base.json not found")):
        with pytest.raises(ValueError, match=told):
            start_of(folder)
