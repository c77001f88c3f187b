"""A data set's YAML and what params.yaml varies of it."""

from pathlib import Path
from typing import Any

import pytest
from made_datasets import use_datasets

from stages.config.dataset import dataset_names, prepare_part, read_dataset, source_part
from stages.download import url_files
from stages.parsing.readers import READERS, check_reader

COLUMNS = {"question": "q", "answer": "a", "answer_type": "number"}
LOCAL = {"kind": "local", "files": ["mine.csv"]}


@pytest.fixture(autouse=True)
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def declare(patch: pytest.MonkeyPatch, **values: Any) -> None:
    use_datasets(patch, Path.cwd() / "datasets", mine=values)


def test_a_file_of_ones_own_is_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, source=LOCAL, columns=COLUMNS)
    mine = read_dataset("mine", {})
    assert (mine.source.kind, mine.rows, mine.subtasks, mine.demonstrations) == ("local", None, None, None)
    assert prepare_part("mine", {})["files"] == ["mine.csv"]


@pytest.mark.parametrize("name", ["absent", "../config/dataset", "a.b", ""])
def test_a_missing_file_says_the_lines_to_write(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_datasets(monkeypatch, Path.cwd() / "datasets")
    with pytest.raises(ValueError, match=r"^datasets/.*\.yaml not found: a data set is that file") as raised:
        read_dataset(name, {})
    assert "  source: {kind: local, files: [mine.csv]}\n  columns: {question: " in str(raised.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": LOCAL, "colour": "red"}, r"`colour`: unknown key; legal keys: page, licence, .*source"),
        ({"columns": COLUMNS}, "`source`: missing"),
        (
            {"source": LOCAL, "columns": {**COLUMNS, "hue": 1}},
            "`columns.hue`: unknown key; legal keys: files",
        ),
        ({"source": {**LOCAL, "file": 1}}, "`source.local.file`: unknown key; legal keys: kind, files$"),
        ({"source": LOCAL, "rows": "7"}, "`rows`: Input should be a valid integer, got '7'"),
        ({"source": LOCAL, "subtasks": ["a"]}, "`subtasks`: unknown key"),
        ({"source": LOCAL, "demonstrations": "../x.txt"}, "`demonstrations`: String should match pattern"),
        ({"source": {"kind": "local", "files": ["x.txt"]}, "columns": COLUMNS}, r"no \.csv or \.jsonl"),
        ({"source": LOCAL, "columns": {**COLUMNS, "files": ["x.csv"]}}, r"names \['x\.csv'\], which are not"),
        ({"source": LOCAL, "columns": COLUMNS, "reader": "competition"}, "two ways to read the same rows"),
    ],
)
def test_a_wrong_file_is_named(values: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, **values)
    with pytest.raises(ValueError, match=rf"^datasets/mine\.yaml: .*{message}"):
        read_dataset("mine", {})


def test_a_file_that_is_no_yaml_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch)
    Path("datasets/mine.yaml").write_text("source: {")
    with pytest.raises(ValueError, match=r"mine\.yaml: not YAML"):
        read_dataset("mine", {})


def varied(**block: Any) -> dict[str, Any]:
    return {"datasets": {"mine": block}}


def test_params_lay_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, source=LOCAL, columns=COLUMNS, demonstrations="a.txt")
    assert read_dataset("mine", varied(subtasks=["x"])).subtasks == ["x"]
    assert read_dataset("mine", varied(subtasks=["x"])).demonstrations == "a.txt"
    assert read_dataset("mine", varied(demonstrations=None)).demonstrations is None
    Path("params.yaml").write_text("datasets: {mine: {demonstrations: b.txt}}")
    assert read_dataset("mine").demonstrations == "b.txt"
    with pytest.raises(
        ValueError, match=r"params\.yaml: `datasets\.mine\.rows`: unknown key; legal keys: sub"
    ):
        read_dataset("mine", varied(rows=7))
    with pytest.raises(ValueError, match=r"`datasets\.mine` is None, wanted a block"):
        read_dataset("mine", {"datasets": {"mine": None}})


def test_settings_of_a_generated_task_stand_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, source={"kind": "generated", "settings": {"seed": 3, "people": 2}})
    mine = read_dataset("mine", varied(people=4, subtasks=["contrast"]))
    assert (mine.source.settings, mine.subtasks) == ({"seed": 3, "people": 4}, ["contrast"])
    assert source_part("mine", varied(people=4)) == {
        "kind": "generated",
        "settings": {"seed": 3, "people": 4},
    }


def test_where_it_is_described_changes_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, source=LOCAL, columns=COLUMNS)
    before = (source_part("mine", {}), prepare_part("mine", {}))
    declare(monkeypatch, source=LOCAL, columns=COLUMNS, page="p", licence="l", citation="c")
    assert (source_part("mine", {}), prepare_part("mine", {})) == before
    declare(monkeypatch, source=LOCAL, columns=COLUMNS, rows=7)
    assert source_part("mine", {}) == before[0]
    assert prepare_part("mine", {}) != before[1]
    assert prepare_part("mine", varied(subtasks=["x"])) != prepare_part("mine", {})


def test_the_local_files_that_examples_are_made_of_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("local").mkdir()
    for file in ("mine.csv", "shots_a.txt", "shots_b.txt", "other.txt"):
        Path("local", file).write_text("")
    declare(monkeypatch, source=LOCAL, columns=COLUMNS, demonstrations="shots_{subtask}.txt")
    part = prepare_part("mine", {})
    assert (part["files"], part["local_demonstrations"]) == (["mine.csv"], ["shots_a.txt", "shots_b.txt"])


# ---- those of this repository

NAMES = dataset_names()


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_says_where_it_comes_from_and_is_read(name: str) -> None:
    one = read_dataset(name, {})
    check_reader(name, one)
    assert one.page
    assert one.licence
    assert one.citation
    assert (one.rows is None) == (one.source.kind == "generated")


def test_every_reader_is_used() -> None:
    assert {read_dataset(name, {}).reader for name in NAMES} - {None} == set(READERS)


def test_urls_are_pinned_to_a_commit_and_to_one_content() -> None:
    pins: dict[str, set[tuple[str, int]]] = {}
    for name in NAMES:
        for file in url_files(read_dataset(name, {}).source):
            pins.setdefault(file.url, set()).add((file.sha256, file.bytes))
            assert any(len(part) == 40 for part in file.url.split("/")), file.url
    assert len(pins) > 200
    assert [url for url, found in pins.items() if len(found) > 1] == []
