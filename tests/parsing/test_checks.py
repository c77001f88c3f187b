"""What is wrong with a data set is said before any work."""

from pathlib import Path
from typing import Any

import pytest
from made_datasets import use_datasets

from stages.config.dataset import dataset_names, read_dataset
from stages.parsing.checks import check_dataset

COLUMNS = {"question": "q", "answer": "a", "answer_type": "number"}
MINE = {"source": {"kind": "local", "files": ["mine.csv"]}, "columns": COLUMNS}


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("local").mkdir()
    Path("local/mine.csv").write_text("q,a\n3 + 4?,7\n")


@pytest.mark.parametrize("name", dataset_names())
def test_every_data_set_of_this_repository_passes(name: str) -> None:
    assert check_dataset(name, {}) == read_dataset(name, {})


def test_a_file_of_ones_own_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_datasets(monkeypatch, Path("datasets"), mine=MINE)
    assert check_dataset("mine", {}).columns is not None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"source": {"kind": "local", "files": ["mine.csv", "yours.csv"]}},
            r"^local/yours\.csv: no such file \(`source\.files` in .*mine\.yaml\); local/ has: mine\.csv$",
        ),
        (
            {"columns": {**COLUMNS, "answer": "answer"}},
            r"^local/mine\.csv: no column 'answer' \(`columns\.answer` in .*mine\.yaml\); it has: q, a$",
        ),
        ({"columns": {**COLUMNS, "template": "t"}}, r"no column 't' \(`columns\.template`"),
        (
            {"columns": None},
            r"mine\.yaml: nothing reads its rows: give `columns`, a `reader` \(word_problems, ",
        ),
        (
            {"columns": None, "reader": "poems"},
            "`reader` is 'poems', wanted one of word_problems, competition",
        ),
        (
            {"columns": None, "source": {"kind": "generated"}, "reader": "competition"},
            "no `Settings` stand in",
        ),
        (
            {"demonstrations": "shots.txt"},
            r"mine: `demonstrations` is 'shots\.txt', but shots\.txt is neither",
        ),
        ({"demonstrations": "coins"}, r"few_shot_cot_prompts\.json is neither among"),
    ],
)
def test_a_fault_is_named(changed: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_datasets(monkeypatch, Path("datasets"), mine=MINE | changed)
    with pytest.raises(ValueError, match=message):
        check_dataset("mine", {})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mine.csv", "q,b\n3 + 4?,7\n", "no column 'a' .*; it has: q, b"),
        ("mine.csv", "", "has no rows"),
        ("mine.jsonl", '{"q": "3 + 4?"}\n', "no column 'a' .*; it has: q"),
        ("mine.jsonl", "[]\n", r"line 1: got list, wanted an object"),
    ],
)
def test_a_local_file_is_looked_into(
    name: str, content: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("local", name).write_text(content)
    source = {"kind": "local", "files": [name]}
    use_datasets(monkeypatch, Path("datasets"), mine=MINE | {"source": source})
    with pytest.raises(ValueError, match=rf"local/{name}.*{message}"):
        check_dataset("mine", {})


@pytest.mark.parametrize(
    ("name", "block", "message"),
    [
        (
            "bbh",
            {"subtasks": ["snarks", "snark"]},
            r"`datasets\.bbh\.subtasks`: got \['snark'\], wanted some of",
        ),
        ("gsm8k", {"subtasks": ["x"]}, r"got \['x'\], wanted null: gsm8k has no subtasks"),
        ("gen_coin_flip", {"people": 13}, r"`datasets\.gen_coin_flip\.people`: .*less than or equal to 12"),
        ("gen_coin_flip", {"coins": 1}, r"coins`: unknown key; legal keys: questions, seed, people"),
        ("gen_coin_contrast", {"subtasks": ["contrasts"]}, "wanted some of original, contrast"),
    ],
)
def test_what_params_vary_is_checked(name: str, block: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_dataset(name, {"datasets": {name: block}})


def test_chosen_subtasks_need_their_demonstrations_only() -> None:
    block = {"subtasks": ["snarks"], "demonstrations": "mine_{subtask}.txt"}
    with pytest.raises(ValueError, match=r"but mine_snarks\.txt is neither"):
        check_dataset("bbh", {"datasets": {"bbh": block}})
    Path("local/mine_snarks.txt").write_text("Q: ?\nA: So the answer is (A).")
    assert check_dataset("bbh", {"datasets": {"bbh": block}}).subtasks == ["snarks"]
