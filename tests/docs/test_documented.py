"""Figures in the documentation are those of the committed files, or of the published data they speak of."""

import json
from fnmatch import fnmatchcase
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT, prose, table_rows

from stages.config.dataset import read_dataset
from stages.config.load import read_params
from stages.fetching.remote import mirror_path
from stages.parsing.readers import parse_raw
from stages.records.completion import Completion, read_completions
from stages.records.example import Example
from stages.teachers.released import Settings, complete
from tools.lines import read_line, table_of
from tools.readers import answers_of, right_ones

BENCHMARKS = ROOT / "docs/benchmarks.md"
EVALUATION = ROOT / "docs/evaluation.md"
RESULTS = ROOT / "docs/results.md"
READ = {
    "GPT-4, SVAMP": ("svamp", "faithful_gpt4.jsonl"),
    "GPT-4, Date Understanding": ("date_understanding", "faithful_gpt4.jsonl"),
    "GPT-3.5, SVAMP": ("svamp", "faithful_gpt35.jsonl"),
    "GPT-3.5, Date Understanding": ("date_understanding", "faithful_gpt35.jsonl"),
    "GPT-3.5, AQuA": ("aqua", "faithful_gpt35.jsonl"),
    "GPT-4, AQuA": ("aqua", "faithful_gpt4.jsonl"),
    "GPT-3.5, StrategyQA": ("strategy_qa", "faithful_gpt35.jsonl"),
    "GPT-4o, OpenBookQA": ("openbook_qa", "granularity_gpt4o_unseen.json"),
    "text-davinci-002, SVAMP": ("svamp", "log_zero_shot_cot.log"),
    "GPT-3.5-instruct, six, Date Understanding": ("date_understanding", "mentor_kd_raw.json"),
    "GPT-3.5-instruct, six, Last Letter": ("last_letter", "mentor_kd_raw.json"),
    "GPT-3.5-instruct, six, Shuffled Objects": ("tracking_shuffled_objects", "mentor_kd_raw.json"),
}
KEPT = {
    "Qwen2.5-Coder-1.5B, last letters": "gen_last_letter",
    "Qwen2.5-Coder-1.5B, coins": "gen_coin_flip",
    "Qwen2.5-Coder-1.5B, shuffled objects": "gen_shuffled_objects",
}


Lines = dict[str, dict[str, Any]]  # layout -> what it took


def real_runs(file: str) -> dict[str, Lines]:
    runs = json.loads((ROOT / "metrics/benchmarks" / file).read_text())["runs"]
    return {
        run["name"].removesuffix(" smollm2"): {line["layout"]: line for line in run["lines"]} for run in runs
    }


RUNS = [real_runs(file) for file in ("student_cpu.json", "student_cpu_intel.json")]  # columns of the tables
WORKS = ("train", "cascod", "greedy", "samples")  # as their tables come in the page


@pytest.mark.parametrize("work", WORKS)
def test_what_a_real_student_took(work: str) -> None:
    for layout in {**RUNS[0][work], **RUNS[1][work]}:
        took = [run[work].get(layout) for run in RUNS]
        known = [line for line in took if line]
        training = "tokens_in" in known[0]
        wanted = [f"{known[0]['tokens_in']:,}"] if training else []
        field, digits = ("cpu_seconds", 1) if training else ("tokens_per_second", 0)
        wanted += [f"{line[field]:.{digits}f}" if line else "" for line in took]
        wanted.append(f"{max(line['peak_memory'] for line in known) / 1e9:.1f}")
        assert shown_row(work, layout) == wanted


# a row of docs/results.md: the kept run, its method and curation, and what each number is of
Place = tuple[str, str, str, str, str]  # data set, split, student, decoding, score
TASKS = [
    (f"gen_{task}", split, "smollm2", "greedy", "accuracy")
    for split in ("sample", "template")
    for task in ("last_letter", "coin_flip", "shuffled_objects")
]
GREEDY = [("last_letter", "published", "tiny_steps", "greedy", "accuracy")]
BOTH = [*GREEDY, ("last_letter", "published", "tiny_steps", "self_consistency_5", "majority_accuracy")]
LOSSES = [
    ("gen_last_letter", "sample", student, "greedy", "accuracy")
    for student in ("tiny", "tiny_sequence", "tiny_tokens")
]
REAL = ("multiarith", "date_understanding", "tracking_shuffled_objects", "last_letter", "coin_flip")


def published(decoding: str) -> list[Place]:
    return [(dataset, "published", "smollm2", decoding, "accuracy") for dataset in REAL]


KEPT_ROWS = [
    ("untaught (`zero_shot_cot`)", "real", "zero_shot_cot", None, TASKS),
    ("taught answers alone (`fine_tune`)", "real", "fine_tune", None, TASKS),
    ("taught one rationale a question", "real", "fine_tune_cot", "d1_once", TASKS),
    ("taught four rationales a question", "real", "fine_tune_cot", "d4_once", TASKS),
    ("at most 128 tokens", "ft_table5_smol", "fine_tune_cot", "answer", published("l_p_128")),
    ("at most 1,024 tokens", "ft_table5_smol", "fine_tune_cot", "answer", published("l_p_1024")),
    *(
        (label, "cascod_normalisation_tiny", method, "d4", LOSSES)
        for label, method in {
            "Std-CoT": "std_cot",
            "one sequence, the answer weighted 0.3": "weight_aligned",
            "that, with prefixes and an end between": "all_aligned",
            "CasCoD, alpha 0.1": "cascod_alpha_0_1",
            "CasCoD, alpha 0.3": "cascod",
            "CasCoD, alpha 0.5": "cascod_alpha_0_5",
            "CasCoD, alpha 0.7": "cascod_alpha_0_7",
            "CasCoD, alpha 0.9": "cascod_alpha_0_9",
        }.items()
    ),
    ("labels", "scotd_figure2_full_tiny", "answer_sft", None, GREEDY),
    ("N = 1, right ones", "scotd_figure2_full_tiny", "scotd", "d1", GREEDY),
    ("N = 5, right ones", "scotd_figure2_full_tiny", "scotd", "n5", GREEDY),
    ("N = 1, all, the teacher's answer", "scotd_figure2_few_shot_tiny", "scotd", "unfiltered_n1", BOTH),
    ("N = 5, all, the teacher's answer", "scotd_figure2_few_shot_tiny", "scotd", "unfiltered_n5", BOTH),
]


@pytest.mark.parametrize(("label", "kept", "method", "curation", "places"), KEPT_ROWS)
def test_results_are_those_of_the_kept_run(label, kept, method, curation, places) -> None:
    cells = json.loads((ROOT / f"metrics/kept/{kept}.json").read_text())["cells"]
    own = [cell for cell in cells if (cell["method"], cell["curation"]) == (method, curation)]
    found = {tuple(cell[axis] for axis in ("dataset", "split", "student", "decoding")): cell for cell in own}
    wanted = [f"{100 * found[tuple(place)][score]:.1f}" for *place, score in places]
    row = next(row for row in table_rows(RESULTS) if row[0] == label)
    assert [value.split(" ±")[0] for value in row[1:] if value] == wanted


ONE = {"curation": "d1", "student": "tiny"}
BEYOND = {  # a row of docs/results.md: the kept run, and what its one cell is
    "one rationale a question": ("logits_full_tiny", ONE),
    "and a student's probabilities that learned four (50.0 %)": (
        "logits_full_tiny",
        {"student": "tiny_soft"},
    ),
    "that, half of the texts its own (on policy)": ("logits_full_tiny", {"student": "tiny_on_policy"}),
    "one rationale a question of the teacher": ("star_rft_tiny", {**ONE, "mentor": None}),
    "and its own right ones of eight draws (RFT)": ("star_rft_tiny", {**ONE, "mentor": "tiny"}),
    "its own right ones alone, twice, with hints (STaR)": ("star_star_tiny", {**ONE, "mentor": "tiny"}),
    "Std-CoT, four rationales a question, 30 % of them wrong": ("edit_tiny", {"first": None}),
    "trained again by EDIT": ("edit_tiny", {"method": "edit_tiny"}),
    "trained again by Std-CoT": ("edit_tiny", {"method": "std_cot_tiny"}),
}


@pytest.mark.parametrize("label", BEYOND)
def test_what_came_after_the_papers_is_kept(label: str) -> None:
    kept, wanted = BEYOND[label]
    cells = json.loads((ROOT / f"metrics/kept/beyond/{kept}.json").read_text())["cells"]
    (cell,) = [one for one in cells if all(one.get(axis) == value for axis, value in wanted.items())]
    row = next(row for row in table_rows(RESULTS) if row[1] == label)
    assert row[2].split(" ±")[0] == f"{100 * cell['accuracy']:.1f}"


LINES = {  # a row of docs/results.md -> the cells whose marks are kept, by their teacher
    "Std-CoT, the first answer if right": "*-d1-std_cot-*",
    "the labels alone": "*-fine_tune-*",
    "CasCoD, the same answers": "*-cascod-*",
    "Mix, the longest or the shortest right one, 1:4": "*-mix_long_short-*",
    "Fine-tune-CoT, all right ones": "*-{teacher}-answer-fine_tune_cot-*_steps-?-greedy",
    "Mentor, and Flan-T5-large's right ones": "*-{teacher}_and_mentor-*",
    "EDIT after Std-CoT, all right ones, then both kinds": "*-edit_half-*",
    "Std-CoT twice, all right ones": "*-std_cot_half-*",
    "STaR, its own right ones, one round with hints": "*_steps-?-*_steps-*",
}
SEVEN = {  # the page's tables of them, one after the other: what is kept of each -> its teacher
    "seven_methods": "mentor_kd",
    "seven_methods_smol": "mentor_kd",
    "seven_methods_svamp_smol": "six_models",
}
BEYOND_KEPT = ROOT / "metrics/kept/beyond"


def rows_of_seven(kept: str) -> list[list[str]]:
    rows = [row for row in table_rows(RESULTS) if row[1] in LINES]
    place = [*SEVEN].index(kept)
    assert len(rows) == len(LINES) * len(SEVEN)
    return rows[len(LINES) * place :][: len(LINES)]


@pytest.mark.parametrize("kept", SEVEN)
def test_seven_methods_are_what_their_kept_marks_say(kept: str) -> None:
    folder = BEYOND_KEPT / kept
    patterns = [pattern.format(teacher=SEVEN[kept]) for pattern in LINES.values()]
    lines = [read_line(folder / "cells", pattern) for pattern in patterns]
    told = [
        row.split(" | ")[1].removesuffix(" |") for row in table_of(lines, folder / "splits").split("\n")[2:19]
    ]
    shown = [row[1:] for row in rows_of_seven(kept)]
    assert [label for label, *_ in shown] == [*LINES]
    scores = [text.rsplit(", ", 1)[0] for text in [told[0], *told[1::2]]]  # without least and largest
    assert [accuracy for _, accuracy, _ in shown] == scores
    assert [difference for *_, difference in shown] == ["", *told[2::2]]


def tokens_trained(folder: Path, pattern: str) -> set[int]:
    """Of a line's trainings, one a seed, the labels of all their steps, in thousands."""
    found = set()
    for path in folder.glob("training/*.json"):
        if not fnmatchcase(f"{path.stem}-greedy", pattern):
            continue
        told = json.loads(path.read_text())
        units = max(task["texts_per_epoch"] for task in told["tasks"].values())
        found.add(round(told["steps"] * told["tokens_trained_per_epoch"] / ceil(units / 8) / 1000))
    return found


@pytest.mark.parametrize("kept", ["seven_methods_smol", "seven_methods_svamp_smol"])
def test_tokens_of_seven_methods_are_those_of_their_trainings(kept: str) -> None:
    for told, label, *_ in rows_of_seven(kept):
        found = tokens_trained(BEYOND_KEPT / kept, LINES[label].format(teacher=SEVEN[kept]))
        after = tokens_trained(BEYOND_KEPT / kept, "*-dual-std_cot-*") if "," in told else set()
        if " to " in told:
            assert told == f"{min(found)} to {max(found)}"
        else:
            assert [{int(one)} for one in told.split(", ")] == [*([after] if after else []), found]


@pytest.mark.parametrize("kept", ["seven_methods_smol", "seven_methods_svamp_smol"])
def test_star_learned_from_as_many_of_its_own_as_are_told(kept: str) -> None:
    funnels = [json.loads(path.read_text())["train"] for path in BEYOND_KEPT.glob(f"{kept}/mentored/*.json")]
    numbers = ([one[name] for one in funnels] for name in ("rows_out", "rationalised"))
    rows, shown = (f"{min(found)} to {max(found)}" for found in numbers)
    assert f"{rows} of the student's own, {shown} of them said" in " ".join(prose(RESULTS).split())


ALL_RIGHT = "*-six_models-answer-fine_tune_cot-*_steps-?-greedy"
COMPARED = {  # what is kept, lines behind what they are compared with -> what the page says
    ("seven_methods_smol", "*-dual-std_cot-*", "*-edit_half-*", "*-std_cot_half-*"): (
        "+3.1 (+0.9 to +5.6, p 0.058)",
        "+2.9 (+0.2 to +5.8, p 0.093)",
    ),
    ("seven_methods_smol", "*-std_cot_half-*", "*-edit_half-*"): ("+0.2 points (-2.2 to +2.9, p 1.000)",),
    ("seven_methods_svamp_smol", "*-dual-std_cot-*", "*-edit_half-*", "*-std_cot_half-*"): (
        "-1.2 (-3.4 to +1.1, p 0.763)",
        "-1.0 (-3.1 to +1.1, p 0.763)",
    ),
    ("seven_methods_svamp_smol", "*-std_cot_half-*", "*-edit_half-*"): (
        "-0.2 points (-1.9 to +1.6, p 1.000)",
    ),
    ("seven_methods_svamp_smol", "*-mix_long_short-*", ALL_RIGHT): ("-0.3 points (-3.6 to +2.8, p 1.000)",),
    ("seven_methods_svamp_smol", ALL_RIGHT, "*-six_models_and_mentor-*"): ("+1.2 (-2.0 to +4.4, p 0.572)",),
}


@pytest.mark.parametrize(("lines_of", "said"), COMPARED.items())
def test_what_else_is_compared(lines_of: tuple[str, ...], said: tuple[str, ...]) -> None:
    kept, *patterns = lines_of
    lines = [read_line(BEYOND_KEPT / kept / "cells", pattern) for pattern in patterns]
    rows = table_of(lines, BEYOND_KEPT / kept / "splits").split("\n")[4 : 1 + 2 * len(patterns) : 2]
    told = [row.split(" | ")[1].removesuffix(" |") for row in rows]
    assert told == [one.replace(" points", "") for one in said]
    page = " ".join(prose(RESULTS).split())
    assert [one for one in said if one not in page] == []


PAIRS = {  # CasCoD's figures by the loss: two lines of metrics/kept -> what docs/results.md says of them
    ("cascod", "weight_aligned", "tiny"): ("+21.7", "0.035"),
    ("cascod", "weight_aligned", "tiny_sequence"): ("-13.3", "0.13"),
    ("cascod", "weight_aligned", "tiny_tokens"): ("-16.7", "0.041"),
    ("cascod", "std_cot", "tiny"): ("+26.7", "0.004"),
    ("cascod", "cascod_alpha_0_1", "tiny"): ("+26.7", "0.002"),
    ("cascod_alpha_0_7", "cascod_alpha_0_1", "tiny_sequence"): ("-20.0", "0.004"),
}


@pytest.mark.parametrize(("pair", "said"), PAIRS.items())
def test_differences_by_the_loss_are_those_kept(pair: tuple[str, str, str], said: tuple[str, str]) -> None:
    first, second, student = pair
    name = f"{first} (scripted/d4/{student}) - {second} (scripted/d4/{student})"
    page = (ROOT / "metrics/kept/cascod_normalisation_tiny.md").read_text()
    told = next(line for line in page.split("\n") if line.startswith(f"| {name} |"))
    points, p = said
    assert f"| {points} (" in told
    assert f", p {p}" in told
    section = RESULTS.read_text().partition("### `cascod_normalisation`")[2].partition("\n### ")[0]
    assert points.lstrip("+-") in section
    assert f"p {p})" in section


README_REAL = {  # row of the README -> the number of a cell
    "by chance": "chance",
    "text-davinci-002, its teacher": "teacher_accuracy",
    "SmolLM2, taught its rationales": "accuracy",
}


@pytest.mark.parametrize("label", README_REAL)
def test_the_readmes_real_student_is_the_kept_one(label: str) -> None:
    cells = json.loads((ROOT / "metrics/kept/ft_table5_smol.json").read_text())["cells"]
    found = {cell["dataset"]: cell for cell in cells if cell["decoding"] == "l_p_128"}
    columns = ("coin_flip", "last_letter", "tracking_shuffled_objects", "date_understanding", "multiarith")
    row = next(row for row in table_rows(ROOT / "README.md") if row[0] == label)
    wanted = [f"{100 * found[dataset][README_REAL[label]]:.1f}" for dataset in columns]
    assert [value.strip("*") for value in row[1:]] == wanted


def shown_row(work: str, layout: str) -> list[str]:
    """`ours bfloat16` stands in all four tables, `generate 128 bfloat16` in one."""
    rows = [row[1:] for row in table_rows(BENCHMARKS) if row[0] == layout]
    having = [each for each in WORKS if any(layout in run[each] for run in RUNS)]
    assert len(rows) == len(having)
    return rows[having.index(work)]


@pytest.mark.parametrize("completions", READ)
def test_what_the_readers_make_of_released_answers(mirror: Path, tmp_path: Path, completions: str) -> None:
    dataset, source = READ[completions]
    declared = read_dataset(dataset, {})
    for name, file in declared.source.files.items():
        (tmp_path / name).symlink_to((mirror / mirror_path(file.url)).resolve())
    examples = {example.id: example for example in parse_raw(dataset, declared, tmp_path)}
    settings = Settings(backend="released", sources=[source])
    said = list(complete([*examples.values()], settings, tmp_path, ""))
    assert_shown(completions, said, examples)


@pytest.mark.parametrize("completions", KEPT)
def test_what_the_readers_make_of_kept_answers(tmp_path: Path, completions: str) -> None:
    dataset = KEPT[completions]
    settings = read_params(ROOT / "params.yaml")["datasets"][dataset]
    (tmp_path / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    examples = {example.id: example for example in parse_raw(dataset, read_dataset(dataset), tmp_path)}
    rows = read_completions(ROOT / "stages/teachers/answers/qwen_coder.jsonl")
    assert_shown(completions, [row for row in rows if row.example_id in examples], examples)


def assert_shown(completions: str, said: list[Completion], examples: dict[str, Example]) -> None:
    """The row of docs/evaluation.md has what the readers make of these."""
    right = [right_ones(answers_of(row, examples[row.example_id]), examples[row.example_id]) for row in said]
    columns = ("kojima", "lenient", "marked", "stated")
    shares = [f"{100 * sum(marks[reader] for marks in right) / len(right):.1f}" for reader in columns]
    row = next(row[1:] for row in table_rows(EVALUATION) if row[0] == completions)
    assert row == [f"{len(said):,}", *shares]
