"""What the released teacher says before any work; tests/parsing/test_released.py has what it reads."""

import pytest

from stages.teachers.released import Settings, cannot_teach


@pytest.mark.parametrize(
    ("dataset", "sources", "why"),
    [
        ("addsub", ["log_zero_shot_cot.log", "log_zero_shot.log"], None),
        ("bbh", ["code_davinci_002_{subtask}.json"], None),
        ("commonsense_qa", ["palm"], None),
        (
            "addsub",
            ["log_zero_shot.log", "palm", "faithful_gpt4.jsonl"],
            "addsub.yaml has no file of palm, faith",
        ),
        ("addsub", ["palm"], "it has log_zero_shot_cot.log, log_zero_shot.log"),
        ("gen_coin_flip", ["palm"], "no file of palm; it has none that a released teacher reads"),
    ],
)
def test_a_data_set_without_the_files_of_a_source(dataset: str, sources: list[str], why: str | None) -> None:
    found = cannot_teach(dataset, Settings(backend="released", sources=sources))
    assert found is None if why is None else why in str(found)
