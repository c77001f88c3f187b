"""Data sets of the hub, from folders that are laid out as the hub lays them out (parquet): what is fetched,
and what becomes of it.
"""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from made_datasets import with_datasets

from stages import download
from stages.config.dataset import read_dataset
from stages.config.source import Hub, Url, source_files
from stages.datasets import aqua_full, imdb
from stages.fetching.remote import mirror_path

SUM = {
    "question": "What is 3 + 4?",
    "options": ["A)5", "B)6", "C)7", "D)8", "E)9"],
    "rationale": "3 + 4 = 7.",
    "correct": "C",
}


def test_aqua_with_its_train_part(tmp_path: Path) -> None:
    """Splits of a configuration as JSON lines, and the pinned lists of rows beside them."""
    pytest.importorskip("datasets")
    hub = tmp_path / "hub" / "raw"
    hub.mkdir(parents=True)
    for part, rows in {"train": [SUM, {**SUM, "correct": "D"}], "test": [SUM]}.items():
        pl.DataFrame(rows).write_parquet(hub / f"{part}-00000-of-00001.parquet")
    # the part of a card of the hub that says which files are which
    card = [{"config_name": "raw", "data_files": [
        {"split": part, "path": f"raw/{part}-*"} for part in ("train", "test")
    ]}]  # fmt: skip
    (hub.parent / "README.md").write_text(f"---\n{json.dumps({'configs': card})}\n---\n")
    url = "https://raw.githubusercontent.com/me/it/0a1b/split.json"
    kept = tmp_path / "mirror" / mirror_path(url)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"{}")
    pin = {"url": url, "sha256": sha256(b"{}").hexdigest(), "bytes": 2}
    source = read_dataset("aqua_full", {}).source.model_dump()
    source |= {"path": str(hub.parent), "files": {"split_default.json": pin}}
    (tmp_path / "params.yaml").write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "stages.download", "mine", "raw"],
        cwd=tmp_path,
        env=with_datasets(tmp_path / "package", mine={"source": source})
        | {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "COT_MIRROR": str(tmp_path / "mirror")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == [
        "split_default.json", "test.jsonl", "train.jsonl"
    ]  # fmt: skip
    rows = aqua_full.parse(tmp_path / "raw")
    assert [(row.id, row.answer, row.source_split) for row in rows] == [
        ("aqua-0", "C", "train"), ("aqua-1", "D", "train"), ("aqua-97467", "C", "test")
    ]  # fmt: skip
    (tmp_path / "raw" / "train.jsonl").unlink()
    with pytest.raises(ValueError, match=r"train\.jsonl not found"):
        aqua_full.parse(tmp_path / "raw")


def test_imdb(tmp_path: Path) -> None:
    reviews = {"train": [("Not a minute too long. ", 1), ("Too long.", 0)], "test": [("Good.", 1)]}
    for part, rows in reviews.items():
        frame = pl.DataFrame(rows, schema=["text", "label"], orient="row")
        frame.write_parquet(tmp_path / f"{part}.parquet")
    rows = imdb.parse(tmp_path)
    assert [(row.id, row.answer, row.source_split) for row in rows] == [
        ("imdb-0", "positive", "train"), ("imdb-1", "negative", "train"), ("imdb-2", "positive", "test")
    ]  # fmt: skip
    assert rows[0].question == "What is the sentiment of the following review?\nNot a minute too long."


@pytest.mark.parametrize("frame", [{"text": ["Good."], "label": [-1]}, {"label": [1], "review": ["Good."]}])
def test_imdb_refuses_other_columns_and_labels(frame: dict[str, Any], tmp_path: Path) -> None:
    """The hub's third part has no labels: -1."""
    pl.DataFrame(frame).write_parquet(tmp_path / "train.parquet")
    with pytest.raises(ValueError, match=r"train\.parquet: got columns .*wanted text and label"):
        imdb.parse(tmp_path)


def test_what_comes_from_the_hub_is_of_one_commit() -> None:
    for name in ("quarel", "aqua_full", "imdb"):
        source = read_dataset(name, {}).source
        if isinstance(source, Hub):
            assert len(source.revision) == 40
            assert set(source_files(source)) >= {"train.jsonl", "test.jsonl", *source.files}
        else:
            assert isinstance(source, Url)
            assert all(
                "/resolve/e6281661ce1c48d982bc483cf8a173c1bbeb5d31/" in file.url
                for file in source.files.values()
            )
        assert {file.url for file in download.url_files(source)} >= {
            file.url for file in source.files.values()
        }
