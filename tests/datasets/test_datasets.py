"""Dataset files: made-up rows in each source's format, broken rows, and the real files against the released
logs.
"""

import json
import re
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from stages.config.dataset import read_dataset
from stages.parsing.readers import parse_raw
from stages.prepare import check_examples
from stages.records.example import Example


def parse(dataset: str, raw: Path) -> list[Example]:
    return parse_raw(dataset, read_dataset(dataset, {}), raw)


def write(path: Path, rows: list[Any], under: str | None = None) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(
        lines if path.suffix == ".jsonl" else json.dumps({"name": "x", under: rows} if under else rows)
    )


# dataset: (files, the key that the rows lie under, a row, what it becomes)
PENS = {"iIndex": 0, "sQuestion": " Mia has 3 pens. How many ? ", "lEquations": ["x=3"]}
FIVE = [
    {"label": letter, "text": text}
    for letter, text in zip("ABCDE", ["sky", "desk", "sea", "sun", "tree"], strict=True)
]
ROWS: dict[str, tuple[list[str], str | None, dict[str, Any], dict[str, Any]]] = {
    "single_eq": (
        ["questions.json"],
        None,
        PENS | {"lSolutions": [0.5]},
        {"question": "Mia has 3 pens. How many ?", "answer": "0.5"},
    ),
    "addsub": (
        ["questions.json"],
        None,
        PENS | {"lSolutions": ["14696.0"]},
        {"question": "Mia has 3 pens. How many ?", "answer": "14696"},
    ),
    "multiarith": (
        ["questions.json"],
        None,
        PENS | {"lSolutions": [3.0]},
        {"question": "Mia has 3 pens. How many ?", "answer": "3"},
    ),
    "svamp": (
        ["SVAMP.json"],
        None,
        {
            "ID": "chal-1",
            "Body": "Mia has 3 pens ",
            "Question": "How many?",
            "Answer": 3.0,
            "Equation": "3.0",
            "Type": "x",
        },
        {"question": "Mia has 3 pens How many?", "answer": "3"},
    ),
    "gsm8k": (
        ["train.jsonl", "test.jsonl"],
        None,
        {
            "question": "3 boxes of 400 pens?",
            "answer": "3*400=<<3*400=1200>>1200\nSo <<1200+0=1200>>1,200 pens.\n#### 1,200",
        },
        {
            "question": "3 boxes of 400 pens?",
            "answer": "1200",
            "rationale": "3*400=1200\nSo 1,200 pens.",
            "source_split": "train",
        },
    ),
    "aqua": (
        ["train.jsonl", "test.jsonl"],
        None,
        {
            "question": "Which?",
            "options": ["A)1", "B) f(2)", "C)(3)4", "D)4", "E)None"],
            "rationale": "It is 2.\n",
            "correct": "B",
        },
        {
            "question": "Which? Answer Choices: (A) 1 (B)  f (2)  (C)  (3) 4 (D) 4 (E) None",
            "answer": "B",
            "choices": ["1", "f(2)", "(3)4", "4", "None"],
            "rationale": "It is 2.",
            "source_split": "train",
        },
    ),
    "date_understanding": (
        ["task.json"],
        "examples",
        {
            "input": "Today is 1/2/2020. What is the date tomorrow?",
            "target_scores": {"01/03/2020": 1, "01/02/2020": 0, "01/03/2019": 0},
        },
        {
            "question": (
                "Today is 1/2/2020. What is the date tomorrow? Answer Choices: (A) 01/03/2020 (B) 01/03/2019"
                " (C) 01/02/2020"
            ),
            "answer": "A",
            "choices": ["01/03/2020", "01/03/2019", "01/02/2020"],
            "template": "Today is 1/2/2020.",
        },
    ),
    "tracking_shuffled_objects": (
        ["task.json"],
        "examples",
        {"input": "Ann and Bob swap. \n\nAnn has the ", "target_scores": {"red ball.": 0, "blue ball.": 1}},
        {
            "question": (
                "Ann and Bob swap. \n\nAnn has the \nWhich choice is true ? Answer Choices: (A) red ball. (B)"
                " blue ball."
            ),
            "answer": "B",
            "choices": ["red ball.", "blue ball."],
        },
    ),
    "last_letter": (
        ["last_letters.json"],
        "examples",
        {"question": 'Of "Mia Bob"?', "answer": "ab"},
        {"question": 'Of "Mia Bob"?', "answer": "ab"},
    ),
    "coin_flip": (
        ["coin_flip.json"],
        "examples",
        {"question": "Mia flips. Still?", "answer": "no"},
        {"question": "Mia flips. Still?", "answer": "no"},
    ),
    "commonsense_qa": (
        ["train_rand_split.jsonl", "dev_rand_split.jsonl"],
        None,
        {
            "id": "0a",
            "answerKey": "B",
            "question": {"stem": "Where do pens lie?", "question_concept": "pen", "choices": FIVE},
        },
        {
            "question": "Where do pens lie? Answer Choices: (A) sky (B) desk (C) sea (D) sun (E) tree",
            "answer": "B",
            "choices": ["sky", "desk", "sea", "sun", "tree"],
            "source_split": "train",
        },
    ),
    "strategy_qa": (
        ["task.json"],
        "examples",
        {"input": "Can a pen sink?", "target_scores": {"Yes": 1, "No": 0}, "target": "Yes. Pens are dense."},
        {"question": "Can a pen sink?", "answer": "yes", "rationale": "Pens are dense."},
    ),
}
TYPES = {"last_letter": "text", "coin_flip": "yes_no", "strategy_qa": "yes_no"}
TYPES |= dict.fromkeys(
    ["aqua", "date_understanding", "tracking_shuffled_objects", "commonsense_qa"], "choice"
)


def written(dataset: str, raw: Path, row: Any) -> list[Example]:
    """The examples of a raw folder with `row` as the only row of every file."""
    files, under, _, _ = ROWS[dataset]
    for file in files:
        write(raw / file, [row], under)
    return parse(dataset, raw)


@pytest.mark.parametrize("dataset", ROWS)
def test_a_row_becomes_an_example(dataset: str, tmp_path: Path) -> None:
    files, _, row, wanted = ROWS[dataset]
    examples = written(dataset, tmp_path, row)
    bare = dict.fromkeys(["rationale", "choices", "template", "source_split", "subtask", "pair"])
    assert (
        asdict(examples[0])
        == bare
        | {
            "id": f"{dataset}-0",
            "dataset": dataset,
            "answer_type": TYPES.get(dataset, "number"),
        }
        | wanted
    )
    assert len(examples) == len(files)
    check_examples(dataset, examples, len(files))


@pytest.mark.parametrize("dataset", [name for name, (files, *_) in ROWS.items() if len(files) == 2])
def test_the_second_file_goes_on_counting_as_test_part(dataset: str, tmp_path: Path) -> None:
    second = written(dataset, tmp_path, ROWS[dataset][2])[1]
    assert (second.id, second.source_split) == (
        f"{dataset}-97467" if dataset == "aqua" else f"{dataset}-1",
        "test",
    )


def test_aqua_without_its_train_file_keeps_the_published_row_numbers(tmp_path: Path) -> None:
    write(tmp_path / "test.jsonl", [ROWS["aqua"][2]] * 2)
    assert [example.id for example in parse("aqua", tmp_path)] == ["aqua-97467", "aqua-97468"]


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("single_eq", {"sQuestion": None}, "sQuestion is None, wanted str"),
    ("addsub", {"lSolutions": ["three"]}, "answer is 'three', wanted a number"),
    ("multiarith", {"lSolutions": []}, r"lSolutions is \[\], wanted one number"),
    ("multiarith", {"lSolutions": 3}, "lSolutions is 3, wanted list"),
    ("svamp", {"Answer": True}, "answer is True, wanted a number"),
    ("svamp", {"Body": 3}, "Body is 3, wanted str"),
    ("gsm8k", {"answer": "It is 3."}, "no '#### ' in answer 'It is 3.'"),
    ("gsm8k", {"answer": "It is 3.\n#### "}, "answer is '', wanted a number"),
    ("aqua", {"options": ["A)1", "C)2", "B)3", "D)4", "E)5"]}, "options is .*, wanted five texts"),
    ("aqua", {"rationale": None}, "rationale is None, wanted str"),
    ("date_understanding", {"target_scores": {"1": 0, "2": 0}}, "wanted exactly one score of 1"),
    ("date_understanding", {"target_scores": ["1"]}, "target_scores is .*, wanted dict"),
    ("tracking_shuffled_objects", {"target_scores": {"a": 1, "b": 1}}, "wanted exactly one score of 1"),
    ("last_letter", {"answer": 5}, "answer is 5, wanted a text that is not empty"),
    ("coin_flip", {"question": []}, r"question is \[\], wanted str"),
    (
        "commonsense_qa",
        {"question": {"stem": "Where?", "choices": FIVE[:3]}},
        "wanted the labels A to E in order",
    ),
    (
        "commonsense_qa",
        {"question": {"stem": "Where?", "choices": ["sky"]}},
        "got 'sky', wanted an object with field 'label'",
    ),
    ("commonsense_qa", {"question": {"choices": FIVE}}, "no field 'stem', wanted str; it has: choices"),
    ("strategy_qa", {"target": "No. Pens float."}, "wanted it to begin with 'Yes.'"),
    ("strategy_qa", {"target_scores": {"Yes": 1, "no": 0}}, "wanted scores of Yes and No"),
]


@pytest.mark.parametrize(("dataset", "change", "message"), BROKEN)
def test_a_broken_row_is_named(dataset: str, change: dict[str, Any], message: str, tmp_path: Path) -> None:
    files, under, row, _ = ROWS[dataset]
    for file in files:
        write(tmp_path / file, [row, row | change], under)
    with pytest.raises(ValueError, match=message) as raised:
        parse(dataset, tmp_path)
    assert f"{tmp_path / files[0]} row 1: " in str(raised.value)


@pytest.mark.parametrize(
    ("dataset", "key"),
    [
        (name, key)
        for name, (_, _, row, _) in ROWS.items()
        for key in row
        if not re.match("i?I|lE|ID|Eq|Type|id", key)
    ],
)
def test_a_missing_field_is_named(dataset: str, key: str, tmp_path: Path) -> None:
    row = {name: value for name, value in ROWS[dataset][2].items() if name != key}
    with pytest.raises(ValueError, match=rf" row 0: no field '{key}', wanted \w+; it has: "):
        written(dataset, tmp_path, row)


@pytest.mark.parametrize("dataset", ROWS)
def test_a_row_that_is_no_object_and_a_file_that_is_no_json_are_named(dataset: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"(row 0|line 1): got .*, wanted an object"):
        written(dataset, tmp_path, ["x"])
    for file in ROWS[dataset][0]:
        (tmp_path / file).write_text("[{")
    with pytest.raises(ValueError, match="not JSON"):
        parse(dataset, tmp_path)


# ---- the real files

COT = "github/kojima-takeshi188/zero_shot_cot/5ef330fcdeec0cd26aee27943504f91f8ec1c33c"
GSM = "github/openai/grade-school-math/3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/data"
SPLITS = "github/itsnamgyu/reasoning-teacher/a2ca4d28d3bbabbd77106b76d06885d1a5eac0d9/data/split"
AQUA = "github/deepmind/AQuA/26b64ed1f22208c6742f47df547dfd65088ec30d/test.json"
CSQA = f"{COT}/dataset/CommonsenseQA"
# dataset: (rows, name of its log, raw files in the mirror)
REAL: dict[str, tuple[int, str, dict[str, str]]] = {
    "single_eq": (508, "singleeq", {"questions.json": f"{COT}/dataset/SingleEq/questions.json"}),
    "addsub": (395, "addsub", {"questions.json": f"{COT}/dataset/AddSub/AddSub.json"}),
    "multiarith": (600, "multiarith", {"questions.json": f"{COT}/dataset/MultiArith/MultiArith.json"}),
    "gsm8k": (8792, "gsm8k", {"train.jsonl": f"{GSM}/train.jsonl", "test.jsonl": f"{GSM}/test.jsonl"}),
    "aqua": (254, "aqua", {"test.jsonl": AQUA}),
    "svamp": (
        1000,
        "svamp",
        {"SVAMP.json": "github/arkilpatel/SVAMP/689d7ccac74b9983a2ac7cc3b264f441b99e7c53/SVAMP.json"},
    ),
    "date_understanding": (
        369,
        "date_understanding",
        {"task.json": f"{COT}/dataset/Bigbench_Date/task.json"},
    ),
    "tracking_shuffled_objects": (
        750,
        "shuffled_objects",
        {"task.json": f"{COT}/dataset/Bigbench_object_tracking/task.json"},
    ),
    "last_letter": (
        500,
        "last_letters",
        {"last_letters.json": f"{COT}/dataset/last_letters/last_letters.json"},
    ),
    "coin_flip": (500, "coin_flip", {"coin_flip.json": f"{COT}/dataset/coin_flip/coin_flip.json"}),
    "commonsense_qa": (
        10962,
        "commonsensqa",
        {name: f"{CSQA}/{name}" for name in ("train_rand_split.jsonl", "dev_rand_split.jsonl")},
    ),
    "strategy_qa": (2290, "strategyqa", {"task.json": f"{COT}/dataset/StrategyQA/task.json"}),
}


@pytest.fixture(scope="module")
def real(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Example]]:
    parsed = {}
    for dataset, (_, _, files) in REAL.items():
        raw = tmp_path_factory.mktemp(dataset)
        for name, path in files.items():
            (raw / name).symlink_to((mirror / path).resolve())
        parsed[dataset] = parse(dataset, raw)
    return parsed


def logged(path: Path) -> Counter[tuple[str, str]]:
    """How often each (question, gold answer) stands in a log of zero-shot-CoT; the log writes 5600 as
    "5,600".
    """
    records = re.split(r"^\*{25}$", path.read_text(encoding="utf-8"), flags=re.M)
    asked = [
        re.search(r"_sampling\nQ: (.*?)\nA: Let's think.*\nGT : (.*)\n", record, re.S) for record in records
    ]
    return Counter((match[1].strip(), match[2].replace(",", "")) for match in asked if match)


@pytest.mark.parametrize("dataset", REAL)
def test_real_rows_are_legal_and_complete(dataset: str, real: dict[str, list[Example]]) -> None:
    check_examples(dataset, real[dataset], REAL[dataset][0])
    assert {example.dataset for example in real[dataset]} == {dataset}
    first = 97467 if dataset == "aqua" else 0
    assert [example.id for example in real[dataset]] == [
        f"{dataset}-{first + row}" for row in range(REAL[dataset][0])
    ]


@pytest.mark.parametrize("dataset", REAL)
def test_questions_and_answers_are_those_of_the_released_logs(
    dataset: str, real: dict[str, list[Example]], mirror: Path
) -> None:
    """Rationales are joined on this text; the logs of the three datasets with parts hold the test part."""
    examples = [example for example in real[dataset] if example.source_split in (None, "test")]
    gold = logged(mirror / COT / "log" / f"{REAL[dataset][1]}_zero_shot_cot.log")
    assert Counter((example.question, example.answer) for example in examples) == gold


@pytest.mark.parametrize("dataset", REAL)
def test_published_splits_name_the_examples(
    dataset: str, real: dict[str, list[Example]], mirror: Path
) -> None:
    name = "last_letter_concatenation" if dataset == "last_letter" else dataset
    split = json.loads((mirror / SPLITS / f"{name}__default.json").read_text())
    ids = {example.id: example.source_split for example in real[dataset]}
    assert {ids[f"{dataset}-{row}"] for row in split["test"]} <= {None, "test"}
    if dataset != "aqua":
        assert {f"{dataset}-{row}" for part in split.values() for row in part} == set(ids)
        assert {ids[f"{dataset}-{row}"] for row in split["train"]} <= {None, "train"}


def test_facts_about_the_real_rows(real: dict[str, list[Example]]) -> None:
    parts = {
        dataset: Counter(example.source_split for example in examples) for dataset, examples in real.items()
    }
    assert parts["gsm8k"] == {"train": 7473, "test": 1319}
    assert parts["commonsense_qa"] == {"train": 9741, "test": 1221}
    assert parts["aqua"] == {"test": 254}
    assert all(
        set(count) == {None}
        for dataset, count in parts.items()
        if dataset not in ("gsm8k", "commonsense_qa", "aqua")
    )
    sizes = {
        dataset: Counter(len(example.choices or []) for example in examples)
        for dataset, examples in real.items()
    }
    assert sizes["date_understanding"] == {6: 311, 5: 58}
    assert sizes["tracking_shuffled_objects"] == {3: 750}
    assert sizes["commonsense_qa"] == {5: 10962}
    assert len({example.question for example in real["multiarith"]}) == 580
    assert {
        dataset for dataset, examples in real.items() if all(example.rationale for example in examples)
    } == {"gsm8k", "aqua", "strategy_qa"}
    assert not any(
        "<<" in (example.rationale or "") or "####" in (example.rationale or "") for example in real["gsm8k"]
    )
    assert not any(
        (example.rationale or "").lower().startswith(("yes.", "no.")) for example in real["strategy_qa"]
    )
