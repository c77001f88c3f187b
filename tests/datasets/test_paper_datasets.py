"""The test beds of SCoTD and CasCoD and the competitions: made-up rows in each source's format, broken rows,
counts of the pinned files.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from made_datasets import with_datasets

from stages import download
from stages.config.dataset import read_dataset
from stages.datasets import agieval, anli_csqa_obqa, bb_sub
from stages.parsing.checks import known_subtasks
from stages.parsing.demonstrations import demonstrations_text
from stages.parsing.readers import parse_raw
from stages.prepare import check_examples
from stages.records.completion import Completion
from stages.records.example import Example, read_examples
from stages.records.jsonl import read_rows
from stages.text.answers import is_correct, read_answer

BARE = {
    "rationale": None,
    "choices": None,
    "template": None,
    "source_split": None,
    "subtask": None,
    "pair": None,
}


def parse(dataset: str, raw: Path) -> list[Example]:
    return parse_raw(dataset, read_dataset(dataset, {}), raw)


def write(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(lines if path.suffix == ".jsonl" else json.dumps(rows))


PENS = {
    "stem": "Pens hold",
    "choices": [
        {"text": text, "label": letter}
        for letter, text in zip("ABCD", ["air", "ink", "sea", "sun"], strict=True)
    ],
}
FLOATS = "Question: What floats?\nOptions:\n(A) iron\n(B) wood"
PREMISE = {
    "uid": "x",
    "premise": "Mia has pens. ",
    "hypothesis": "Mia has ink.",
    "label": 1,
    "reason": "Some are empty.",
}
ASKED = (
    'Premise:\n"Mia has pens."\nBased on this premise, can we conclude the hypothesis "Mia has ink." is'
    " true?\nOPTIONS:\n- yes\n- no\n- "
)
NLI = ["yes", "no", "it is not possible to tell"]
DATE = "Today is 1/2/2020. What is the date tomorrow in MM/DD/YYYY?"
OLYMPIAD = {"id": 7, "subfield": "Number Theory", "question": "Find all n.", "final_answer": ["$1$,$3$"]}
LEFT = {
    "passage": "Ann sits left of Bob.",
    "question": "Who sits right?",
    "options": ["(A)Ann", "(B) Bob"],
    "label": "B",
}
# dataset: (files, a row, what it becomes in the first file)
ROWS: dict[str, tuple[list[str], dict[str, Any], dict[str, Any]]] = {
    "arc_easy": (
        ["test.json"],
        {"input": FLOATS, "target": "(B)"},
        {
            "question": FLOATS,
            "answer": "B",
            "answer_type": "choice",
            "choices": ["iron", "wood"],
            "source_split": "test",
        },
    ),
    "arc_challenge": (
        ["test.json"],
        {"input": "Question: What floats?\nOptions:\n(1) iron\n(2) wood", "target": "(2)"},
        {
            "question": FLOATS,
            "answer": "B",
            "answer_type": "choice",
            "choices": ["iron", "wood"],
            "source_split": "test",
        },
    ),
    "openbook_qa": (
        ["train.jsonl", "dev.jsonl", "test.jsonl"],
        {"id": "1-2", "answerKey": "B", "question": PENS},
        {
            "question": "Pens hold Answer Choices: (A) air (B) ink (C) sea (D) sun",
            "answer": "B",
            "answer_type": "choice",
            "choices": ["air", "ink", "sea", "sun"],
            "source_split": "train",
        },
    ),
    "quarel": (
        ["train.jsonl", "validation.jsonl", "test.jsonl"],
        {"id": "x", "answer_index": 1, "question": "Where does Mia slide further? (A) sand (B) ice "},
        {
            "question": "Where does Mia slide further? (A) sand (B) ice",
            "answer": "B",
            "answer_type": "choice",
            "choices": ["sand", "ice"],
            "source_split": "train",
        },
    ),
    "anli": (
        ["train.jsonl", "validation.jsonl", "test.jsonl"],
        PREMISE,
        {
            "question": f"{ASKED}it is not possible to tell",
            "answer": "it is not possible to tell",
            "answer_type": "exact",
            "choices": NLI,
            "source_split": "train",
            "rationale": "Some are empty.",
        },
    ),
    "date_open": (
        ["faithful_questions.jsonl"],
        {"id": 7, "question": DATE, "answer": "#### 1/3/2020"},
        {"question": DATE, "answer": "01/03/2020", "answer_type": "date", "template": "Today is 1/2/2020."},
    ),
    "aime24": (
        ["test.jsonl"],
        {"problem": "How many? ", "answer": "025"},
        {"question": "How many?", "answer": "25", "answer_type": "latex"},
    ),
    "aime25": (
        ["test.jsonl"],
        {"problem": "How many?", "answer": 25},
        {"question": "How many?", "answer": "25", "answer_type": "latex"},
    ),
    "amc23": (
        ["test.jsonl"],
        {"problem": "How many?", "answer": 25.0},
        {"question": "How many?", "answer": "25", "answer_type": "latex"},
    ),
    "olympiad_bench": (
        ["test.jsonl"],
        OLYMPIAD,
        {"question": "Find all n.", "answer": "$1$,$3$", "answer_type": "latex", "subtask": "number_theory"},
    ),
    "math": (
        ["problems.json"],
        {"problem": "Which root?", "solution": "It is $\\boxed{\\sqrt{2}}$.", "output": "\\sqrt{2"},
        {
            "question": "Which root?",
            "answer": "\\sqrt{2}",
            "answer_type": "latex",
            "rationale": "It is $\\boxed{\\sqrt{2}}$.",
        },
    ),
    "agieval": (
        [f"{subtask.replace('_', '-')}.jsonl" for subtask in agieval.SUBTASKS],
        LEFT,
        {
            "question": "Ann sits left of Bob.\nWho sits right?\nOptions:\n(A) Ann\n(B) Bob",
            "answer": "B",
            "answer_type": "choice",
            "choices": ["Ann", "Bob"],
            "subtask": "aqua_rat",
        },
    ),
}
TEST_ONLY = {"aime24", "aime25", "amc23", "olympiad_bench", "agieval"}


def written(dataset: str, raw: Path, *rows: dict[str, Any]) -> list[Example]:
    for file in ROWS[dataset][0]:
        write(raw / file, list(rows))
    return parse(dataset, raw)


@pytest.mark.parametrize("dataset", ROWS)
def test_a_row_becomes_an_example(dataset: str, tmp_path: Path) -> None:
    files, row, wanted = ROWS[dataset]
    examples = written(dataset, tmp_path, row)
    part = {"source_split": "test"} if dataset in TEST_ONLY else {}
    assert asdict(examples[0]) == BARE | {"id": f"{dataset}-0", "dataset": dataset} | part | wanted
    check_examples(dataset, examples, len(files))


@pytest.mark.parametrize("dataset", ["openbook_qa", "quarel", "anli"])
def test_parts(dataset: str, tmp_path: Path) -> None:
    examples = written(dataset, tmp_path, ROWS[dataset][1])
    assert [example.source_split for example in examples] == ["train", "validation", "test"]
    rows = [0, 16946, 17946] if dataset == "anli" else [0, 1, 2]
    assert [example.id for example in examples] == [f"{dataset}-{row}" for row in rows]


@pytest.mark.parametrize(
    ("dataset", "change", "message"),
    [
        ("arc_easy", {"target": "(C)"}, r"target '\(C\)', wanted"),
        ("arc_easy", {"input": "What floats?"}, r"input is 'What floats\?'"),
        ("openbook_qa", {"question": PENS | {"choices": PENS["choices"][:3]}}, "wanted the labels A to D"),
        ("quarel", {"question": "Where?"}, "question is 'Where"),
        ("quarel", {"answer_index": 2}, "answer_index 2, wanted"),
        ("anli", {"label": -1}, "label is -1, wanted 0, 1 or 2"),
        ("date_open", {"answer": "#### 13/01/2020"}, "answer is '13/01/2020', wanted a date as MM/DD/YYYY"),
        ("aime24", {"answer": "n"}, "answer is 'n', wanted a number"),
        ("olympiad_bench", {"final_answer": ["1", "2"]}, "wanted one text"),
        ("olympiad_bench", {"final_answer": [1]}, "final_answer is 1, wanted str"),
        ("agieval", {"options": ["(A)Ann"] * 40}, "wanted a list of 2 to 26 texts"),
        ("agieval", {"label": None}, "label is None, wanted str"),
    ],
)
def test_a_broken_row_is_named(dataset: str, change: dict[str, Any], message: str, tmp_path: Path) -> None:
    row = ROWS[dataset][1]
    with pytest.raises(ValueError, match=rf"{ROWS[dataset][0][0]} row 1: .*{message}"):
        written(dataset, tmp_path, row, row | change)


@pytest.mark.parametrize(
    ("solution", "output", "answer"),
    [
        (r"So $2$, no: $\boxed{3}$, then $\boxed{4}$.", "3", "4"),
        ("So there are $52$ days.", "52", "52"),  # the release took the box away
        (r"He drives $\boxed{40\text{ miles}.}$", r"40\text{ miles", "40"),
        (r"It costs $\boxed{1.85\ \text{USD}}$.", r"1.85\ \text{USD", "1.85"),
        (r"It is $\boxed{\text{Friday}}$.", r"\text{Friday", r"\text{Friday}"),
        (r'[asy]label("$\boxed{" + n + "}$");[/asy] So $22.$', '" + n + "', None),  # a drawing's
    ],
)
def test_an_answer_of_math(solution: str, output: str, answer: str | None, tmp_path: Path) -> None:
    write(tmp_path / "problems.json", [{"problem": "Q?", "solution": solution, "output": output}])
    assert [example.answer for example in parse("math", tmp_path)] == [answer] * (answer is not None)


@pytest.mark.parametrize(
    ("options", "choices"),
    [
        (["(A)F", "(C)L", "(B) G", "(D)M"], ["F", "G", "L", "M"]),
        (["A first", "B Third", "C? Fourth", "(D)fifth"], ["first", "Third", "Fourth", "fifth"]),
        (["When A.B", "(B)This"], ["When A.B", "This"]),
    ],
)
def test_options_of_agieval(options: list[str], choices: list[str]) -> None:
    assert agieval.read_options(options, "row 0") == choices


# ---- labels that are words, and pairs


def test_sst2(tmp_path: Path) -> None:
    for name in ("train.tsv", "dev.tsv", "test.tsv"):
        (tmp_path / name).write_text("warm and funny\t1\ndull\t0\n")
    examples = parse("sst2", tmp_path)
    question = 'What is the sentiment of the following sentence?\n"warm and funny"'
    assert examples[0] == Example(
        "sst2-0", "sst2", question, "positive", "exact", ["negative", "positive"], source_split="train"
    )
    assert [(example.answer, example.source_split) for example in examples[3:5]] == [
        ("negative", "validation"),
        ("positive", "test"),
    ]
    check_examples("sst2", examples, 6)
    (tmp_path / "dev.tsv").write_text("dull\t0\nno label\n")
    with pytest.raises(ValueError, match=r"dev\.tsv row 1: got 'no label', wanted a text, a tab and 0 or 1"):
        parse("sst2", tmp_path)


def test_our_own_demonstrations_of_sst2_ask_and_answer_as_the_rows_do(tmp_path: Path) -> None:
    shots = demonstrations_text("sst2", None, tmp_path).strip().split("\n\n")
    assert len(shots) == 6
    for shot in shots:
        assert shot.startswith('Q: What is the sentiment of the following sentence?\n"')
        assert read_answer(shot, "The answer is", "exact", ["negative", "positive"]).strict in (
            "negative",
            "positive",
        )


def reviews(folder: Path, contrast: list[str]) -> None:
    for part in ("dev", "test"):
        (folder / f"{part}_original.tsv").write_text(
            'Sentiment\tText\nPositive\tNot a minute too long.\nNegative\t"A ""classic""."\n'
        )
        (folder / f"{part}_contrast.tsv").write_text("\n".join(["Sentiment\tText", *contrast]) + "\n")


def test_imdb_contrast(tmp_path: Path) -> None:
    reviews(tmp_path, ["Negative\tA minute too long.", "Positive\tA classic."])
    examples = parse("imdb_contrast", tmp_path)
    check_examples("imdb_contrast", examples, 8)
    assert [(example.subtask, example.pair, example.answer) for example in examples[:4]] == [
        ("original", "dev-0", "positive"),
        ("original", "dev-1", "negative"),
        ("contrast", "dev-0", "negative"),
        ("contrast", "dev-1", "positive"),
    ]
    assert examples[1].question == 'What is the sentiment of the following review?\nA "classic".'
    assert Counter(example.source_split for example in examples) == {"validation": 4, "test": 4}
    reviews(tmp_path, ["Negative\tA minute too long."])
    with pytest.raises(
        ValueError,
        match=r"dev_contrast\.tsv: got header .* and 1 rows, wanted .* as many rows as its originals",
    ):
        parse("imdb_contrast", tmp_path)
    reviews(tmp_path, ["Negative\tx", "Neutral\ty"])
    with pytest.raises(
        ValueError, match=r"dev_contrast\.tsv row 1: got \['Neutral', 'y'\], wanted Positive or Negative"
    ):
        parse("imdb_contrast", tmp_path)


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("One cannot know. --> it is not possible to tell.", NLI[2], NLI[2]),
        ("--> No", None, "no"),  # strict: as it is spelled
        ("--> no, it contradicts", None, "no"),
        ("--> entailment", None, None),  # outside the label set: no answer
    ],
)
def test_a_word_as_target_and_as_answer(text: str, strict: str | None, lenient: str | None) -> None:
    reading = read_answer(text, "-->", "exact", NLI)
    assert (reading.strict, reading.lenient) == (strict, lenient)


ANSWERED = [
    ("it is not possible to tell", "exact", NLI),
    ("05/01/2021", "date", None),
    ("$1$,$3$", "latex", None),
    (r"\frac{1}{2}", "latex", None),
]


@pytest.mark.parametrize(
    "method",
    [
        "fine_tune",
        "fine_tune_cot",
        "scotd",
        "greedy_cot",
        "answer_sft",
        "std_cot",
        "cascod",
        "step_by_step",
        "mt_cot",
    ],
)
@pytest.mark.parametrize(("answer", "answer_type", "choices"), ANSWERED)
def test_what_is_trained_is_read_as_the_gold_answer(
    method: str, answer: str, answer_type: str, choices: list[str] | None
) -> None:
    module = import_module(f"stages.methods.{method}")
    example, settings = Example("x-0", "x", "Which?", answer, answer_type, choices), module.Settings()
    said = Completion(
        "x-0",
        0,
        ["Q: Which?\nA:"],
        [f"One cannot. So the answer is {answer}."],
        ["stop"],
        "m",
        answer_prefix="So the answer is",
    )
    text = "".join(
        segment.text for segment in module.render(example, [said], settings)[-1].segments if segment.task
    )
    for stop in module.stops(settings):
        text = text.split(stop)[0]
    reading = read_answer(text, module.answer_prefix(settings), answer_type, choices or [])
    assert reading.strict == answer
    assert is_correct(reading.strict, answer, answer_type)


# ---- BB-sub

EITHER = {"Yes": 0, "No": 1}


def bb_sub_files(raw: Path) -> None:
    """One row of each kind in every file of its form."""
    for name in bb_sub.BIG_BENCH:
        rows = [{"input": "A. B. ", "target_scores": EITHER}]
        (raw / f"{name}.json").write_text(json.dumps({"task_prefix": "Does it follow?\n", "examples": rows}))
    numbered = "What if?\n1. This.\n2. That."
    for name in bb_sub.KINDS_OF_REASONING:
        opening = "It is so. I will provide you options. Answer with the correct index (1 or 2)."
        write(raw / f"{name}.jsonl", [{"input": [{"content": opening}, {"content": numbered}], "ideal": "2"}])
        write(
            raw / f"{name}_few_shot.jsonl",
            [{"sample": [{"content": numbered.replace("if", "then")}, {"content": "1"}]}],
        )
    for name in bb_sub.LLM_FOUNDRY:
        write(
            raw / f"{name}.jsonl",
            [
                {
                    "query": "Context: Ann laughs.\nQ: Is she sad?\nAnswer: ",
                    "choices": ["no", "yes"],
                    "gold": 0,
                }
            ],
        )


def test_bb_sub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bb_sub_files(tmp_path)
    examples = {example.subtask: example for example in reversed(parse("bb_sub", tmp_path))}
    asked = {task: (example.question, example.answer) for task, example in examples.items()}
    assert asked["timedial"] == ("Does it follow?\nA. B.\nOptions:\n(A) Yes\n(B) No", "B")
    assert asked["crass_ai"] == ("It is so.\nWhat if?\nOptions:\n(A) This.\n(B) That.", "B")
    assert asked["strange_stories"] == ("Ann laughs.\nIs she sad?\nOptions:\n(A) no\n(B) yes", "A")
    assert len(examples) == 18
    assert (
        "43 of 61 tasks of Table 6 are not among the pinned files: anachronisms, " in capsys.readouterr().err
    )


def test_bb_sub_reads_tasks_that_were_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A task of one file, one of two, and one whose name begins with another's."""
    bb_sub_files(tmp_path)
    for name in ("riddle_sense", "kanji_ascii_meaning", "kanji_ascii_reading", "entailed_polarity_hindi"):
        (tmp_path / f"{name}.json").write_text((tmp_path / "timedial.json").read_text())
    tasks = Counter(example.subtask for example in parse("bb_sub", tmp_path))
    assert [tasks[name] for name in ("riddle_sense", "kanji_ascii", "entailed_polarity_hindi")] == [1, 2, 1]
    assert "entailed_polarity" not in tasks
    assert "40 of 61 tasks of Table 6" in capsys.readouterr().err
    (tmp_path / "unheard_of.json").write_text((tmp_path / "timedial.json").read_text())
    with pytest.raises(ValueError, match=r"unheard_of\.json: wanted TASK\.json or TASK_SUBTASK\.json"):
        parse("bb_sub", tmp_path)


@pytest.mark.parametrize(
    ("asked", "answer", "expected"),
    [
        (
            "Pick the odd word out: pen, ink, sea",
            "sea",
            ("Pick the odd word out: pen, ink, sea", ["pen", "ink", "sea"], "C"),
        ),
        ("Is it one?", "No.", ("Is it one?", ["Yes", "No"], "B")),
        ("x <--> y\n\n1. False\n2. True", "True", ("x <--> y", ["False", "True"], "B")),
        ("\n1. This.\n2. That.", "1", ("", ["This.", "That."], "A")),
    ],
)
def test_lettered(asked: str, answer: str, expected: bb_sub.Question) -> None:
    assert bb_sub.with_letter(asked, answer, "row 0") == expected


def test_broken_rows_of_bb_sub_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"row 0: answer is '3', wanted one of \['This\.', 'That\.'\] or its number"
    ):
        bb_sub.with_letter("x\n1. This.\n2. That.", "3", "row 0")
    write(tmp_path / "x.jsonl", [{"query": "x", "choices": ["no"], "gold": 1}])
    with pytest.raises(ValueError, match=r"x\.jsonl row 0: gold is 1, wanted a place in"):
        list(bb_sub.llm_foundry_questions(tmp_path / "x.jsonl"))
    write(tmp_path / "x.jsonl", [{"input": [{"content": "x"}], "ideal": "1"}])
    with pytest.raises(
        ValueError, match=r"x\.jsonl row 0: input is .*, wanted an instruction and a question"
    ):
        list(bb_sub.kinds_of_reasoning_questions(tmp_path / "x.jsonl"))


def test_table_6() -> None:
    assert len(bb_sub.table_6_sizes()) == 61
    assert sum(bb_sub.table_6_sizes().values()) == 5381  # the paper prints 5,384
    assert len(bb_sub.missing_tasks()) == 43
    published = ROOT.parent / "shared" / "published" / "cascod.json"
    if published.exists():
        rows = json.loads(published.read_text())["table6_bb_sub"]["rows"]
        assert bb_sub.table_6_sizes() == {row["task"]: row["size"] for row in rows}


# ---- a mixture


def test_a_mixture_keeps_ids_and_datasets_of_its_parts(tmp_path: Path) -> None:
    for name in ("train", "validation", "test"):
        write(tmp_path / "anli" / f"{name}.jsonl", [PREMISE])
    for name in ("train", "dev", "test"):
        write(tmp_path / "openbook_qa" / f"{name}.jsonl", [ROWS["openbook_qa"][1]])
    five = PENS | {"choices": [*PENS["choices"], {"text": "ice", "label": "E"}]}
    for name in ("train", "dev"):
        write(
            tmp_path / "commonsense_qa" / f"{name}_rand_split.jsonl", [{"answerKey": "B", "question": five}]
        )
    examples = anli_csqa_obqa.parse(tmp_path)
    check_examples("anli_csqa_obqa", examples, 8)
    assert [(example.id, example.dataset) for example in examples[2:4]] == [
        ("anli-17946", "anli"),
        ("commonsense_qa-0", "commonsense_qa"),
    ]
    assert all(example.subtask == example.dataset for example in examples)
    assert Counter(example.source_split for example in examples) == {"train": 3, "validation": 2, "test": 3}
    (tmp_path / "anli" / "train.jsonl").unlink()
    with pytest.raises(
        ValueError, match=r"anli/train\.jsonl not found: without it nothing of ANLI is trained on"
    ):
        anli_csqa_obqa.parse(tmp_path)


def test_download_then_prepare_from_the_hub(tmp_path: Path) -> None:
    """`quarel` and the mixture through both commands, with a folder in the place of the hub's repository."""
    pytest.importorskip("datasets")
    for name in ("train", "validation", "test"):
        write(tmp_path / "hub_quarel" / f"{name}.jsonl", [ROWS["quarel"][1]])
        write(tmp_path / "hub_anli" / f"{name}.jsonl", [PREMISE])
    hub = {
        "kind": "hub",
        "revision": "0",
        "splits": {"train": "train", "validation": "validation", "test": "test"},
    }
    mixed = {
        "kind": "several",
        "parts": {name: hub | {"path": str(tmp_path / f"hub_{name}")} for name in ("anli", "quarel")},
    }
    made = {
        "quarel": {"source": hub | {"path": str(tmp_path / "hub_quarel")}, "rows": 3},
        "anli_csqa_obqa": {"source": mixed},
    }
    (tmp_path / "params.yaml").write_text("{}")
    environment = with_datasets(tmp_path / "package", **made) | {
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "1",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    for name in made:
        done = run("stages.download", name, f"raw/{name}")
        assert done.returncode == 0, done.stderr
    done = run("stages.prepare", "quarel", "raw/quarel", "out.jsonl", "shots.txt")
    assert done.returncode == 0, done.stderr
    assert [(example.source_split, example.answer) for example in read_examples(tmp_path / "out.jsonl")] == [
        ("train", "B"),
        ("validation", "B"),
        ("test", "B"),
    ]
    assert sorted(
        path.relative_to(tmp_path / "raw/anli_csqa_obqa").as_posix()
        for path in (tmp_path / "raw/anli_csqa_obqa").rglob("*.jsonl")
    ) == [f"{part}/{name}.jsonl" for part in ("anli", "quarel") for name in ("test", "train", "validation")]
    done = run("stages.prepare", "anli_csqa_obqa", "raw/anli_csqa_obqa", "mixed.jsonl", "shots.txt")
    assert done.stderr.startswith("error: ")
    assert "commonsense_qa/train_rand_split.jsonl" in done.stderr
    assert not (tmp_path / "mixed.jsonl").exists()


# ---- the pinned files

HUB = {"quarel", "anli_csqa_obqa"}
NAMES = [*sorted(ROWS.keys() - HUB), "bb_sub", "sst2", "imdb_contrast"]


@pytest.fixture(scope="module")
def real(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Example]]:
    parsed = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COT_MIRROR", str(mirror))
        for name in NAMES:
            raw = tmp_path_factory.mktemp(name)
            download.collect(read_dataset(name, {}).source, raw)
            parsed[name] = parse(name, raw)
    return parsed


@pytest.mark.parametrize("dataset", NAMES)
def test_real_rows_are_legal_and_complete(dataset: str, real: dict[str, list[Example]]) -> None:
    check_examples(dataset, real[dataset], read_dataset(dataset, {}).rows)
    assert {example.dataset for example in real[dataset]} == {dataset}


def test_facts_about_the_real_rows(real: dict[str, list[Example]]) -> None:
    parts = {
        dataset: Counter(example.source_split for example in examples) for dataset, examples in real.items()
    }
    assert parts["openbook_qa"] == {"train": 4957, "validation": 500, "test": 500}
    assert parts["sst2"] == {"train": 6920, "validation": 872, "test": 1821}
    assert parts["anli"] == {"validation": 1000, "test": 1000}
    subtasks = {
        dataset: Counter(example.subtask for example in examples) for dataset, examples in real.items()
    }
    for name in ("agieval", "bb_sub", "imdb_contrast", "olympiad_bench"):
        assert {*subtasks[name]} == {*known_subtasks(name)}
    assert list(subtasks["agieval"].values()) == [254, 651, 230, 510, 269, 220, 206, 206]  # Table 3
    assert subtasks["bb_sub"] == {
        task: size for task, size in bb_sub.table_6_sizes().items() if task not in bb_sub.missing_tasks()
    }
    assert subtasks["olympiad_bench"] == {
        "algebra": 264,
        "combinatorics": 154,
        "geometry": 129,
        "number_theory": 128,
    }
    options = {
        name: Counter(len(example.choices or []) for example in real[name])
        for name in ("arc_easy", "arc_challenge")
    }
    assert options == {"arc_easy": {4: 2365, 3: 7, 5: 4}, "arc_challenge": {4: 1165, 3: 4, 5: 3}}
    assert Counter(example.answer for example in real["anli"]) == {
        "yes": 668,
        "no": 666,
        "it is not possible to tell": 666,
    }


def test_every_pair_of_the_contrast_sets_turns(real: dict[str, list[Example]]) -> None:
    pairs: dict[str, list[Example]] = {}
    for example in real["imdb_contrast"]:
        pairs.setdefault(str(example.pair), []).append(example)
    assert len(pairs) == 588
    assert all(
        {example.answer for example in pair} == {"negative", "positive"} and len(pair) == 2
        for pair in pairs.values()
    )


def test_questions_show_every_option_under_its_letter(real: dict[str, list[Example]]) -> None:
    for example in [
        example for name in ("agieval", "arc_easy", "arc_challenge", "bb_sub") for example in real[name]
    ]:
        shown = re.findall(r"^\(([A-Z])\) (.*)$", example.question.rpartition("\nOptions:\n")[2], re.M)
        assert [letter for letter, _ in shown] == list("ABCDEFG"[: len(example.choices or [])]), example.id
        assert [text for _, text in shown] == [choice.split("\n")[0] for choice in example.choices or []], (
            example.id
        )


@pytest.mark.parametrize(
    ("model", "theirs", "ours"),
    [("code002_COT", 274, 275), ("text003_COT", 245, 245), ("gpt4_COT", 320, 320)],
)
def test_dates_are_read_as_faithful_cot_reads_them(
    model: str, theirs: int, ours: int, real: dict[str, list[Example]], mirror: Path
) -> None:
    """Its files state the answer it took from each completion; it compares text, so that "7/15/1972" is wrong
    there and right here.
    """
    commit = mirror / "github/veronica320/Faithful-COT/301784317c99cf348cfad92a1b3e8810900e095b"
    rows = read_rows(commit / f"output_dir/date/test/{model}/predictions.jsonl")
    readings = [
        read_answer(row["completion"].split("\nQ:")[0], "he answer is", "date").strict for row in rows
    ]
    golds = [example.answer for example in real["date_open"]]
    assert sum(row["answer"] == gold for row, gold in zip(rows, golds, strict=True)) == theirs
    assert (
        sum(is_correct(reading, gold, "date") for reading, gold in zip(readings, golds, strict=True)) == ours
    )
    differing = {
        row["answer"]
        for row, reading in zip(rows, readings, strict=True)
        if re.fullmatch(r"\d\d/\d\d/\d{4}", row["answer"]) and reading != row["answer"]
    }
    assert differing <= {"02/29/2015"}  # no day of that year: no answer
