"""What the grid combines is checked before any work: the pair is named, and why it cannot be."""

from typing import Any

import pytest
from conftest import ROOT
from ruamel.yaml import YAML

from stages.check import check_all


@pytest.fixture
def params(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(ROOT)
    return YAML(typ="safe").load(ROOT / "params.yaml")


def test_extra_data_sets_need_a_split_of_their_own(params: dict[str, Any]) -> None:
    params["run"]["extra_datasets"] = ["svamp"]
    params["splits"].pop("extra", None)
    with pytest.raises(ValueError, match=r"no block `splits\.extra`"):
        check_all(params)


def test_what_is_committed_is_valid(params: dict[str, Any]) -> None:
    assert check_all(params).run.datasets == params["run"]["datasets"]


REFUSED: dict[str, tuple[dict[str, list[str]], str]] = {
    "an index file that was not published": (
        {"datasets": ["svamp"], "splits": ["published_template"]},
        r"'svamp' with split 'published_template': .*split_template.json",
    ),
    "parts that a source does not state": (
        {"splits": ["official"]}, r"'gen_last_letter' with split 'official': .*state none"
    ),
    "a teacher without rules": (
        {"datasets": ["svamp"], "splits": ["sample"]}, r"'svamp' with teacher 'scripted': .*no rules"
    ),
    "a teacher without files": (
        {"teachers": ["text_davinci_002"]},
        r"'gen_last_letter' with teacher 'text_davinci_002': .*log_zero_shot_cot.log",
    ),
    "no rationales": (
        {"datasets": ["coin_flip"], "splits": ["sample"], "teachers": ["human"]},
        r"'coin_flip' with teacher 'human': .*names no column of rationales",
    ),
    "more completions than the teacher gives": (
        {"curations": ["d1", "d64"]},
        r"with curation 'd64': `curations.d64.per_question` is 64, and `teachers.scripted.samples` 4",
    ),
    "no such teacher": ({"teachers": ["nobody"]}, r"'nobody', but there is no block `teachers.nobody`"),
    "a method as a baseline": (
        {"baselines": ["cascod"]}, r"'cascod', which learns from rationales: list it under `run.methods`"
    ),
    "a baseline as a method": (
        {"methods": ["zero_shot"]}, r"'zero_shot', which learns from nothing: list it under `run.baselines`"
    ),
    "trained on and extra": ({"extra_datasets": ["gen_coin_flip"]}, r"and in `run.extra_datasets`"),
    "a second training of nothing": (
        {"first_methods": ["cascod"], "second_methods": ["std_cot"]},
        r"`run.first_methods` names \['cascod'\], wanted names of `run.methods`, .*: fine_tune_cot",
    ),
    "half of a second training": (
        {"first_methods": ["fine_tune_cot"]}, r"`run.first_methods` is .*`run.second_methods` \[\]: .* both"
    ),
    "a second training that trains nothing": (
        {"first_methods": ["fine_tune_cot"], "second_methods": ["zero_shot"]},
        r"`run.second_methods` names 'zero_shot', which learns from nothing",
    ),
    "a second training at OpenAI": (
        {"students": ["gpt_4o_mini"], "first_methods": ["fine_tune_cot"], "second_methods": ["std_cot"]},
        r"\['gpt_4o_mini'\] are at OpenAI",
    ),
    "a mentor that nobody trains": (
        {"mentors": ["smollm2"], "mentored": ["tiny"]}, r"`run.mentors` names \['smollm2'\], .*`run.students`"
    ),
    "a mix of what a mentor says": (
        {"curations": ["mixed"], "mentors": ["tiny"], "mentored": ["tiny"]},
        r"`curations.mixed.mix` chooses among the teacher's completions",
    ),
    "rounds of a student that teaches others": (
        {"students": ["tiny", "round_tiny"], "mentors": ["round_tiny"], "mentored": ["tiny"]},
        r"`mentors.round_tiny.rounds` .* wanted 'round_tiny' alone in `run.mentored`",
    ),
    "a mentor without anybody to teach": ({"mentors": ["tiny"]}, r"`run.mentored` \[\]: they span cells tog"),
    "a mentor called like a first method": (
        {"students": ["std_cot"], "mentors": ["std_cot"], "mentored": ["std_cot"], "methods": ["std_cot"],
         "first_methods": ["std_cot"], "second_methods": ["std_cot"]}, r"cells would have the same names",
    ),
    "an unknown target": ({"transfers": ["svamp"]}, r"`run.transfers` names \['svamp'\]"),
    "a weighing method at OpenAI": (
        {"students": ["gpt_4o_mini"], "methods": ["cascod"]}, r"\['cascod'\], which weigh several tasks"
    ),
    "beam search at OpenAI": (
        {"students": ["gpt_4o_mini"], "decodings": ["greedy", "beam"]}, r"names \['beam'\], of beam search"
    ),
    "a conversation with a student that has none": (
        {"students": ["babbage_002"], "methods": ["fine_tune_cot"], "baselines": []}, r"has no `api: chat`"
    ),
    "terms that nobody accepted": (
        {"students": ["gemma3_270m"]}, r"Gemma Terms of Use found at .* `accept_terms: true`"
    ),
    "no such data set": ({"datasets": ["nowhere"]}, r"stages/datasets/nowhere.yaml not found: a data set is"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_pair_that_cannot_be_is_named(params: dict[str, Any], what: str) -> None:
    run, complaint = REFUSED[what]
    params["run"] |= run
    if "conversation" in what:
        params["methods"]["fine_tune_cot"] = {"format": "chat"}
    params["students"]["std_cot"] = params["students"]["round_tiny"] = params["students"]["tiny"]
    params["mentors"] = {"round_tiny": {"rounds": 2}}
    params["curations"]["mixed"] = {"filter": "answer", "mix": {"by": "words"}}
    with pytest.raises(ValueError, match=complaint):
        check_all(params)


def test_a_student_whose_training_has_no_price_is_refused_where_there_is_a_budget(
    params: dict[str, Any],
) -> None:
    params["run"] |= {"students": ["babbage_002"], "methods": ["fine_tune_cot"], "baselines": []}
    params["endpoints"]["openai"]["budget"] = 5.0
    check_all(params)
    price = params["prices"].pop("ft:babbage-002")
    told = r"student 'babbage_002', but no price of training 'babbage-002' .* under `prices\.ft:babbage-002`"
    for listed in ({}, {"ft:babbage-002": {key: price[key] for key in ("listed", "input", "output")}}):
        params["prices"] |= listed
        with pytest.raises(ValueError, match=told):
            check_all(params)
    params["endpoints"]["openai"]["budget"] = None
    check_all(params)
