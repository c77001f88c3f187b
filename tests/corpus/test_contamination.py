"""Contamination: what is counted, what is refused, and the stage."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy_cell import sums

from stages.config.contamination import Contamination
from stages.contamination import main
from stages.corpus.contamination import contamination, refuse_contaminated
from stages.records.example import Example, write_examples

LONG = "one two three four five six seven eight"


def asked(dataset: str, *texts: str, subtask: str | None = None) -> list[Example]:
    made = zip(sums(len(texts)), texts, strict=True)
    return [
        replace(example, id=f"{dataset}-{example.id}", question=text, subtask=subtask)
        for example, text in made
    ]


LEARNED = asked("a", "Why not?", f"{LONG} nine", "How?")
TASKS = [
    *asked("b", "why NOT", f"zero {LONG}", subtask="x"),
    *asked("c", *"defghijk", subtask="y"),
]


def counts(rows: int, equal: list[list[str]], ngram: list[list[str]]) -> dict[str, Any]:
    both = (("equal", equal), ("ngram", ngram))
    found: dict[str, Any] = {"rows": rows}
    for name, pairs in both:
        found |= {f"{name}_rows": len(pairs), f"{name}_share": len(pairs) / rows, f"{name}_pairs": pairs}
    return found


def test_counts_by_subtask() -> None:
    """Tasks that share nothing are not listed."""
    equal, ngram = [["a-toy-0", "b-toy-0"]], [["a-toy-1", "b-toy-1"]]
    wanted = counts(10, equal, ngram) | {"subtasks": {"x": counts(2, equal, ngram)}}
    assert contamination(LEARNED, TASKS) == wanted


def test_three_pairs_are_shown_and_no_rows_have_no_share() -> None:
    facts = contamination(LEARNED[:1], asked("b", *["Why not"] * 5))
    assert (facts["equal_rows"], len(facts["equal_pairs"])) == (5, 3)
    nothing = contamination(LEARNED, [])
    assert (nothing["rows"], nothing["equal_share"]) == (0, None)
    refuse_contaminated("a", "b", nothing, Contamination())


def test_the_worst_subtask_is_refused() -> None:
    """A tenth of the target may be known and is; of the subtask x it is half."""
    said = (
        r"b, subtask x: 1 of 2 test questions \(50\.0%\) stand word for word in the train part of a, such as"
        r" b-toy-0 \(there a-toy-0\); wanted at most 10\.0%\. Either leave the target out of"
        r" `run\.transfers`, or say in params\.yaml that it is known:"
        r" `contamination: \{allow: \[\[a, b\]\]\}`"
    )
    facts = contamination(LEARNED, TASKS)
    for settings in (Contamination(), Contamination(allow=[["b", "a"]])):
        with pytest.raises(ValueError, match=said):
            refuse_contaminated("a", "b", facts, settings)
    refuse_contaminated("a", "b", facts, Contamination(share=0.5))
    refuse_contaminated("a", "b", facts, Contamination(allow=[["c", "d"], ["a", "b"]]))


def test_a_data_set_is_refused_for_its_own_test_part() -> None:
    with pytest.raises(
        ValueError, match=r"^a: 2 of 2 .* of a, such as b-toy-0 .*, b-toy-1 .*`distinct: true`"
    ):
        refuse_contaminated("a", "a", contamination(LEARNED, asked("b", "how", "why not")), Contamination())


def test_the_stage_compares_train_with_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers stand in the file, refused or not."""
    monkeypatch.chdir(tmp_path)
    parts = {
        "a": (LEARNED, {"train": ["a-toy-0"], "test": ["a-toy-1"]}),
        "b": (TASKS, {"train": [], "test": []}),
    }
    parts["b"][1]["test"] = [example.id for example in TASKS]
    for name, (examples, split) in parts.items():
        write_examples(tmp_path / f"{name}.jsonl", examples)
        (tmp_path / f"{name}.json").write_text(json.dumps(split))
    arguments = [Path("a.jsonl"), Path("a.json"), Path("b.jsonl"), Path("b.json"), Path("out.json"), "a", "b"]
    (tmp_path / "params.yaml").write_text("{}")
    with pytest.raises(ValueError, match=r"b, subtask x: 1 of 2"):
        main(*arguments)
    written = json.loads(Path("out.json").read_text())
    assert (written["equal_rows"], written["ngram_rows"]) == (1, 0)
    (tmp_path / "params.yaml").write_text("contamination: {allow: [[a, b]]}")
    main(*arguments)
    assert json.loads(Path("out.json").read_text()) == written
