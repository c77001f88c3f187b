"""What a preset takes on any machine: hours, disk and dollars by hand, and those that are committed."""

import json
from typing import Any

import pytest
from conftest import ROOT

from stages.checking.blocks import check_blocks
from stages.config.load import read_params
from tools.doctor.efforts import Effort, effort_of, rounded
from tools.doctor.examine import new_shelf
from tools.doctor.hours import ANSWER, work_of
from tools.doctor.rates import measured
from tools.doctor.setting import Setting
from tools.papers import EFFORTS
from tools.presets.reading import preset_names, sizes_of
from tools.presets.writing import preset_params


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def small(**run: Any) -> dict[str, Any]:
    """The default on one task and one split, without a student that learns, unless `run` says so."""
    params = read_params()
    few = {
        "datasets": ["gen_coin_flip"],
        "splits": ["sample"],
        "methods": [],
        "curations": [],
        "teachers": [],
    }
    return {**params, "run": {**params["run"], **few, "baselines": ["fine_tune"], **run}}


def taken(params: dict[str, Any]) -> Effort:
    with new_shelf(new=True) as shelf:
        return effort_of({"": params}, shelf)


def test_hours_and_disk_by_hand() -> None:
    """126 of 200 questions are learnt (70 % less a tenth), five times, and 60 are answered."""
    found = taken(small())
    with new_shelf() as shelf:
        question = shelf.book("gen_coin_flip", read_params()).characters / 4
    (train, write) = (measured(kind)[min(measured(kind))] for kind in ("train", "write"))
    target = json.loads((ROOT / "metrics/rendered/gen_coin_flip-sample-fine_tune.json").read_text())["train"]
    tokens = sum(task["characters"] for task in target["tasks"].values()) / target["sequences"] / 4
    seconds = 126 * 5 * (question + tokens) / train + 60 * tokens / write
    assert found.core_hours == pytest.approx(seconds / 3600, rel=1e-3)
    weights = 1_016_448
    # three while it trains (the best, the last, the present); what it leaves in data/ and in the cache
    assert found.gigabytes == pytest.approx((3 + 2) * weights * 4 / 1e9, rel=0.05)
    assert (found.dollars, found.unknown) == (0.0, ())
    assert tokens < 2 * ANSWER


def test_a_second_training_is_as_long_as_its_method_says() -> None:
    """Ten epochs in place of five, of the same texts; each student answers the same questions."""
    run = {"teachers": ["scripted"], "curations": ["d1"], "methods": ["std_cot"], "baselines": []}
    found = []
    for more in ({}, {"first_methods": ["std_cot"], "second_methods": ["std_cot_again"]}):
        params = small(**run, **more)
        with new_shelf(new=True) as shelf:
            setting = Setting(params, check_blocks(params), shelf)
            found.append(work_of(setting, "tiny", setting.checked.students["tiny"]))
    once, twice = found
    assert twice.trained == pytest.approx((1 + 2) * once.trained)
    assert twice.written == pytest.approx(2 * once.written)


def test_a_teacher_in_the_same_process_is_named_and_left_out() -> None:
    params = small(teachers=["qwen2_5_coder_1_5b"], curations=["d1"], methods=["fine_tune_cot"])
    params["run"]["students"] = ["qwen2_5_coder_0_5b_soft"]
    assert taken(params).unknown == ("students.qwen2_5_coder_1_5b", "teachers.qwen2_5_coder_1_5b")


def test_twice_the_grid_takes_twice_as_much() -> None:
    params = small()
    with new_shelf(new=True) as shelf:
        assert effort_of({"a": params, "b": params}, shelf) == taken(params) + taken(params)


def test_dollars_if_each_answer_is_as_long_as_it_may_be() -> None:
    """200 questions and at most 512 tokens of $0.5 a million, and some tokens of each question at $0.1."""
    found = taken(small(teachers=["gpt"], curations=["d1"], methods=["fine_tune_cot"]))
    assert 200 * 512 * 0.5e-6 < found.dollars < 200 * (512 * 0.5e-6 + 400 * 0.125e-6)
    assert found.unknown == ()


def test_what_nobody_can_know_is_named() -> None:
    params = small(teachers=["gpt"], curations=["d1"], methods=["fine_tune_cot"], simulators=["gpt"])
    params["prices"] = {name: price for name, price in params["prices"].items() if name != "gpt-6-luna"}
    found = taken(params)
    assert found.unknown == ("teachers.gpt", "simulators.gpt")
    assert found.dollars == 0.0


def test_two_digits_count() -> None:
    assert rounded(Effort(1234.0, 0.0567, 0.0, 1.04, ("aqua",))) == {
        "core_hours": 1200.0,
        "gpu_hours": 0.057,
        "gigabytes": 0.0,
        "dollars": 1.0,
        "unknown": ("aqua",),
    }


COMMITTED = json.loads((ROOT / EFFORTS).read_text(encoding="utf-8"))
ANEW = "`cot papers --estimate > docs/papers.md` writes them anew"


def test_every_preset_in_every_size_is_estimated() -> None:
    wanted = {(name, size) for name in preset_names() for size in sizes_of(name)}
    assert {(name, size) for name, told in COMMITTED.items() for size in told} == wanted, ANEW


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("embedded", "full"),
        ("star", "tiny"),
        ("ft_table6", "smol"),
        ("edit", "full"),
        ("scotd_figure5", "full"),
    ],
)
def test_committed_estimates_are_of_todays_presets(mirror: Any, name: str, size: str) -> None:
    with new_shelf(new=True) as shelf:
        found = rounded(effort_of(preset_params(name, size), shelf))
    assert json.loads(json.dumps(found)) == COMMITTED[name][size], ANEW
