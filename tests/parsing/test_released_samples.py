"""Mentor-KD: several samples a question, option letters by text; and the levels of detail of other data
sets. On made rows, and counted on the mirror.
"""

import json
from pathlib import Path

import pytest

from stages.config.dataset import read_dataset
from stages.fetching.remote import mirror_path
from stages.parsing.readers import parse_raw
from stages.records.example import Example
from stages.teachers.released import Settings, complete, coverage
from stages.text.answers import is_correct, reading_of

QUESTION = "Who has it?"
EXAMPLE = Example(
    "toy-0",
    "toy",
    f"{QUESTION} Answer Choices: (A) ann (B) bob (C) cal",
    "C",
    "choice",
    ["ann", "bob", "cal"],
)
OTHER = Example("toy-1", "toy", f"{QUESTION} Answer Choices: (A) ann (B) eve", "A", "choice", ["ann", "eve"])
LISTED = f"{QUESTION}\nWhich choice is true? Answer choices: (A) cal, (B) ann, (C) bob."


def said(
    folder: Path, source: str, rows: list[dict[str, object]], *before: str
) -> list[tuple[int, list[str], str]]:
    """(sample, texts, answer) of what the source says to both examples."""
    (folder / source).write_text(json.dumps(rows), encoding="utf-8")
    settings = Settings(backend="released", sources=[*before, source])
    found = list(complete([EXAMPLE, OTHER], settings, folder, ""))
    assert {row.example_id for row in found} == {"toy-0"}
    return [(row.sample, row.texts, str(reading_of(row, EXAMPLE).strict)) for row in found]


def test_letters_are_ours_in_raw_samples(tmp_path: Path) -> None:
    texts = ["Not (B). So the answer is (A) cal.", "The correct choice is (C) bob.", "Nobody knows."]
    assert said(tmp_path, "mentor_kd_raw.json", [{"instruction": LISTED, "output": texts}]) == [
        (0, [" Not (A). So the answer is (C) cal."], "C"),
        (1, [" The correct choice is (B) bob."], "B"),
        (2, [" Nobody knows."], "None"),
    ]


def test_an_answer_beside_its_chain_is_in_our_letters_too(tmp_path: Path) -> None:
    rows = [{"input": LISTED, "chain": "It is (A) cal.", "answer": "A", "initial_correct": True}] * 2
    assert said(tmp_path, "mentor_kd_right.json", rows) == [
        (sample, [" It is (C) cal.", " C."], "C") for sample in range(2)
    ]


def test_a_source_of_several_samples_leaves_their_numbers_free(tmp_path: Path) -> None:
    said(tmp_path, "mentor_kd_right.json", [{"input": LISTED, "chain": "c", "answer": "A"}])
    rows = [{"instruction": LISTED, "output": ["(A)", "(B)"]}]
    found = said(tmp_path, "mentor_kd_raw.json", rows, "mentor_kd_right.json")
    assert [sample for sample, _, _ in found] == [0, 3, 4]


# texts, questions that have some, texts whose answer is the gold one
COUNTED = {
    ("date_understanding", "mentor_kd_raw.json"): (1542, 258, 1525),
    ("last_letter", "mentor_kd_raw.json"): (2100, 350, 1839),
    ("tracking_shuffled_objects", "mentor_kd_raw.json"): (3078, 515, 3050),
    ("date_understanding", "mentor_kd_right.json"): (768, 256, 768),
    # of nine questions the source's gold answer leaves a name out: "Jose Antonio" is one there
    ("last_letter", "mentor_kd_right.json"): (1050, 350, 1023),
    ("svamp", "mentor_kd_right.json"): (1953, 651, 1953),
    ("strategy_qa", "mentor_kd_right.json"): (4488, 1496, 4488),
    ("svamp", "mentor_kd_mentor.json"): (2100, 700, 1558),
    ("date_understanding", "mentor_kd_mentor.json"): (774, 258, 763),
    ("last_letter", "mentor_kd_mentor.json"): (1050, 350, 1001),
    ("tracking_shuffled_objects", "mentor_kd_mentor.json"): (1575, 525, 1392),
    ("svamp", "granularity_llama_4.json"): (700, 700, 692),
    ("strategy_qa", "granularity_gpt4o_1.json"): (1998, 1998, 1919),
    ("openbook_qa", "granularity_gpt4o_6.json"): (4956, 4956, 4939),
}


@pytest.mark.parametrize(("dataset", "source"), COUNTED)
def test_what_was_published(mirror: Path, tmp_path: Path, dataset: str, source: str) -> None:
    declared = read_dataset(dataset, {})
    for name, file in declared.source.files.items():
        (tmp_path / name).symlink_to((mirror / mirror_path(file.url)).resolve())
    examples = parse_raw(dataset, declared, tmp_path)
    by_id = {example.id: example for example in examples}
    settings = Settings(backend="released", sources=[source])
    rows = list(complete(examples, settings, tmp_path, ""))
    assert coverage(examples, settings, tmp_path)[source]["unmatched"] == 0
    right = sum(
        is_correct(reading_of(row, one).strict, one.answer, one.answer_type)
        for row, one in ((row, by_id[row.example_id]) for row in rows)
    )
    assert (len(rows), len({row.example_id for row in rows}), right) == COUNTED[dataset, source]
    assert {row.rationalised for row in rows} == {source.startswith("granularity")}
