"""BIG-Bench Hard and code-davinci-002: made-up tasks in its formats, then the released files against counts
that are made here.
"""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stages.appraise import appraise, right_as_text
from stages.config.dataset import read_dataset
from stages.config.split import Split
from stages.corpus.leakage import leakage_report
from stages.datasets.bbh import TASKS, parse
from stages.download import mirror_path
from stages.methods import cascod_teacher, few_shot, few_shot_cot
from stages.parsing.demonstrations import demonstrations_text
from stages.prepare import check_examples
from stages.records.completion import Completion
from stages.records.demonstrations import demonstrations_for
from stages.records.example import Example
from stages.split import split_rows
from stages.teachers.released import Settings, complete, coverage
from stages.text.formats import rationale_of

COT, DIRECT = "code_davinci_002_{subtask}.json", "code_davinci_002_direct_{subtask}.json"
STEP = "Let's think step by step."
ASKED = {
    task: ("Is it so?", {"yes_no": "Yes", "number": "-12", "exact": "] )"}.get(kind, "(B)"))
    for task, kind in TASKS.items()
}
ASKED |= {
    task: ("Which?\nOptions:\n(A) red (or so)\n(B) blue", "(B)")
    for task, kind in TASKS.items()
    if kind == "choice"
}
ASKED |= {
    "boolean_expressions": ("not True is", "False"),
    "formal_fallacies": ("Is it valid?\nOptions:\n- valid \n- invalid", "invalid"),
}


def write(raw: Path, asked: dict[str, tuple[str, str]]) -> None:
    """One row a task, and what code-davinci-002 said to it."""
    for task, (question, target) in asked.items():
        (raw / f"{task}.json").write_text(
            json.dumps({"canary": "", "examples": [{"input": question, "target": target}]})
        )
        for name, how, said in (
            (COT, f"\nA: {STEP}", f"Well. So the answer is {target}."),
            (DIRECT, "\nA:", target),
        ):
            row = {
                "input": f"Do it.\n\nQ: Other?\nA: {STEP}\nHm. So the answer is x.\n\nQ: {question}{how}",
                "prediction": said,
                "target": target,
            }
            (raw / name.replace("{subtask}", task)).write_text(json.dumps({"canary": "", "outputs": [row]}))


def facts(example: Example) -> tuple[Any, ...]:
    return example.answer, example.answer_type, example.choices


def test_rows_of_every_kind(tmp_path: Path) -> None:
    write(tmp_path, ASKED)
    examples = parse(tmp_path)
    check_examples("bbh", examples, 27)
    assert [(example.id, example.subtask) for example in examples] == [
        (f"bbh-{row}", task) for row, task in enumerate(sorted(TASKS))
    ]
    kinds = {example.subtask: facts(example) for example in examples}
    assert kinds["hyperbaton"] == ("B", "choice", ["red (or so)", "blue"])
    assert kinds["boolean_expressions"] == ("False", "exact", ["True", "False"])
    assert kinds["formal_fallacies"] == ("invalid", "exact", ["valid", "invalid"])
    assert kinds["dyck_languages"] == ("] )", "exact", None)
    assert kinds["navigate"] == ("yes", "yes_no", None)
    assert kinds["object_counting"] == ("-12", "number", None)


def test_a_target_that_is_no_option_is_read_as_text(tmp_path: Path) -> None:
    write(tmp_path, ASKED | {"ruin_names": ("Which?\nOptions:\n(A) tears\n(B) toil", "tears, toil")})
    assert facts(next(example for example in parse(tmp_path) if example.subtask == "ruin_names")) == (
        "tears, toil",
        "exact",
        None,
    )


def test_a_question_that_is_cut_off_is_taken_from_what_was_asked(tmp_path: Path) -> None:
    write(tmp_path, ASKED)
    (tmp_path / "snarks.json").write_text(
        json.dumps({"examples": [{"input": "Which?\nOptions:\n(A) re", "target": "(A)"}]})
    )
    example = next(example for example in parse(tmp_path) if example.subtask == "snarks")
    assert (example.question, *facts(example)) == (ASKED["snarks"][0], "A", "choice", ["red (or so)", "blue"])


@pytest.mark.parametrize(
    "question", ["Which?", "Which?\nOptions:\n(A) red\n(C) blue", "Which?\nOptions:\n(A) red\nor blue"]
)
def test_odd_options_are_refused(question: str, tmp_path: Path) -> None:
    write(tmp_path, ASKED | {"snarks": (question, "(A)")})
    with pytest.raises(
        ValueError,
        match=r"snarks\.json row 0: wanted lines '\(A\) \.\.\.', '\(B\) \.\.\.' below 'Options:', got 'Which",
    ):
        parse(tmp_path)


def test_the_released_teacher(tmp_path: Path) -> None:
    write(tmp_path, ASKED)
    examples = parse(tmp_path)
    settings = Settings(backend="released", sources=[COT, DIRECT])
    rows = list(complete(examples, settings, tmp_path, ""))
    assert len(rows) == 54
    cot, direct = rows[:2]
    header = f"Do it.\n\nQ: Other?\nA: {STEP}\nHm. So the answer is x.\n\n"
    assert cot.prompts == [f"{header}Q: not True is\nA: {STEP}"]
    assert cot.texts == ["Well. So the answer is False."]
    assert (cot.model, cot.answer_prefix) == ("code-davinci-002", "the answer is")
    assert (direct.sample, direct.prompts, direct.texts, direct.answer_prefix) == (
        1,
        [f"{header}Q: not True is\nA:"],
        ["False"],
        "",
    )
    assert direct.origin == "BIG-Bench Hard code_davinci_002_direct_boolean_expressions.json row 1"
    # bare answers are labels, nothing to reason with
    assert (rationale_of(cot), rationale_of(direct)) == ("Well.", "")
    assert coverage(examples[:5], settings, tmp_path) == {
        source: {"rows": 5, "matched": 5, "unmatched": 0} for source in (COT, DIRECT)
    }
    few = [example for example in examples if example.subtask != "snarks"]
    few.append(Example("bbh-26", "bbh", "Another?", "A", "choice", ["x", "y"], subtask="snarks"))
    assert coverage(few, settings, tmp_path)[COT] == {"rows": 27, "matched": 26, "unmatched": 1}


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, ASKED)
    examples = parse(tmp_path)
    (tmp_path / "code_davinci_002_snarks.json").write_text(
        json.dumps({"outputs": [{"input": "Q: alone", "prediction": "x"}]})
    )
    with pytest.raises(
        ValueError, match=r"code_davinci_002_snarks\.json row 0: input is 'Q: alone', wanted demonstrations"
    ):
        list(complete(examples, Settings(backend="released", sources=[COT]), tmp_path, ""))
    (tmp_path / "code_davinci_002_snarks.json").unlink()
    with pytest.raises(
        ValueError,
        match=(
            r"code_davinci_002_snarks\.json not found: a released teacher needs"
            r" `code_davinci_002_snarks\.json`"
        ),
    ):
        list(complete(examples, Settings(backend="released", sources=[COT]), tmp_path, ""))


# --- the released files

# Percent right by the authors' rule, few-shot-CoT and direct, as counted once from the outputs; the
# repository's *_eval_metrics.jsonl, which the mirror does not hold, say the same where they were looked at
# (commit e26f26d: dyck_languages, snarks, word_sorting, causal_judgement direct)
PUBLISHED = {
    "boolean_expressions": (92.8, 88.4), "causal_judgement": (54.0, 63.6), "date_understanding": (87.2, 63.6),
    "disambiguation_qa": (76.0, 67.2), "dyck_languages": (56.8, 46.8), "formal_fallacies": (50.4, 52.4),
    "geometric_shapes": (54.4, 32.0), "hyperbaton": (66.4, 60.4),
    "logical_deduction_five_objects": (54.8, 32.4), "logical_deduction_seven_objects": (38.8, 26.0),
    "logical_deduction_three_objects": (87.6, 52.8), "movie_recommendation": (90.4, 84.8),
    "multistep_arithmetic_two": (47.6, 1.2), "navigate": (96.4, 50.4), "object_counting": (93.2, 45.2),
    "penguins_in_a_table": (79.5, 66.4), "reasoning_about_colored_objects": (91.6, 67.6),
    "ruin_names": (68.4, 75.2), "salient_translation_error_detection": (60.8, 62.0), "snarks": (59.6, 61.2),
    "sports_understanding": (97.6, 72.8), "temporal_sequences": (96.8, 77.6),
    "tracking_shuffled_objects_five_objects": (89.6, 20.4),
    "tracking_shuffled_objects_seven_objects": (85.6, 14.4),
    "tracking_shuffled_objects_three_objects": (78.4, 37.6), "web_of_lies": (95.2, 51.6),
    "word_sorting": (40.4, 50.4),
}  # fmt: skip
# CasCoD Table 5: tasks that are not of 250 rows, and the most choices of a task
SIZES = {"causal_judgement": 187, "penguins_in_a_table": 146, "snarks": 178}
CHOICES = {
    "date_understanding": 6,
    "disambiguation_qa": 4,
    "geometric_shapes": 11,
    "hyperbaton": 2,
    "penguins_in_a_table": 5,
}
CHOICES |= {
    "reasoning_about_colored_objects": 18,
    "salient_translation_error_detection": 6,
    "snarks": 2,
    "temporal_sequences": 4,
}


@pytest.fixture(scope="module")
def raw(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bbh")
    for name, file in read_dataset("bbh", {}).source.files.items():
        (folder / name).symlink_to((mirror / mirror_path(file.url)).resolve())
    return folder


@pytest.fixture(scope="module")
def examples(raw: Path) -> list[Example]:
    return parse(raw)


def test_table_5(examples: list[Example]) -> None:
    check_examples("bbh", examples, 6511)
    assert Counter(example.subtask for example in examples) == {task: SIZES.get(task, 250) for task in TASKS}
    most = {
        task: max(len(example.choices or []) for example in examples if example.subtask == task)
        for task in CHOICES
    }
    assert most == CHOICES
    odd = {
        (example.subtask, example.answer)
        for example in examples
        if example.answer_type == "exact" and TASKS[str(example.subtask)] == "choice"
    }
    assert odd == {
        ("movie_recommendation", "Monsters, Inc"),
        ("ruin_names", "dearth, wind, & fire"),
        ("ruin_names", "rita, sue and bob poo"),
    }
    assert all(len(example.choices or []) > 1 for example in examples if example.answer_type == "choice")


def test_prompts_are_those_that_code_davinci_002_was_asked(raw: Path, examples: list[Example]) -> None:
    """Question by question, demonstrations included: ours and the recorded ones differ in nothing."""
    demonstrations = demonstrations_text("bbh", "prompt_{subtask}.txt", raw, list(TASKS))
    rows = list(complete(examples, Settings(backend="released", sources=[COT]), raw, ""))
    assert [row.example_id for row in rows] == [example.id for example in examples]
    header = {
        task: demonstrations_for(
            next(example for example in examples if example.subtask == task), demonstrations
        )
        for task in TASKS
    }
    for example, row in zip(examples, rows, strict=True):
        prompt = few_shot_cot.ask(example, [], few_shot_cot.Settings(), header[str(example.subtask)])
        assert f"{prompt} {STEP}" == row.prompts[0]
    for task, text in header.items():
        example = next(example for example in examples if example.subtask == task)
        assert str(few_shot.ask(example, [], few_shot.Settings(), text)).count("\nA: The answer is ") == 3, (
            task
        )
        assert (
            str(cascod_teacher.ask(example, [], cascod_teacher.Settings(), text)).count(
                "Therefore, the answer is"
            )
            == 4
        )


@pytest.mark.parametrize(("source", "place"), [(COT, 0), (DIRECT, 1)])
def test_published_accuracies(source: str, place: int, raw: Path, examples: list[Example]) -> None:
    """Nothing is lost between rows in and rows out, rows belong to their questions by position, and the
    authors' accuracies come out.
    """
    settings = Settings(backend="released", sources=[source])
    assert coverage(examples, settings, raw) == {source: {"rows": 6511, "matched": 6511, "unmatched": 0}}
    rows = list(complete(examples, settings, raw, ""))
    seen: Counter[str] = Counter()
    by_id = {example.id: example for example in examples}
    verdicts = {}
    for task in TASKS:
        outputs = json.loads((raw / source.replace("{subtask}", task)).read_text(encoding="utf-8"))["outputs"]
        said = [
            (row["prediction"] if place else row["prediction"].split("the answer is ")[-1]).strip()
            for row in outputs
        ]
        verdicts[task] = [
            (text[:-1] if text.endswith(".") else text) == row["target"]
            for text, row in zip(said, outputs, strict=True)
        ]
        assert round(100 * sum(verdicts[task]) / len(outputs), 1) == PUBLISHED[task][place]
    for row in rows:
        task = str(by_id[row.example_id].subtask)
        assert right_as_text(row, by_id[row.example_id]) == verdicts[task][seen[task]]
        seen[task] += 1
        assert row.origin.endswith(f"{task}.json row {seen[task]}")
    numbers = appraise(rows, by_id)
    assert (numbers["n"], numbers["repeated"], numbers["accuracy_as_text"]) == (
        6511,
        0,
        round([4816, 3408][place] / 6511, 4),
    )
    assert list(numbers["subtasks"]) == list(TASKS)
    for task, (n, accuracy) in {
        task: (SIZES.get(task, 250), PUBLISHED[task][place]) for task in TASKS
    }.items():
        assert (
            numbers["subtasks"][task]["n"],
            round(100 * numbers["subtasks"][task]["accuracy_as_text"], 1),
        ) == (n, accuracy)
    if place:
        assert not any(rationale_of(row) for row in rows)
    else:
        assert (
            sum(
                by_id[row.example_id].subtask == "word_sorting" and row.answer_prefix not in row.texts[0]
                for row in rows
            )
            == 146
        )


def test_a_split_of_4_to_1_keeps_equal_questions_together(examples: list[Example]) -> None:
    groups = [0] * len(examples)
    for seed in range(5):
        parts = split_rows(
            examples,
            groups,
            Split(scheme="sample", test=0.2, validation=0.1, distinct=True, seed=seed),
            Path(),
        )
        learnt = len(parts["train"]) + len(parts["validation"])
        assert (learnt, len(parts["test"])) in [(5209, 1302), (5210, 1301)]  # 0.8 x 6,511 = 5,208.8
        found = leakage_report(parts, examples, groups)
        assert found["test_seen_in_train"]["text_rows"] == found["validation_seen_in_train"]["text_rows"] == 0
    sizes = [
        split_rows(examples, groups, Split(scheme="sample", test=0.2, distinct=True, train=share), Path())[
            "train"
        ]
        for share in (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, "full")
    ]
    assert [round(len(rows) / len(sizes[-1]), 3) for rows in sizes] == [
        0.125,
        0.25,
        0.375,
        0.5,
        0.625,
        0.75,
        0.875,
        1,
    ]
    assert all(set(small) < set(large) for small, large in pairwise(sizes))


def completion(text: str, prefix: str) -> Completion:
    return Completion("bbh-0", 0, ["p"], [text], ["stop"], "teacher", prefix)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("So the answer is invalid.", True),
        ("So the answer is valid. No, the answer is  invalid", True),
        ("So the answer is invalid. No, the answer is valid", False),
        ("So the answer is invalid..", False),
        ("So the answer is Invalid.", False),
        ("invalid", False),
        ("So the answer is", False),
    ],
)
def test_the_authors_rule(text: str, right: bool) -> None:
    assert (
        right_as_text(
            completion(text, "the answer is"),
            Example("bbh-0", "bbh", "?", "invalid", "exact", ["valid", "invalid"]),
        )
        is right
    )
