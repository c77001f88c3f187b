"""Cards and exports, each function alone; whole ones: test_export_student.py, test_export_corpus.py."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from tools.export.asking import Exported, use_lines
from tools.export.back import cannot_import
from tools.export.folder import filled
from tools.mirror import main as mirror
from tools.show import funnel_of


@pytest.mark.parametrize(
    ("file", "told", "method", "adapter", "lines"),
    [
        (
            "config.json",
            {"is_encoder_decoder": True},
            "fine_tune_cot",
            False,
            [
                'model = AutoModelForSeq2SeqLM.from_pretrained("THIS FOLDER")',
                'ids = tokenizer(PROMPT, return_tensors="pt")',
                "said = model.generate(**ids)[0]",
            ],
        ),
        (
            "config.json",
            {},
            "fine_tune_cot",
            False,
            [
                'model = AutoModelForCausalLM.from_pretrained("THIS FOLDER")',
                'ids = tokenizer(PROMPT, return_tensors="pt")',
                'said = model.generate(**ids)[0, ids["input_ids"].shape[1] :]',
            ],
        ),
        (
            "config.json",
            {},
            "chat_cot",
            False,
            [
                'ids = tokenizer.apply_chat_template([{"role": "user", "content": PROMPT}],'
                ' add_generation_prompt=True, return_dict=True, return_tensors="pt")',
            ],
        ),
        (
            "adapter_config.json",
            {"task_type": "SEQ_2_SEQ_LM"},
            "fine_tune_cot",
            True,
            ['model = AutoPeftModelForSeq2SeqLM.from_pretrained("THIS FOLDER")'],
        ),
    ],
)
def test_the_cards_code_asks_as_it_was_trained(
    file: str,
    told: dict[str, Any],
    method: str,
    adapter: bool,
    lines: list[str],
    tmp_path: Path,
    monkeypatch: Any,
) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / file).write_text(json.dumps(told))
    at = {"method": method, "decoding": "greedy"}
    shown = use_lines(Exported("a cell", at, tmp_path, "float32", adapter, False))
    assert [line for line in lines if line not in shown] == []
    compile("\n".join(shown[1 : shown.index("```")]), "the card", "exec")


def test_a_mentored_corpus_has_a_funnel_of_its_own(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    at = {
        "dataset": "a",
        "split": "s",
        "teacher": "t",
        "curation": "d1",
        "method": "m",
        "mentor": "",
        "seed": 0,
    }
    corpora = tmp_path / "data/corpora"
    corpora.mkdir(parents=True)
    for name in ("a-s-t-d1", "a-s-t-d1-m-big-0"):
        (corpora / f"{name}.jsonl").touch()
    assert funnel_of(at) == Path("metrics/funnels/a-s-t-d1.json")
    assert funnel_of(at | {"mentor": "big"}) == Path("metrics/mentored/a-s-t-d1-m-big-0.json")


def test_rows_that_are_rationalised_beside_others_are_no_data_set_again() -> None:
    row = {"answer_type": "number", "choices": None, "stem": "?", "given": None, "rationalised": False}
    assert cannot_import([row, row]) is None
    assert "some of its rows are rationalised" in str(cannot_import([row, row | {"rationalised": True}]))


def test_a_link_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(ValueError, match="link is there already"), filled(tmp_path / "link"):
        raise AssertionError("the work was done")


@pytest.mark.parametrize("folder", ["", "."])
def test_a_mirror_wants_a_name(folder: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="name the folder"):
        mirror(Path(folder))
    assert [*tmp_path.iterdir()] == []
