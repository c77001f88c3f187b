"""Blocks of params.yaml that state what a paper's tables print, as the requests that they become."""

from typing import Any

import pytest
from conftest import ROOT

from stages.config.load import read_yaml
from stages.config.method import method_settings
from stages.endpoint.http import request_body
from stages.methods import cascod_teacher, few_shot, few_shot_cot
from stages.teachers import openai
from stages.teachers.openai import to_request

PARAMS = read_yaml(ROOT / "params.yaml")
METHODS: dict[str, Any] = {
    "cascod_teacher": cascod_teacher, "few_shot": few_shot, "few_shot_cot": few_shot_cot
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "samples", "told"),
    [
        # CasCoD Table 8
        ("gpt_cascod", 1, {"temperature": 0.2, "top_p": 1.0, "max_completion_tokens": 2048}),
        # SCoTD section 2 and Table 2a: T = 1 for the corpus, 30 paths at T = 0.7, greedy
        ("served", 30, {"temperature": 1.0, "max_tokens": 256}),
        ("served_self_consistency", 30, {"temperature": 0.7, "max_tokens": 256}),
        ("served_greedy", 1, {"temperature": 0.0, "max_tokens": 256}),
        ("served_no_cot", 1, {"temperature": 0.0, "max_tokens": 16}),
    ],
)
def test_a_teacher_is_asked_as_its_paper_says(name: str, samples: int, told: dict[str, Any]) -> None:
    settings = openai.Settings.model_validate(PARAMS["teachers"][name])
    method = METHODS[settings.method]
    how, _ = method_settings(settings.method, method, PARAMS["methods"][settings.method])
    body = request_body(to_request(settings, method, how)("q"), [0])
    assert settings.samples == samples
    assert {key: body.get(key) for key in told} == told


def test_both_simulators_have_the_one_line_of_tables_10_and_11() -> None:
    asked = [values for values in PARAMS["simulators"].values() if values["backend"] == "openai"]
    assert len({values["model"] for values in asked}) == len(asked) == 2
    line = "You are a helpful and precise assistant for following the given instruction."
    assert {values["system"] for values in asked} == {line}
