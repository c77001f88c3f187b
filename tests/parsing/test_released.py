"""The released teacher: made-up records in the upstream formats, then the published files when a mirror is
there.
"""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from stages import teach
from stages.config.dataset import read_dataset
from stages.config.load import check
from stages.datasets import commonsense_qa
from stages.download import mirror_path
from stages.parsing.readers import parse_raw
from stages.parsing.released import loose_key, question_stem
from stages.parsing.released_logs import parse_log
from stages.records.example import Example, write_examples
from stages.records.jsonl import read_rows
from stages.teachers.released import SOURCES, Settings, complete, coverage
from stages.text.answer_types import rules_of
from stages.text.answers import is_correct, read_answer, reading_of

RULER = "*" * 25


def write_log(records: list[str], method: str, trigger: str) -> str:
    settings = {
        "cot_trigger": "Let's think step by step.",
        "cot_trigger_no": 1,
        "dataset": "toy",
        "direct_answer_trigger": trigger,
        "direct_answer_trigger_for_zeroshot": "ignored",
        "max_length_cot": 128,
        "method": method,
        "model": "gpt3-xl",
    }
    ruler = "*" * 29
    printed = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    header = f"{ruler}\nNamespace({printed})\n{ruler}\nsetup data loader ...\ndata size : {len(records)}\n"
    return (
        header
        + "".join(f"{RULER}\n{record}\n{RULER}\n" for record in records)
        + "accuracy : 50.0\n./log/toy_api_log.json\n"
    )


def write_record(number: int, question: str, reply: str, before: str, after: str, gold: str) -> str:
    start = f"{number}st data\n1_th_sampling" if number else "0_th_sampling"
    return (
        f"{start}\nQ: {question}\nA: {reply}\npred_before : {before}\npred_after : {after}\npred_list :"
        f" ['{after}']\npred_mode : {after}\nGT : {gold}"
    )


TRIGGER = "\nTherefore, the answer is"
STEP = "Let's think step by step."
COT = [
    # plain; a question of two lines; an old log's answer without its colon; the trigger again in the answer;
    # and at the rationale's end
    write_record(
        1, "One and one?", f"{STEP} One.\n\nThen two. \nTherefore, the answer is 2.", " 2.", "2", "2"
    ),
    write_record(
        2, "Two lines,\nhow many?", f"{STEP} Two \nTherefore, the answer is: 3:45.", "345.", "345", "2"
    ),
    write_record(
        3,
        "Again?",
        f"{STEP} Yes. \nTherefore, the answer is 4.\nTherefore, the answer is 4.",
        " 4.\nTherefore, the answer is 4.",
        "4",
        "4",
    ),
    write_record(
        4,
        "And?",
        f"{STEP} Five. \nTherefore, the answer is 5. \nTherefore, the answer is 6.",
        " 6.",
        "6",
        "6",
    ),
    write_record(
        5, "Own block?", f"{STEP} So\nQ: Other?\nA: {STEP} hm \nTherefore, the answer is", "", "", "7"
    ),
    write_record(
        0,
        "One and one?",
        f"{STEP} Second record. \nTherefore, the answer is 2.\n\nmore",
        " 2.\n\nmore",
        "2",
        "2",
    ),
]


def test_cot_records():
    records = parse_log(write_log(COT, "zero_shot_cot", TRIGGER))
    assert [record.question for record in records] == [
        "One and one?",
        "Two lines,\nhow many?",
        "Again?",
        "And?",
        "Own block?",
        "One and one?",
    ]
    assert [[text for _, text in record.steps] for record in records] == [
        [" One.\n\nThen two.", " 2."],
        [" Two", ": 3:45."],
        [" Yes.", " 4.\nTherefore, the answer is 4."],
        [" Five. \nTherefore, the answer is 5.", " 6."],
        [f" So\nQ: Other?\nA: {STEP} hm", ""],
        [" Second record.", " 2.\n\nmore"],
    ]
    assert {tuple(asked for asked, _ in record.steps) for record in records} == {
        (f"\nA: {STEP}", " \nTherefore, the answer is")
    }
    assert [record.gold for record in records] == ["2", "2", "4", "6", "7", "2"]
    assert [record.pred_after for record in records] == ["2", "345", "4", "6", "", "2"]


@pytest.mark.parametrize("footer", [True, False])
def test_direct_records(footer):
    trigger = "\nTherefore, among A through C, the answer is"
    reply = "Among A through C, the answer is B.\n\nAmong A through C, the answer is B"
    log = write_log(
        [write_record(1, "Which?", reply, " B.\n\nAmong A through C, the answer is B", "B", "C")],
        "zero_shot",
        trigger,
    )
    log = log if footer else log.split("accuracy")[0]
    [record] = parse_log("a line before the header\n" + log)
    assert record.steps == [
        ("\nA: Among A through C, the answer is", " B.\n\nAmong A through C, the answer is B")
    ]


@pytest.mark.parametrize(
    ("record", "method", "message"),
    [
        ("1st data\n1_th_sampling\nQ: cut\nA: off", "zero_shot_cot", "record 1: wanted 'Q: "),
        (
            write_record(1, "Q", f"{STEP} no trigger", "2", "2", "2"),
            "zero_shot_cot",
            "record 1: 0 of 0 places",
        ),
        (
            write_record(1, "Q", f"{STEP} \nTherefore, the answer is 3", "2", "2", "2"),
            "zero_shot_cot",
            "record 1: 0 of 1 places",
        ),
        (
            write_record(1, "Q", "Hm. \nTherefore, the answer is 2", "2", "2", "2"),
            "zero_shot_cot",
            "record 1: .*step by step",
        ),
        (write_record(1, "Q", "Answer 2", "2", "2", "2"), "zero_shot", "record 1: no 'The answer is'"),
        (write_record(1, "Q", "The answer is 2", "2", "2", "2"), "few_shot", "record 1: method 'few_shot'"),
    ],
)
def test_broken_records_are_named(record, method, message):
    with pytest.raises(ValueError, match=message):
        parse_log(write_log([record], method, TRIGGER))


def test_a_file_without_header_is_refused():
    with pytest.raises(ValueError, match="method"):
        parse_log("not a log")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Ann had 3 pens . How many ?", "Ann had 3 pens. How many?"),
        ("Which? Answer Choices: (A) 1 (B) 2", "Which?\n# Answer option: ['A)1', 'B)2']"),
        ("What is the date? Answer Choices: (A) 1", "what is the date?"),
    ],
)
def test_loose_keys(ours, theirs):
    assert loose_key(ours) == loose_key(theirs)
    assert loose_key(ours) != loose_key("How many pens?")


def test_stem_keeps_a_question_without_options():
    assert question_stem("How many?\nTell. ") == "How many?\nTell."


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "log_zero_shot_cot.log").write_text(
        write_log(COT, "zero_shot_cot", TRIGGER), encoding="utf-8"
    )
    questions = [
        {"id": 3, "question": "one and one ?"},
        {"id": 5, "question": "And?\n# Answer option: ['A)5']"},
        {"id": 6, "question": "Unknown?"},
    ]
    said = {3: " One, one. The answer is 2.\n\n", 5: "Six. So the answer is 6.\n\nQ: Invented?\nA: 1"}
    predictions = [
        {"id": number, "answer": "", "completion": text, "completions": [text]}
        for number, text in said.items()
    ]
    for name, rows in [("faithful_questions.jsonl", questions), ("faithful_code002.jsonl", predictions)]:
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


def example(row: int, question: str) -> Example:
    return Example(f"toy-{row}", "toy", question, "2", "number")


EXAMPLES = [
    example(0, "One and one?"),
    example(1, "Nobody asked"),
    example(2, "One and one?"),
    example(3, "And?"),
]


def test_complete(raw):
    settings = Settings(backend="released", sources=["log_zero_shot_cot.log", "faithful_code002.jsonl"])
    rows = list(complete(EXAMPLES, settings, raw, ""))
    assert [(row.example_id, row.sample, row.texts[-1], row.origin) for row in rows] == [
        ("toy-0", 0, " 2.", "zero_shot_cot log log_zero_shot_cot.log record 1"),
        ("toy-0", 1, " One, one. The answer is 2.", "Faithful-CoT faithful_code002.jsonl id 3"),
        ("toy-2", 0, " 2.\n\nmore", "zero_shot_cot log log_zero_shot_cot.log record 6"),
        ("toy-3", 0, " 6.", "zero_shot_cot log log_zero_shot_cot.log record 4"),
        ("toy-3", 1, "Six. So the answer is 6.", "Faithful-CoT faithful_code002.jsonl id 5"),
    ]
    first, other = rows[0], rows[-1]
    assert first.prompts == [
        f"Q: One and one?\nA: {STEP}",
        f"Q: One and one?\nA: {STEP} One.\n\nThen two. \nTherefore, the answer is",
    ]
    assert (first.model, first.answer_prefix, first.finish_reasons) == (
        "text-davinci-002",
        "",
        ["unknown", "unknown"],
    )
    assert other.prompts == ["Q: And?\nA:"]
    assert (other.model, other.answer_prefix, other.finish_reasons) == (
        "code-davinci-002",
        "he answer is",
        ["unknown"],
    )
    assert [read_answer(row.texts[-1], row.answer_prefix, "number").strict for row in rows] == [
        "2",
        "2",
        "2",
        "6",
        "6",
    ]


def test_a_source_that_covers_nothing_is_an_error(raw):
    with pytest.raises(ValueError, match=r"log_zero_shot_cot\.log.*Nobody"):
        list(
            complete(EXAMPLES[1:2], Settings(backend="released", sources=["log_zero_shot_cot.log"]), raw, "")
        )


def test_options_in_another_order_do_not_match(tmp_path):
    record = write_record(1, "Which? Answer Choices: (A) x (B) y", "The answer is A.", " A.", "A", "A")
    (tmp_path / "log_zero_shot.log").write_text(write_log([record], "zero_shot", TRIGGER), encoding="utf-8")
    settings = Settings(backend="released", sources=["log_zero_shot.log"])
    assert (
        len(list(complete([example(0, "Which? Answer Choices: (A) x (B) y")], settings, tmp_path, ""))) == 1
    )
    with pytest.raises(ValueError, match="no question"):
        list(complete([example(0, "Which? Answer Choices: (A) y (B) x")], settings, tmp_path, ""))


@pytest.mark.parametrize("row", [{"id": 9, "completion": "x"}, {"id": 3}])
def test_broken_predictions_are_named(raw, row):
    (raw / "faithful_code002.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(ValueError, match=r"faithful_code002\.jsonl row 1"):
        list(complete(EXAMPLES, Settings(backend="released", sources=["faithful_code002.jsonl"]), raw, ""))


@pytest.mark.parametrize("sources", [[], ["log_few_shot.log"]])
def test_unknown_sources_are_refused(sources):
    with pytest.raises(ValueError, match=r"teachers\.x\.sources.*faithful_gpt4\.jsonl"):
        check("teachers.x", {"backend": "released", "sources": sources}, Settings)


def write_palm(raw: Path) -> list[Example]:
    """Two train questions, one of them in a list of its own, and a test question, in another order than the
    dataset's.
    """
    rows = {"train": [("Where?", "desk"), ("Who?", "sun")], "test": [("When?", "sky")]}
    for part, asked in rows.items():
        lines = [
            json.dumps({"id": f"{part}{row}", "question": f" {text}", "choices": ["sky", "desk", "sun"]})
            for row, (text, _) in enumerate(asked)
        ]
        (raw / f"palm_questions_{part}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for row, (_, answer) in enumerate(asked):
            said = (
                f"Not (a). So the answer is ({'abc'[['sky', 'desk', 'sun'].index(answer)]}) {answer}.\n\nQ:"
                " Invented?\nA: So the answer is (a)."
            )
            (raw / f"palm_{part}_{row}.json").write_text(json.dumps([said]), encoding="utf-8")
    questions = ["When?", "Nobody?", "Who?", "Where?"]
    return [
        Example(
            f"toy-{row}",
            "toy",
            f"{text} Answer Choices: (A) sky (B) desk (C) sun",
            "A",
            "choice",
            ["sky", "desk", "sun"],
        )
        for row, text in enumerate(questions)
    ]


def test_palm(tmp_path):
    examples, settings = write_palm(tmp_path), Settings(backend="released", sources=["palm"])
    rows = list(complete(examples, settings, tmp_path, ""))
    assert [(row.example_id, row.texts, row.origin) for row in rows] == [
        ("toy-0", [" Not (A). So the answer is (A) sky."], "PaLM test row 1"),
        ("toy-2", [" Not (A). So the answer is (C) sun."], "PaLM train row 2"),
        ("toy-3", [" Not (A). So the answer is (B) desk."], "PaLM train row 1"),
    ]
    assert (rows[0].prompts, rows[0].model, rows[0].answer_prefix) == (
        [f"Q: {examples[0].question}\nA:"],
        "PaLM-540B",
        "the answer is",
    )
    assert coverage(examples[:3], settings, tmp_path) == {"palm": {"rows": 3, "matched": 2, "unmatched": 1}}
    (tmp_path / "palm_train_1.json").unlink()
    with pytest.raises(
        ValueError, match=r"1 texts in palm_train_0\.json and on, wanted one for each of 2 questions"
    ):
        list(complete(examples, settings, tmp_path, ""))
    (tmp_path / "palm_questions_train.jsonl").unlink()
    with pytest.raises(ValueError, match=r"palm_questions_train\.jsonl not found: a released teacher needs"):
        list(complete(examples, settings, tmp_path, ""))


def test_granularity(tmp_path):
    """Options are written in another way there, but stand in the same order: a question whose options do not
    is another question.
    """
    questions = ["Where do pens lie? Answer Choices: (A) sky (B) desk", "Who? Answer Choices: (A) a (B) b"]
    examples = [
        Example(f"toy-{row}", "toy", text, "B", "choice", ["sky", "desk"])
        for row, text in enumerate(questions)
    ]
    rows = [
        {"instruction": "Q: Who? Answer choices: A: b, B: a", "output": "The answer is A"},
        {
            "instruction": "Q: Where do pens lie?  Answer choices: A: sky, B: desk",
            "output": "On it. The answer is B",
        },
    ]
    source = "granularity_llama_1.json"
    (tmp_path / source).write_text(json.dumps(rows), encoding="utf-8")
    settings = Settings(backend="released", sources=[source])
    (row,) = complete(examples, settings, tmp_path, "")
    assert (row.example_id, row.texts) == ("toy-0", [" On it. The answer is B"])
    assert (row.model, row.origin) == ("Llama-3-70B", f"granularity {source} row 2")
    assert reading_of(row, examples[0]).strict == "B"
    assert coverage(examples, settings, tmp_path) == {
        source: {"rows": 2, "matched": 1, "unmatched": 1, "rationalised": True}
    }
    (tmp_path / source).write_text('[{"instruction": "Who?"}]', encoding="utf-8")
    with pytest.raises(ValueError, match=r"granularity_llama_1\.json row 0: no field 'output'"):
        list(complete(examples, settings, tmp_path, ""))


# rows, those that find no question (one of GSM8K's), and those whose stated answer is the gold one
GRANULARITY = {
    "gsm8k": {
        "granularity_llama_1.json": (7442, 1, 7381),
        "granularity_llama_2.json": (7442, 1, 7377),
        "granularity_gemini_1.json": (7433, 1, 7327),
        "granularity_gemini_2.json": (7433, 1, 7065),
    },
    "commonsense_qa": {
        "granularity_llama_1.json": (9732, 0, 9717),
        "granularity_llama_2.json": (9732, 0, 9711),
        "granularity_llama_3.json": (9732, 0, 9701),
        "granularity_gemini_1.json": (9740, 0, 9732),
    },
    "openbook_qa": {"granularity_gpt4o_unseen.json": (4955, 0, 4631)},
}


@pytest.mark.parametrize("dataset", GRANULARITY)
def test_published_rationales_at_several_levels_of_detail(mirror, tmp_path, dataset):
    link_files(mirror, tmp_path, dataset)
    examples = parse_raw(dataset, read_dataset(dataset, {}), tmp_path)
    by_id = {example.id: example for example in examples}
    for source, (rows, unmatched, right) in GRANULARITY[dataset].items():
        settings = Settings(backend="released", sources=[source])
        found = coverage(examples, settings, tmp_path)[source]
        assert (found["rows"], found["unmatched"]) == (rows, unmatched)
        said = list(complete(examples, settings, tmp_path, ""))
        read = [(reading_of(row, by_id[row.example_id]).strict, by_id[row.example_id]) for row in said]
        assert (
            sum(is_correct(answer, example.answer, example.answer_type) for answer, example in read) == right
        )


def test_the_stage_counts_what_its_sources_hold(raw, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sources = ["log_zero_shot_cot.log", "faithful_code002.jsonl"]
    Path("params.yaml").write_text(
        json.dumps({"teachers": {"made": {"backend": "released", "sources": sources}}}), encoding="utf-8"
    )
    write_examples(Path("examples.jsonl"), EXAMPLES)
    Path("shots.txt").write_text("", encoding="utf-8")
    teach.main("made", raw, Path("examples.jsonl"), Path("shots.txt"), Path("out.jsonl"), Path("counts.json"))
    counts = json.loads(Path("counts.json").read_text(encoding="utf-8"))
    assert (counts["questions"], counts["questions_without_completion"], counts["completions"]) == (4, 1, 5)
    assert counts["sources"] == {
        "log_zero_shot_cot.log": {"rows": 6, "matched": 3, "unmatched": 3},
        "faithful_code002.jsonl": {"rows": 2, "matched": 2, "unmatched": 0},
    }


# --- the published files

ZERO_SHOT_COT = "github/kojima-takeshi188/zero_shot_cot/5ef330fcdeec0cd26aee27943504f91f8ec1c33c"
FAITHFUL = "github/veronica320/Faithful-COT/301784317c99cf348cfad92a1b3e8810900e095b"
THEIRS = {
    "aqua": "AQUA",
    "multiarith": "MultiArith",
    "svamp": "SVAMP",
    "date_understanding": "date",
    "strategy_qa": "StrategyQA",
}


def upstream(mirror: Path, path: str) -> Path:
    if not (mirror / path).exists():
        pytest.skip(f"the mirror does not hold {path}")
    return (mirror / path).resolve()


# dataset, log name, answer type, choices, records, accuracy in percent zero-shot-CoT and zero-shot (the last
# line of each log), answers that differ from the logged ones because the older logs drop colons
LOGS = [
    ("aqua", "aqua", "choice", 5, 254, 33.4646, 22.4409, 0, 0),
    ("commonsense_qa", "commonsensqa", "choice", 5, 1221, 64.6192, 68.7961, 0, 0),
    ("date_understanding", "date_understanding", "choice", 6, 369, 67.4797, 49.3225, 0, 0),
    ("tracking_shuffled_objects", "shuffled_objects", "choice", 3, 750, 52.4, 31.3333, 0, 0),
    ("gsm8k", "gsm8k", "number", 0, 1319, 40.7127, 10.3867, 3, 1),
    ("multiarith", "multiarith", "number", 0, 600, 78.6667, 17.6667, 1, 0),
    ("addsub", "addsub", "number", 0, 395, 69.6203, 72.1519, 0, 0),
    ("single_eq", "singleeq", "number", 0, 508, 77.9528, 74.6063, 0, 0),
    ("svamp", "svamp", "number", 0, 1000, 62.1, 58.8, 0, 0),
    ("strategy_qa", "strategyqa", "yes_no", 0, 2290, 54.7598, 12.6638, 0, 0),
    ("coin_flip", "coin_flip", "yes_no", 0, 500, 91.4, 12.8, 0, 0),
    ("last_letter", "last_letters", "text", 0, 500, 57.6, 0.2, 0, 0),
]
EACH_LOG = pytest.mark.parametrize(
    ("log", "answer_type", "n_choices", "records", "accuracy", "changed"),
    [
        (f"{name}_{method}.log", answer_type, n_choices, count, accuracy, changed)
        for _, name, answer_type, n_choices, count, cot, direct, cot_changed, direct_changed in LOGS
        for method, accuracy, changed in [
            ("zero_shot_cot", cot, cot_changed),
            ("zero_shot", direct, direct_changed),
        ]
    ],
)


@EACH_LOG
def test_logged_accuracies(mirror, log, answer_type, n_choices, records, accuracy, changed):
    text = upstream(mirror, f"{ZERO_SHOT_COT}/log/{log}").read_text(encoding="utf-8")
    parsed = parse_log(text)
    options = [""] * n_choices
    answers = [read_answer(record.steps[-1][1], "", answer_type, options).strict for record in parsed]
    # as text: the comparison behind the logged accuracies
    right = sum(answer == record.gold for answer, record in zip(answers, parsed, strict=True))
    assert len(parsed) == records
    assert round(100 * right / records, 4) == accuracy
    logged = text.rpartition("\naccuracy : ")[2].split("\n")[0]
    assert float(logged) == pytest.approx(100 * right / records)
    assert (
        sum((answer or "") != record.pred_after for answer, record in zip(answers, parsed, strict=True))
        == changed
    )
    strict = rules_of(answer_type).strict
    assert all([*strict(record.pred_before, options), ""][0] == record.pred_after for record in parsed)
    for record in parsed:  # nothing of the log is lost or moved
        whole = f"Q: {record.question}" + "".join(asked + said for asked, said in record.steps)
        assert f"\n{whole}\npred_before : " in text


def link_files(mirror: Path, folder: Path, dataset: str) -> None:
    """The files that the data set names, as download would put them."""
    for name, file in read_dataset(dataset, {}).source.files.items():
        (folder / name).symlink_to(upstream(mirror, str(mirror_path(file.url))))


def raw_folder(mirror: Path, tmp_path: Path, dataset: str) -> Path:
    """data/raw/<dataset> as `download` would lay it out, by links into the mirror."""
    name = next(row[1] for row in LOGS if row[0] == dataset)
    files = {
        f"log_{method}.log": f"{ZERO_SHOT_COT}/log/{name}_{method}.log"
        for method in ("zero_shot_cot", "zero_shot")
    }
    if dataset in THEIRS:
        files["faithful_questions.jsonl"] = f"{FAITHFUL}/data/{THEIRS[dataset]}/test.jsonl"
        models = (
            ["code002", "text002", "text003", "gpt35", "gpt4"]
            if dataset != "strategy_qa"
            else ["text002", "gpt35"]
        )
        for model in models:
            folder = model.replace("gpt35", "gpt-3.5-turbo") + "_COT"
            files[f"faithful_{model}.jsonl"] = (
                f"{FAITHFUL}/output_dir/{THEIRS[dataset]}/test/{folder}/predictions.jsonl"
            )
    for raw_name, path in files.items():
        (tmp_path / raw_name).symlink_to(upstream(mirror, path))
    return tmp_path


def examples_of_log(raw: Path, dataset: str) -> list[Example]:
    _, _, answer_type, n_choices, *_ = next(row for row in LOGS if row[0] == dataset)
    records = parse_log((raw / "log_zero_shot_cot.log").read_text(encoding="utf-8"))
    options = [""] * n_choices or None
    return [
        Example(f"{dataset}-{row}", dataset, r.question.strip(), r.gold, answer_type, options)
        for row, r in enumerate(records)
    ]


@pytest.mark.parametrize(
    ("dataset", "covered"),
    [(row[0], row[4]) for row in LOGS if row[0] not in {"multiarith", "date_understanding"}]
    + [("multiarith", 596), ("date_understanding", 359)],
)
def test_every_source_covers_its_questions(mirror, tmp_path, dataset, covered):
    raw = raw_folder(mirror, tmp_path, dataset)
    examples = examples_of_log(raw, dataset)
    sources = [source for source in SOURCES if (raw / source).exists()]
    rows = list(complete(examples, Settings(backend="released", sources=sources), raw, ""))
    counts = Counter(row.sample for row in rows)
    assert counts == {
        sample: len(examples) if source.endswith(".log") else covered for sample, source in enumerate(sources)
    }
    assert len({(row.example_id, row.sample) for row in rows}) == len(rows)
    assert len({(row.sample, row.origin) for row in rows}) == len(rows)
    questions = {example.id: example.question for example in examples}
    assert all(
        loose_key(row.prompts[0].removeprefix("Q: ").split("\nA:")[0]) == loose_key(questions[row.example_id])
        for row in rows
    )


@pytest.mark.parametrize("dataset", ["multiarith", "svamp"])
def test_faithful_completions_belong_to_their_questions(mirror, tmp_path, dataset):
    """The gold answer that Faithful-CoT states for the matched id is that of the example, and most
    completions reach it.
    """
    raw = raw_folder(mirror, tmp_path, dataset)
    examples = examples_of_log(raw, dataset)
    gold = {example.id: example.answer for example in examples}
    stated = {
        row["id"]: row["answer"].removeprefix("#### ") for row in read_rows(raw / "faithful_questions.jsonl")
    }
    sources = [source for source in SOURCES if source.startswith("faithful_")]
    rows = list(complete(examples, Settings(backend="released", sources=sources), raw, ""))
    assert all(
        is_correct(stated[int(row.origin.rsplit(" ", 1)[1])], gold[row.example_id], "number") for row in rows
    )
    readings = [read_answer(row.texts[-1], row.answer_prefix, "number") for row in rows]
    right = sum(
        is_correct(reading.lenient, gold[row.example_id], "number")
        for row, reading in zip(rows, readings, strict=True)
    )
    assert right / len(rows) > 0.75
    assert sum(reading.formatted for reading in readings) / len(rows) > 0.9


@pytest.mark.parametrize(
    ("part", "n", "by_letter", "by_text", "hedges", "no_letter"),
    [("train", 9741, 7472, 7234, 136, 3), ("test", 1221, 967, 943, 9, 0)],
)
def test_palm_on_commonsense_qa(mirror, tmp_path, part, n, by_letter, by_text, hedges, no_letter):
    """By its letters, as this project reads, and by the text behind the first one, as the scripts do that it
    was released with.

    They part where it names two options ("either (a) ... or (e) ..."), of which the first one's letter
    counts here, writes a name with a capital, or two options are the same.
    """
    link_files(mirror, tmp_path, "commonsense_qa")
    examples = commonsense_qa.parse(tmp_path)
    settings = Settings(backend="released", sources=["palm"])
    assert coverage(examples, settings, tmp_path) == {
        "palm": {"rows": 10962, "matched": 10962, "unmatched": 0}
    }
    rows = {row.example_id: row for row in complete(examples, settings, tmp_path, "")}
    asked = [example for example in examples if example.source_split == part]
    gold = {example.id: example.answer for example in asked}
    options = [""] * 5
    letters = {
        one: read_answer(rows[one].texts[0], rows[one].answer_prefix, "choice", options).strict
        for one in gold
    }
    assert (
        len(gold),
        sum(letters[one] == gold[one] for one in gold),
        sum(letter is None for letter in letters.values()),
    ) == (
        n,
        by_letter,
        no_letter,
    )
    # counted anew from the files: joined by id, in the dataset's own order of rows
    questions = read_rows(tmp_path / f"palm_questions_{part}.jsonl")
    lists = [tmp_path / f"palm_{part}_{place}.json" for place in range(10)]
    texts = [
        text.partition("\n\nQ:")[0]
        for path in lists
        if path.exists()
        for text in json.loads(path.read_text(encoding="utf-8"))
    ]
    name = {"train": "train_rand_split.jsonl", "test": "dev_rand_split.jsonl"}[part]
    place = {row["id"]: number for number, row in enumerate(read_rows(tmp_path / name))}
    right = 0
    for row, text in zip(questions, texts, strict=True):
        example = asked[place[row["id"]]]
        assert rows[example.id].texts[0].strip().casefold() == text.strip().casefold()
        assert row["answer"] == (example.choices or [])["ABCDE".index(example.answer)]
        right += text.partition("he answer is")[2].partition(")")[2].strip().rstrip(".") == row["answer"]
    assert right == by_text
    two = re.compile(r"he answer is (?:either )?\([A-E]\)[^.]*? or \([A-E]\)")
    assert sum(letters[one] == gold[one] and bool(two.search(rows[one].texts[0])) for one in gold) == hedges
    # "either (a) ...", "one of these"
    assert sum(not re.search(r"the answer is \(", text) for text in texts) == {"train": 182, "test": 16}[part]


@pytest.mark.parametrize("dataset", [row[0] for row in LOGS])
def test_logs_cover_the_parsed_examples(mirror, tmp_path, dataset):
    """Questions as the dataset's parser writes them meet those of the logs: all rows, or the test part where
    only that was asked.
    """
    link_files(mirror, tmp_path, dataset)
    examples = parse_raw(dataset, read_dataset(dataset, {}), tmp_path)
    records = next(row[4] for row in LOGS if row[0] == dataset)
    gold = {example.id: example for example in examples}
    for method in ("zero_shot_cot", "zero_shot"):
        rows = list(
            complete(examples, Settings(backend="released", sources=[f"log_{method}.log"]), tmp_path, "")
        )
        logged = {
            r.question.strip(): r.gold
            for r in parse_log((tmp_path / f"log_{method}.log").read_text(encoding="utf-8"))
        }
        assert len(rows) == records
        if dataset in {"gsm8k", "aqua", "commonsense_qa"}:
            assert {row.example_id for row in rows} == {
                example.id for example in examples if example.source_split == "test"
            }
        else:
            assert {row.example_id for row in rows} == set(gold)
        for row in rows:
            example = gold[row.example_id]
            assert is_correct(logged[example.question].strip(), example.answer, example.answer_type)
