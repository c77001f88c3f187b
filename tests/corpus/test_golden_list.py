"""The golden list of Fine-tune-CoT's Table 6: where a list lies, and what the published one keeps."""

import json
from pathlib import Path

import pytest
from conftest import ROOT
from curated import curate

from stages import download
from stages.config.curation import LISTS, Curation, golden_file
from stages.config.dataset import read_dataset
from stages.config.load import read_yaml
from stages.corpus.inputs import read_golden
from stages.parsing.readers import parse_raw
from stages.teachers import released


def test_a_golden_list_of_ones_own_goes_before_the_published_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "date_understanding_golden.txt"
    assert golden_file(name).parent == LISTS
    Path("local").mkdir()
    Path("local", name).write_text("date_understanding-1\n")
    assert golden_file(name) == Path("local", name)
    with pytest.raises(ValueError, match=rf"no list 'mine\.txt': wanted local/mine\.txt.* or one of {name}"):
        golden_file("mine.txt")


def test_the_golden_list_of_date_is_of_the_published_training_part(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Table 6: 123 of 258; of Kojima et al.'s 176 right ones 104 are on it."""
    monkeypatch.setenv("COT_MIRROR", str(mirror))
    dataset = read_dataset("date_understanding", {})
    download.collect(dataset.source, tmp_path)
    examples = parse_raw("date_understanding", dataset, tmp_path)
    by_id = {example.id: example for example in examples}
    golden = read_golden(golden_file("date_understanding_golden.txt"), by_id)
    listed = json.loads((tmp_path / "split_default.json").read_text())["train"]
    train = [f"date_understanding-{row}" for row in listed]
    assert (len(golden), len(train)) == (123, 258)
    assert golden <= set(train)
    settings = released.Settings(backend="released", sources=["log_zero_shot_cot.log"])
    said = list(released.complete(examples, settings, tmp_path, ""))
    split = {"train": train, "validation": [], "test": []}
    params = read_yaml(ROOT / "params.yaml")["curations"]
    kept = {}
    for name in ("answer", "golden", "matched"):
        rows, funnel = curate(said, by_id, split, Curation.model_validate(params[name]), golden)
        kept[name] = {row.example_id for row in rows}
        assert funnel["train"]["rows_out"] == len(rows)
    assert [len(ids) for ids in kept.values()] == [176, 104, 104]
    assert kept["golden"] == kept["answer"] & golden
    assert kept["matched"] < kept["answer"]
    assert kept["matched"] != kept["golden"]
