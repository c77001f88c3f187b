"""Imports: completions that went out of a store come back into an empty one byte for byte; released formats
become samples of requests.
"""

import json
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from typer.testing import CliRunner

from stages.asking import store_contents as contents
from stages.asking.conversation import Asking, ask_all, completions
from stages.asking.import_own import read_own
from stages.asking.import_released import read_released_answers
from stages.asking.request import Answer, Request
from stages.asking.store import Store
from stages.methods import few_shot_cot, zero_shot_cot
from stages.parsing.released_archives import read_released
from stages.records.completion import write_completions
from stages.records.example import Example, write_examples
from tools.store import app

PARAMS = """
teachers:
  davinci: {backend: openai, endpoint: e, model: text-davinci-002, api: completions, method: zero_shot_cot,
    samples: 2, temperature: 0.7}
  codex: {backend: openai, endpoint: e, model: code-davinci-002, api: completions, method: few_shot_cot,
    samples: 3, temperature: 1.0}
  chat: {backend: openai, endpoint: e, model: gpt-3.5-turbo-0613, method: zero_shot_cot}
  rules: {backend: scripted, samples: 1}
methods:
  zero_shot_cot: {}
  few_shot_cot: {}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with parameters, one dataset and an empty store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COT_STORE", str(tmp_path / "store.sqlite"))
    Path("params.yaml").write_text(PARAMS)
    write_examples(Path("data/examples/d.jsonl"), EXAMPLES)
    Path("data/demonstrations").mkdir()
    Path("data/demonstrations/d.txt").write_text(SHOWN)
    return tmp_path


EXAMPLES = [
    Example(f"d-{number}", "d", f" What is {number // 2} + 1? ", str(number // 2 + 1), "number")
    for number in range(6)
]
SHOWN = "Q: What is 1 + 1?\nA: One and one is two. The answer is 2.\n\n"


def asking(method=zero_shot_cot, samples=4, keep_reasoning=False, shown="", **given):
    return Asking(
        method,
        method.Settings(),
        shown,
        samples,
        lambda prompt: Request("chat", "m", prompt, **given),
        keep_reasoning,
    )


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def done(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.exception
    return result.output


# ---- this project's own completions


def fill(store, how, seed, reasons, scores, tells):
    """Ask a made-up model for everything."""
    rng = random.Random(seed)

    def answer():
        text = rng.choice(["one\n\ntwo", "", " é😀\u2028 ", "The answer is 2."])
        return Answer(
            text,
            rng.choice(["stop", "length"]),
            rng.choice(["", "so\nit", "hm"]) if reasons else "",
            tokens_in=rng.randrange(50) if tells else None,
            tokens_out=rng.randrange(50),
            tokens_cached=rng.choice([None, 0, 7]),
            logprobs=[(token, -rng.random()) for token in "abcdefg"] if scores else None,
            model=rng.choice(["", "m-1", "m 2"]),
            source=rng.choice(["live", "batch", "import a b&c.json"]),
        )

    def fulfil(wanted):
        store.put([(want.request, {sample: answer() for sample in want.samples}) for want in wanted])
        return {}

    assert ask_all(EXAMPLES, how, store.answers, fulfil) == {}


WAYS = {
    "two steps": asking(),
    "two steps with reasoning": asking(keep_reasoning=True),
    "one step": asking(few_shot_cot, shown=SHOWN),
    "one step with reasoning": asking(few_shot_cot, shown=SHOWN, keep_reasoning=True),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(4))
def test_completions_come_back_byte_for_byte(here, way, seed):
    store, how = Store(here / "first.sqlite"), WAYS[way]
    fill(store, how, seed, reasons=True, scores=seed % 2 == 0, tells=seed < 3)
    write_completions(Path("out.jsonl"), completions(EXAMPLES, how, store.answers))
    count = store.db.execute("SELECT count(*) FROM answer").fetchone()[0]
    assert f"{count} new answers, 0 were there" in done("import", "out.jsonl")
    write_completions(Path("again.jsonl"), completions(EXAMPLES, how, Store().answers))
    assert Path("again.jsonl").read_bytes() == Path("out.jsonl").read_bytes()
    assert list(contents.faults(Store())) == []
    assert f"0 new answers, {count} were there" in done("import", "out.jsonl")


def first_step():
    """The first step of zero-shot-CoT alone: the same requests with one step."""
    ask = lambda example, texts, *rest: None if texts else zero_shot_cot.ask(example, texts, *rest)  # noqa: E731
    return Asking(
        SimpleNamespace(ask=ask, answer_prefix=lambda settings: ""),
        zero_shot_cot.Settings(),
        "",
        4,
        asking().request,
    )


@pytest.mark.parametrize("order", [["one.jsonl", "two.jsonl"], ["two.jsonl", "one.jsonl"]])
def test_two_teachers_that_share_answers(here, order):
    store = Store(here / "first.sqlite")
    ways = {"two.jsonl": asking(), "one.jsonl": first_step()}
    fill(store, asking(), 0, reasons=False, scores=True, tells=True)
    for name, how in ways.items():
        write_completions(Path(name), completions(EXAMPLES, how, store.answers))
    done("import", *order)
    for name, how in ways.items():
        write_completions(Path("again.jsonl"), completions(EXAMPLES, how, Store().answers))
        assert Path("again.jsonl").read_bytes() == Path(name).read_bytes()


def test_what_comes_back_into_the_store(here):
    store, how = Store(here / "first.sqlite"), asking(keep_reasoning=True)
    fill(store, how, 1, reasons=True, scores=True, tells=True)
    write_completions(Path("out.jsonl"), completions(EXAMPLES, how, store.answers))
    done("import", "out.jsonl")
    for key, _, sample, was in contents.stored_rows(store):
        got = Store().answers(key)[sample]
        assert (got.text, got.reasoning, got.finish_reason, got.source) == (
            was.text,
            was.reasoning,
            was.finish_reason,
            was.source,
        )
        assert (got.tokens_in, got.tokens_out, got.tokens_cached) == (
            was.tokens_in,
            was.tokens_out,
            was.tokens_cached,
        )
        # their sum is all that a row has
        assert got.logprobs == [("", sum(value for _, value in was.logprobs))]


def test_requests_are_known_where_the_teacher_is_named(here):
    request = Request(
        "completions",
        "code-davinci-002",
        few_shot_cot.ask(EXAMPLES[0], [], None, SHOWN),
        temperature=1.0,
        max_tokens=128,
        stop=("\nQ:",),
    )
    store = Store(here / "first.sqlite")
    how = Asking(few_shot_cot, few_shot_cot.Settings(), SHOWN, 1, lambda prompt: request)
    store.put([(request, {0: Answer("t", "stop", model="code-davinci-002")})])
    write_completions(Path("out.jsonl"), completions(EXAMPLES[:1], how, store.answers))
    done("import", "out.jsonl")
    assert "1 requests (1 known by their key only)" in done("stats")
    done("import", "--teacher", "codex", "--dataset", "d", "out.jsonl")
    assert "1 requests (0 known by their key only)" in done("stats")
    assert [(key, body) for key, body, *_ in contents.stored_rows(Store())] == [(request.key, request.body)]


def packed(row):
    """A row as it was written before its steps were a field."""
    told = []
    for step in row.steps:
        values = {"reasoning": step.reasoning} if step.reasoning else {}
        if len(row.steps) > 1 and step.logprob is not None:
            values["logprob"] = step.logprob
        if step is not row.steps[-1]:
            values |= {**step.usage, "cached": step.usage.get("cached", 0)} if step.usage else {}
            values |= {"model": step.model} if step.model != row.model else {}
            values |= {"source": step.source} if step.source != row.origin else {}
        told.append(f"{step.key}/{step.sample}" + (f"?{urlencode(values)}" if values else ""))
    old = {name: value for name, value in vars(row).items() if name not in ("steps", "paid")}
    return {**old, "usage": row.usage and {"cached": 0, **row.usage}, "key": " ".join(told)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(4))
def test_rows_of_before_steps_are_read_as_those_of_today(here, way, seed):
    store, how = Store(here / "first.sqlite"), WAYS[way]
    fill(store, how, seed, reasons=True, scores=seed % 2 == 0, tells=seed < 3)
    rows = list(completions(EXAMPLES, how, store.answers))
    write_completions(Path("today.jsonl"), rows)
    write("before.jsonl", map(packed, rows))
    today, before = read_own(Path("today.jsonl"), how), read_own(Path("before.jsonl"), how)
    assert before.requests == today.requests
    assert before.answers.keys() == today.answers.keys()
    for key, samples in today.answers.items():
        for sample, answer in samples.items():
            # untold cached tokens were written as none
            cached = None if answer.tokens_in is None else answer.tokens_cached or 0
            assert before.answers[key][sample] == replace(answer, tokens_cached=cached)


def row(**given):
    step = {"key": "ab" * 32, "sample": 0, "model": "m", "source": "live"}
    return {
        "example_id": "d-0",
        "sample": 0,
        "prompts": ["p"],
        "texts": ["t"],
        "finish_reasons": ["stop"],
        "model": "m",
        "answer_prefix": "",
        "steps": [step],
        **given,
    }


def write(name, rows):
    Path(name).write_text("".join(json.dumps(one) + "\n" for one in rows))


def test_rows_of_teachers_that_ask_no_endpoint_are_counted(here):
    write("out.jsonl", [row(steps=[]), row(), row(key="", steps=[])])
    assert done("import", "out.jsonl").splitlines() == [
        "out.jsonl: 1 new answers, 0 were there",
        "  2 rows without steps: no answers of a store (first: row 1)",
    ]


def test_another_text_in_the_store_stays_and_is_told(here):
    write("one.jsonl", [row()])
    write("two.jsonl", [row(texts=["other"])])
    assert "1 of those that were there have another text" in done("import", "one.jsonl", "two.jsonl")
    assert Store().answers("ab" * 32)[0].text == "t"


DEFECTS = {
    "another text for abababababab.../0": [row(), row(texts=["other"])],
    "an older row, wanted KEY/SAMPLE for each step": [row(), row(key="ab" * 32)],
    "2 texts, 1 prompts and 1 steps": [row(), row(texts=["t", "u"])],
    "unexpected keyword argument 'extra'": [row(), row(extra=1)],
    "missing 2 required positional arguments: 'model' and 'source'": [
        row(),
        row(steps=[{"key": "ab" * 32, "sample": 0}]),
    ],
}


@pytest.mark.parametrize("message", DEFECTS)
def test_defective_rows_are_errors_with_file_and_row(here, message):
    write("out.jsonl", DEFECTS[message])
    result = run("import", "out.jsonl")
    assert isinstance(result.exception, ValueError)
    assert str(result.exception).startswith("out.jsonl row 2: ")
    assert message in str(result.exception)
    assert not Store().db.execute("SELECT count(*) FROM answer").fetchone()[0]


# ---- released files


def dump(name, value):
    Path(name).write_text(json.dumps(value))
    return Path(name)


def finished(example, number, text=" Add one.", said=" 1.", **given):
    """A sample as reasoning-teacher writes it: its second prompt has the rationale without white space around
    it.
    """
    question = EXAMPLES[example].question
    first = f"Q: {question.strip()}\nA: Let's think step by step."
    return {
        "sample_index": example,
        "completion_index": number,
        "question": question,
        "answer": "1",
        "reasoning_prompt": first,
        "reasoning_completion": text,
        "reasoning_finish_reason": "stop",
        "prompt": f"{first}{text.strip()}\nTherefore, the answer is",
        "completion": said,
        "finish_reason": "length",
    } | given


def reasoning_teacher(*samples, **metadata):
    data = {}
    for sample in samples:
        data.setdefault(str(sample["sample_index"]), []).append(sample)
    known = {
        "base_model": "text-davinci-002",
        "dataset_key": "d",
        "completion_key": "zs_cot",
        "finetune_key": None,
        "train_key": None,
        "epoch": None,
    }
    return {"metadata": known | {"prediction_template": "zs_cot"} | metadata, "data": data}


def teachers_rows(samples, examples=EXAMPLES):
    """What `stages.teach` would write for the teacher `davinci` from the store alone."""
    from stages.teachers.openai import Settings
    from stages.teachers.openai import asking as asks

    how = asks(
        Settings(
            backend="openai",
            endpoint="e",
            model="text-davinci-002",
            api="completions",
            samples=samples,
            temperature=0.7,
        ),
        "",
    )
    return list(completions(examples, how, Store().answers))


def test_reasoning_teacher(here):
    """Examples 0 and 1 have one text, and two samples of 2 the same rationale."""
    samples = [
        finished(0, 0, " a", " 10."),
        finished(0, 1, " b", " 11."),
        finished(1, 0, " c", " 12."),
        finished(2, 0, " d\n", " 20."),
        finished(2, 1, " d\n", " 21."),
    ]
    file = dump("D_d.json", reasoning_teacher(*samples))
    assert (
        done("import", "--teacher", "davinci", "--dataset", "d", file)
        == "D_d.json: 10 new answers, 0 were there\n"
    )
    rows = teachers_rows(2)
    assert [(row.example_id, row.sample, row.texts) for row in rows] == [
        ("d-0", 0, [" a", " 10."]),
        ("d-0", 1, [" b", " 11."]),
        ("d-1", 0, [" a", " 10."]),
        ("d-1", 1, [" b", " 11."]),
        ("d-2", 0, [" d\n", " 20."]),
        ("d-2", 1, [" d\n", " 21."]),
        ("d-3", 0, [" d\n", " 20."]),
        ("d-3", 1, [" d\n", " 21."]),
    ]
    assert rows[0].finish_reasons == ["stop", "length"]
    assert (rows[0].origin, rows[0].model, rows[0].usage) == ("import D_d.json", "text-davinci-002", None)
    assert [row.texts[0] for row in teachers_rows(3, EXAMPLES[:1])] == [" a", " b", " c"]
    assert (
        done("import", "--teacher", "davinci", "--dataset", "d", file)
        == "D_d.json: 0 new answers, 10 were there\n"
    )


def test_odd_samples_are_counted_and_the_rest_kept(here):
    unfinished = {
        name: value
        for name, value in finished(2, 0).items()
        if "completion" not in name and "finish" not in name
    }
    half = {
        name: value for name, value in finished(4, 0).items() if name not in ("completion", "finish_reason")
    }
    other = finished(2, 1, prompt="Q: What is 1 + 1?\nSo?")
    unknown = finished(2, 2, reasoning_prompt="Q: Who?\nA: Let's think step by step.")
    dump(
        "D_d.json",
        reasoning_teacher(
            finished(0, 0),
            unfinished,
            other,
            unknown,
            half,
            reasoning_temperature=0.7,
            temperature=0.0,
            max_tokens=512,
        ),
    )
    lines = done("import", "--teacher", "davinci", "--dataset", "d", "D_d.json").splitlines()
    assert lines[0] == "D_d.json: 4 new answers, 0 were there"
    assert set(lines[1:]) == {
        "  1 samples without a text: an interrupted run (first: sample 2, completion 0)",
        "  1 samples cut off where asked otherwise than the teacher asks (first: sample 2, completion 1)",
        (
            "  1 samples left out: the teacher asks none of the examples this way (first: sample 2,"
            " completion 2)"
        ),
        "  1 note: released with temperature 0.0, the teacher has 0.7 (first: metadata)",
        "  1 note: released with max_tokens 512, the teacher has 128 (first: metadata)",
    }


def test_without_a_dataset_prompts_stay_as_released(here):
    dump("D_d.json", reasoning_teacher(finished(0, 0, "  a  ")))
    done("import", "--teacher", "davinci", "D_d.json")
    prompts = {
        json.loads(body)["prompt"]: answer.text for _, body, _, answer in contents.stored_rows(Store())
    }
    assert prompts == {finished(0, 0)["reasoning_prompt"]: "  a  ", finished(0, 0, "  a  ")["prompt"]: " 1."}


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            reasoning_teacher(finished(0, 0), base_model="curie"),
            "answers of 'curie', but the teacher's model is 'text-davinci-002'",
        ),
        (reasoning_teacher(finished(0, 0), train_key="ft_cot"), "after training"),
        (
            reasoning_teacher(finished(0, 0), finished(0, 1, completion=7)),
            "sample 0, completion 1: `completion` is 7, wanted a text",
        ),
        (
            reasoning_teacher(finished(0, 0), finished(0, 1, question=None)),
            "sample 0, completion 1: `question` is None",
        ),
        ({"metadata": {}, "data": {"3": {}}}, "sample 3: got dict, wanted a list"),
        ({"outputs": [{"input": "i", "prediction": "p"}, {"input": "i"}]}, "row 2: `prediction` is None"),
        ({"outputs": ["x"]}, "row 1: got str, wanted an object"),
        ([{"prompt": "p", "response": "r"}, {"response": "r"}], "row 2: `prompt` is None"),
        ([{"prompt": "p", "response": "r", "tokens": ["a"]}], "row 1: `tokens` and `token_probs`"),
        (
            [{"instruction": "i", "response": "r"}, {"instruction": "i", "response": ["r"]}],
            "row 2: `response` is ['r']",
        ),
        ([{"text": "x"}], "none of the known formats"),
        ([], "none of the known formats"),
        ("x", "none of the known formats"),
    ],
)
def test_defective_files(here, file, message):
    dump("f.json", file)
    result = run("import", "--teacher", "davinci", "f.json")
    assert isinstance(result.exception, ValueError)
    assert str(result.exception).startswith("f.json")
    assert message in str(result.exception)


def test_not_json(here):
    Path("f.json").write_text('{"data": ')
    assert "f.json: not JSON" in str(run("import", "--teacher", "davinci", "f.json").exception)


def test_scotd(here):
    """Its responses end with the separator that its sampler adds; the prompt has the demonstrations."""
    prompt = f"{SHOWN.rstrip()}\n\nQ:  What is 2 + 1? \nA:"
    rows = [
        {
            "prompt": prompt,
            "response": f" It is {n}. The answer is 3.\n\n",
            "score": 1,
            "index": 4,
            "rationale": f"It is {n}.",
        }
        for n in range(3)
    ]
    rows[2] |= {"tokens": [" It", " is", "x"], "token_probs": [-0.5, -0.25, None]}
    dump("csqa_30x.json", rows)
    assert "3 new answers" in done("import", "--teacher", "codex", "--dataset", "d", "csqa_30x.json")
    (_, body), *others = {(key, body) for key, body, *_ in contents.stored_rows(Store())}
    assert not others
    assert json.loads(body) == {
        "kind": "completions",
        "model": "code-davinci-002",
        "prompt": few_shot_cot.ask(EXAMPLES[4], [], None, SHOWN),
        "temperature": 1.0,
        "max_tokens": 128,
        "stop": ["\nQ:"],
        "version": 1,
    }
    answers = [answer for *_, answer in contents.stored_rows(Store())]
    assert [answer.text for answer in answers] == [f" It is {n}. The answer is 3." for n in range(3)]
    assert [answer.logprobs for answer in answers] == [None, None, [(" It", -0.5), (" is", -0.25)]]
    assert {answer.finish_reason for answer in answers} == {"unknown"}


def test_cascod(here):
    """Its rows name the question; the prompt is there in some files."""
    question, prompt = EXAMPLES[0].question, "Q: What is 0 + 1?\nA: Let's think step by step."
    common = {"input": "", "output": "1", "task_description": "Add."}
    rows = [
        {"instruction": question, "response": "One. Therefore, the answer is 1.", **common},
        {"instruction": question, "response": "Again.", "prompt": prompt, **common},
        {"instruction": "Another question?", "response": "r", **common},
        {"instruction": question, "response": "r", "prompt": "Answer: What is 0 + 1?", **common},
    ]
    dump("all_task_train_final.json", rows)
    lines = done("import", "--teacher", "chat", "--dataset", "d", "all_task_train_final.json").splitlines()
    assert lines == [
        "all_task_train_final.json: 2 new answers, 0 were there",
        "  2 samples left out: the teacher asks none of the examples this way (first: row 3)",
    ]
    asked = {
        (json.loads(body)["prompt"], sample): answer.text
        for _, body, sample, answer in contents.stored_rows(Store())
    }
    assert asked == {(prompt, 0): "One. Therefore, the answer is 1.", (prompt, 1): "Again."}
    lines = done("import", "--teacher", "chat", "all_task_train_final.json").splitlines()
    assert "  2 samples cut off where no prompt was released: name the dataset (first: row 1)" in lines


def test_big_bench_hard(here, mirror):
    folder = next((mirror / "github/suzgunmirac/BIG-Bench-Hard").iterdir()) / "code-davinci-002-outputs"
    files = sorted(folder.glob("*/*.json"))
    assert len(files) == 54
    kinds = {len(read_released(path).rows) for path in files}
    assert kinds == {250, 187, 146, 178}
    names = ("causal_judgement", "snarks")
    chosen = [path for path in files if path.name.startswith(names)]
    done("import", "--teacher", "codex", *chosen)
    stored = {
        (json.loads(body)["prompt"], sample): answer
        for _, body, sample, answer in contents.stored_rows(Store())
    }
    assert len(stored) == 2 * (187 + 178)
    seen = {}
    for path in chosen:
        for output in json.loads(path.read_text())["outputs"]:
            place = seen[output["input"]] = seen.get(output["input"], -1) + 1
            assert stored[output["input"], place].text == output["prediction"]
            assert stored[output["input"], place].source == f"import {path.name}"
    # two questions of causal_judgement occur twice in each of the two files
    assert sum(place > 0 for place in seen.values()) == 4


NO_FILES = {
    "none.jsonl": (None, FileNotFoundError, "none.jsonl"),
    "none.json": (None, FileNotFoundError, "none.json"),
    "folder.jsonl": (None, IsADirectoryError, "folder.jsonl"),
    "binary.jsonl": (b"\xff\xfe\0junk", ValueError, "binary.jsonl: not text in UTF-8"),
    "binary.json": (b"\xff\xfe\0junk", ValueError, "binary.json: not text in UTF-8"),
    "store.jsonl": (
        b"SQLite format 3\0" + bytes(100),
        ValueError,
        "store.jsonl: a SQLite file; `cot store merge`",
    ),
    "store.sqlite3": (
        b"SQLite format 3\0" + bytes(100),
        ValueError,
        "store.sqlite3: a SQLite file; `cot store merge`",
    ),
    "list.jsonl": (b"[1, 2]", ValueError, "list.jsonl line 1: got list"),
}


@pytest.mark.parametrize("options", [[], ["--teacher", "davinci"]])
@pytest.mark.parametrize("name", NO_FILES)
def test_files_that_cannot_be_read_are_named_and_leave_no_store(here, name, options):
    content, kind, message = NO_FILES[name]
    if content is not None:
        Path(name).write_bytes(content)
    elif name.startswith("folder"):
        Path(name).mkdir()
    write("out.jsonl", [row()])
    result = run("import", *options, "out.jsonl", name)
    if name == "binary.json" and not options:
        message = "binary.json: no *.jsonl, so a released file; --teacher must name the block"
    assert type(result.exception) is kind
    assert message in str(result.exception)
    assert "released file" not in str(result.exception) or name == "binary.json"
    assert list(here.glob("store.sqlite*")) == ([here / name] if name == "store.sqlite3" else [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--teacher must name the block"),
        (["--teacher", "rules"], "wanted openai"),
        (["--teacher", "none"], "no block `teachers.none`"),
        (["--teacher", "davinci", "--dataset", "e"], "dvc repro prepare@e"),
    ],
)
def test_import_says_what_it_needs(here, options, message):
    dump("f.json", {"outputs": []})
    result = run("import", *options, "f.json")
    assert isinstance(result.exception, ValueError)
    assert message in str(result.exception)


def test_readers_give_what_the_command_stores(here):
    write("out.jsonl", [row()])
    assert dict(read_own(Path("out.jsonl"), None).answers) == {"ab" * 32: {0: Answer("t", "stop", model="m")}}
    dump("f.json", {"outputs": [{"input": "i", "prediction": "p", "target": "t"}]})
    found = read_released_answers(Path("f.json"), asking(), None)
    assert found.answers == {
        Request("chat", "m", "i").key: {0: Answer("p", "unknown", model="m", source="import f.json")}
    }
    assert list(found.requests.values()) == [Request("chat", "m", "i")]
