"""Local models as teachers: decoded in this process (`transformers`), and behind a real server (`transformers
serve`) through the real client.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from made_models import write_gguf
from ruamel.yaml import YAML

from stages import predict, teach
from stages.asking.local import from_memory
from stages.asking.request import Answer
from stages.asking.store import Store
from stages.config.base import Base, base_sha256
from stages.config.decoding import Decoding
from stages.config.load import check
from stages.predict import predictions, student_asking
from stages.records.completion import Completion, read_completions
from stages.records.example import Example, write_examples
from stages.records.files import sha256_of
from stages.students import decode as decoder
from stages.students import load as students
from stages.students.load import load
from stages.teachers import transformers as local

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = [
    Example(f"made-{i}", "made", question, str(i), "number")
    for i, question in enumerate(["2 + 3?", "A longer one, 5 + 1?", "7?"])
]
METHODS = ("zero_shot_cot", "few_shot_cot")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a params.yaml, a store of its own and no other settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COT_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.delenv("COT_MODE", raising=False)
    write_params({})
    return tmp_path


def write_params(blocks: dict) -> None:
    YAML().dump({"methods": {name: {} for name in METHODS}, **blocks}, Path("params.yaml"))


def block(folder: Path, **values) -> dict:
    return {
        "backend": "transformers",
        "base": {"path": str(folder), "sha256": base_sha256(folder)},
        "max_tokens": 8,
        **values,
    }


def ask(
    folder: Path, examples: list[Example] = EXAMPLES, demonstrations: str = "", **values
) -> list[Completion]:
    settings = check("teachers.local", block(folder, **values), local.Settings)
    return list(local.complete(examples, settings, Path("raw"), demonstrations))


def said(rows: list[Completion], below: int = 10**9) -> dict[tuple[str, int], list[str]]:
    return {(row.example_id, row.sample): row.texts for row in rows if row.sample < below}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The prompts of every call of decode."""
    calls: list[list[str]] = []
    real = decoder.decode

    def counted(student, prompts, *rest):
        calls.append(prompts)
        return real(student, prompts, *rest)

    monkeypatch.setattr(decoder, "decode", counted)
    return calls


@pytest.mark.parametrize(
    ("family", "method", "shown"),
    [("llama", "zero_shot_cot", ""), ("t5", "zero_shot_cot", ""), ("gpt2", "few_shot_cot", "Q: a\nA: b")],
)
def test_a_greedy_teacher_says_what_the_same_student_says(
    place: Path, random_student, family: str, method: str, shown: str
) -> None:
    folder, module = random_student(family), import_module(f"stages.methods.{method}")
    rows = ask(folder, demonstrations=shown, method=method)
    decoding = Decoding(max_new_tokens=8)
    student_at = {"api": "transformers", "model": "small"}
    asking = student_asking(student_at, module, module.Settings(), shown, decoding)
    who = from_memory(lambda: load(folder), decoding, "test")
    student = predictions("small", "selected", EXAMPLES, asking, who)
    assert [(row.example_id, row.texts, row.finish_reasons) for row in rows] == [
        (row.example_id, row.texts, row.finish_reasons) for row in student
    ]
    assert [(row.usage["in"], row.usage["out"]) for row in rows] == [
        (row.usage["in"], row.usage["out"]) for row in student
    ]
    assert {(row.model, row.origin) for row in rows} == {(f"sha256:{base_sha256(folder)[:16]}", "local")}


def test_its_precision_is_the_block_s(place: Path, random_student, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked with another precision, what is stored stays."""
    dtypes = []
    real = decoder.decode

    def noted(student, *rest):
        dtypes.append(str(student.model.dtype))
        return real(student, *rest)

    monkeypatch.setattr(decoder, "decode", noted)
    monkeypatch.setattr("stages.students.device.bfloat16_of", lambda where: "it has")
    ask(random_student("llama"), EXAMPLES[:1])  # auto: saved in float32
    ask(random_student("llama"), EXAMPLES[:2], precision="bfloat16")
    ask(random_student("llama"), EXAMPLES[:2], precision="float32")
    assert list(dict.fromkeys(dtypes)) == ["torch.float32", "torch.bfloat16"]  # two steps each


SAMPLED = {"temperature": 1.0, "seed": 3}


def test_samples_are_nested_whatever_was_asked_first(
    place: Path, random_student, decoded: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two, then five, against five at once: the same draws, each decoded once."""
    folder = random_student("llama")
    two = ask(folder, samples=2, **SAMPLED)
    assert sum(map(len, decoded)) == 3 * 2 * 2
    five = ask(folder, samples=5, **SAMPLED)
    assert sum(map(len, decoded)) == 3 * 5 * 2
    assert said(five, 2) == said(two)
    for example in EXAMPLES:
        assert len({row.texts[0] for row in five if row.example_id == example.id}) == 5
    monkeypatch.setenv("COT_STORE", str(place / "another.sqlite"))
    assert said(ask(folder, samples=5, **SAMPLED)) == said(five)
    assert said(ask(folder, samples=5, temperature=1.0, seed=4)) != said(five)


def test_what_is_stored_is_not_decoded_and_the_model_not_even_loaded(
    place: Path, random_student, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = random_student("llama")
    rows = ask(folder, samples=3, **SAMPLED)
    monkeypatch.setattr(students, "load_base", None)
    monkeypatch.setenv("COT_MODE", "replay")
    assert ask(folder, samples=3, **SAMPLED) == rows
    assert ask(folder, samples=1, **SAMPLED) == [row for row in rows if row.sample == 0]
    with pytest.raises(
        ValueError, match=r"replay: answers of sha256:\w{16} to 6 of 15 completions are not in .*store.sqlite"
    ):
        ask(folder, samples=5, **SAMPLED)


def test_added_rows_alone_are_decoded(place: Path, random_student, decoded: list) -> None:
    folder = random_student("llama")
    first = ask(folder, EXAMPLES[:2], samples=2, **SAMPLED)
    decoded.clear()
    rows = ask(folder, samples=2, **SAMPLED)
    assert rows[:4] == first
    assert all("7?" in prompt for prompts in decoded for prompt in prompts)
    assert sum(map(len, decoded)) == 2 * 2


def test_the_key_is_of_the_weights_not_of_their_place(
    place: Path, random_student, decoded: list, tmp_path: Path
) -> None:
    rows = ask(random_student("llama"))
    shutil.copytree(random_student("llama"), tmp_path / "copy")
    decoded.clear()
    # a greedy answer depends on no seed
    assert ask(tmp_path / "copy") == ask(tmp_path / "copy", seed=9) == rows
    assert decoded == []
    assert len(ask(random_student("gpt2"))) == 3
    assert len(decoded) == 2
    assert local.model_name(Base(hub="owner/name", revision="abc")) == "owner/name@abc"


def test_a_teacher_that_is_a_gguf_file_is_converted_once(
    place: Path, decoded: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what the folder says that is made of the file; its key is of the file."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    write_gguf(Path("made.gguf"))
    sha256 = sha256_of(Path("made.gguf"))
    file = {"gguf": "made.gguf", "sha256": sha256, "sources": [{"folder": "."}]}
    settings = check("teachers.local", {**block(place), "base": file}, local.Settings)
    rows = list(local.complete(EXAMPLES, settings, Path("raw"), ""))
    assert {row.model for row in rows} == {f"sha256:{sha256[:16]}"}
    (folder,) = Path("cache").rglob("student*")
    made = (folder / "model.safetensors").stat().st_mtime_ns
    assert said(rows) == said(ask(folder))
    monkeypatch.setenv("COT_STORE", str(place / "another.sqlite"))
    assert list(local.complete(EXAMPLES, settings, Path("raw"), "")) == rows
    assert (folder / "model.safetensors").stat().st_mtime_ns == made


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}, {support!r}]
import test_local_teacher as tests
from stages.students import decode as decoder
real, calls = decoder.decode, []
def fatal(*values):
    calls.append(1)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*values)
decoder.decode, tests.local.CHUNK = fatal, 2
tests.ask(Path({folder!r}), samples=2, temperature=1.0, seed=3)
"""


def test_a_kill_loses_one_chunk(
    place: Path, random_student, decoded: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks of 2: the first sample takes 2 + 1 answers, twice; the fourth call is killed, so 5 of 12 answers
    are there and 7 are decoded.
    """
    folder = random_student("llama")
    here = {"tests": str(Path(__file__).parent), "support": str(ROOT / "tests/support")}
    code = KILLED.format(root=str(ROOT), **here, folder=str(folder))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with Store().transaction() as db:
        assert db.execute("SELECT count(*) FROM answer").fetchone() == (5,)
    monkeypatch.setattr(local, "CHUNK", 2)
    rows = ask(folder, samples=2, **SAMPLED)
    assert sum(map(len, decoded)) == 7
    monkeypatch.setenv("COT_STORE", str(place / "another.sqlite"))
    # what was missing is cut into the same chunks
    assert said(ask(folder, samples=2, **SAMPLED)) == said(rows)


def test_what_another_process_decodes_is_waited_for(
    place: Path, random_student, decoded: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = random_student("llama")
    settings = check("teachers.local", block(folder), local.Settings)
    request = local.asking(settings, "").request(f"Q: {EXAMPLES[1].question}\nA: Let's think step by step.")
    other, looks = Store(), []
    other.claim([(request.key, 0)])

    def arrives(seconds: float) -> None:
        assert [len(prompts) for prompts in decoded] == [2]
        looks.append(seconds)
        if len(looks) == 3:
            other.put(
                [
                    (
                        request,
                        {0: Answer(" from there", "stop", tokens_in=1, tokens_out=1, source="local")},
                    )
                ]
            )

    monkeypatch.setattr(local.time, "sleep", arrives)
    rows = ask(folder)
    assert len(looks) == 3
    assert rows[1].texts[0] == " from there"
    assert sum(map(len, decoded)) == 5


def test_claims_of_a_failed_run_are_lifted(
    place: Path, random_student, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "decode", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ask(random_student("llama"))
    with Store().transaction() as db:
        assert db.execute("SELECT count(*) FROM claim").fetchone() == (0,)


def test_a_prompt_without_room_is_answered_by_its_reason(place: Path, random_student) -> None:
    long = Example("made-9", "made", "x" * 600, "1", "number")
    rows = ask(random_student("llama"), [long, EXAMPLES[0]])
    assert (rows[0].texts, rows[0].finish_reasons) == (["", ""], ["prompt_too_long"] * 2)
    assert "prompt_too_long" not in rows[1].finish_reasons


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"samples": 2}, "greedy samples are all the same"),
        ({"base": {"hub": "a/b"}}, "pin it: `revision` with `hub`"),
        ({"top_p": 0.9}, "unknown key"),
    ],
)
def test_settings(tmp_path: Path, values: dict, message: str) -> None:
    given = {"backend": "transformers", "base": {"hub": "a/b", "revision": "c"}, **values}
    with pytest.raises(ValueError, match=message):
        check("teachers.local", given, local.Settings)


def test_changed_weights_are_refused(place: Path, random_student, tmp_path: Path) -> None:
    shutil.copytree(random_student("llama"), tmp_path / "copy")
    values = block(tmp_path / "copy")
    (tmp_path / "copy" / "config.json").write_text((tmp_path / "copy" / "config.json").read_text() + "\n")
    with pytest.raises(ValueError, match="sha256"):
        list(local.complete(EXAMPLES, check("teachers.local", values, local.Settings), Path("raw"), ""))


# ---- a real server


@pytest.fixture(scope="module")
def chat_model(random_student, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random Llama with a chat template, and samples where a temperature is given (the server asks the
    model's own settings for that).
    """
    folder = tmp_path_factory.mktemp("served") / "llama"
    shutil.copytree(random_student("llama"), folder)
    template = (
        "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}<assistant>"
    )
    (folder / "chat_template.jinja").write_text(template)
    (folder / "generation_config.json").write_text(
        '{"do_sample": true, "eos_token_id": 1, "pad_token_id": 0, "top_k": 0}'
    )
    return folder


def test_every_second_sample_argues_for_a_wrong_answer(place: Path, chat_model: Path) -> None:
    rows = ask(chat_model, method="counterfactual_cot", samples=2, temperature=1.0)
    assert [(row.example_id, row.sample) for row in rows] == [(one.id, n) for one in EXAMPLES for n in (0, 1)]
    for row in rows:
        example = next(one for one in EXAMPLES if one.id == row.example_id)
        if row.sample == 0:
            assert row.given is None
        else:
            assert row.given in {one.answer for one in EXAMPLES} - {example.answer}
            assert row.prompts[0].endswith(f'"Answer: {row.given}".')


@pytest.fixture(scope="module")
def server(
    chat_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Callable[[], None]]]:
    """(base_url, stop) of `transformers serve` with that model on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [
        Path(sys.executable).with_name("transformers"),
        "serve",
        chat_model,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--device",
        "cpu",
    ]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "HF_HUB_OFFLINE": "1"})

    def stop() -> None:
        process.terminate()
        process.wait()

    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health").close()
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        else:
            pytest.fail(log.read_text())
        yield f"http://127.0.0.1:{port}/v1", stop
    finally:
        stop()


def teach_served(
    server: tuple[str, Callable[[], None]], chat_model: Path, examples: list[Example] = EXAMPLES, **values
) -> list[Completion]:
    """What the stage writes with that server as its teacher."""
    teacher = {"backend": "openai", "endpoint": "served", "model": str(chat_model), "max_tokens": 8}
    teacher |= {"method": "zero_shot_cot", **values}
    write_params(
        {
            "teachers": {"served": teacher},
            "endpoints": {"served": {"base_url": server[0], "concurrency": 1, "attempts": 1}},
        }
    )
    write_examples(Path("examples.jsonl"), examples)
    Path("demonstrations.txt").write_text("")
    teach.main(
        "served",
        Path("raw"),
        Path("examples.jsonl"),
        Path("demonstrations.txt"),
        Path("out.jsonl"),
        Path("counts.json"),
    )
    return read_completions(Path("out.jsonl"))


def in_template(method: ModuleType, example: Example, texts: list[str]) -> str:
    return f"<user>{method.ask(example, texts, method.Settings(), '')}<assistant>"


def test_a_chat_teacher_behind_a_real_server(place: Path, server, chat_model: Path) -> None:
    """Its greedy texts, counts of tokens and finish reasons are those of the same weights decoded here."""
    rows = teach_served(server, chat_model)
    method, student = import_module("stages.methods.zero_shot_cot"), load(chat_model)
    assert [(row.example_id, row.sample) for row in rows] == [(example.id, 0) for example in EXAMPLES]
    for row, example in zip(rows, EXAMPLES, strict=True):
        steps = [in_template(method, example, row.texts[:step]) for step in range(2)]
        answers = [
            answers[0]
            for answers in decoder.decode(student, steps, ["\nQ:"], Decoding(max_new_tokens=8), "test")
        ]
        assert row.texts == [answer.text for answer in answers]
        assert row.finish_reasons == [answer.finish_reason for answer in answers] == ["length", "length"]
        assert row.usage == {"in": sum(answer.tokens_in for answer in answers), "out": 16}
        assert row.prompts == [
            method.ask(example, row.texts[:step], method.Settings(), "") for step in range(2)
        ]
        assert row.model == f"{chat_model}@main"


def test_the_served_model_and_the_local_one_say_the_same(place: Path, server, chat_model: Path) -> None:
    """The legacy completions endpoint continues a text as it stands, as the teacher `transformers` does."""
    served, here = teach_served(server, chat_model, api="completions"), ask(chat_model)
    for name in ("example_id", "prompts", "texts", "finish_reasons"):
        assert [getattr(row, name) for row in served] == [getattr(row, name) for row in here]
    assert [(row.usage["in"], row.usage["out"]) for row in served] == [
        (row.usage["in"], row.usage["out"]) for row in here
    ]


def test_a_stop_mark_is_cut_off_and_told(place: Path, server, chat_model: Path) -> None:
    free = teach_served(server, chat_model, EXAMPLES[:1])[0]
    mark = next(letter for letter in free.texts[0][1:] if letter.isascii() and letter.isprintable())
    stopped = teach_served(server, chat_model, EXAMPLES[:1], stop=[mark])[0]
    assert stopped.texts[0] == free.texts[0][: free.texts[0].index(mark)]
    assert stopped.finish_reasons[0] == "stop"


def test_seeded_samples_of_a_real_server_differ_and_repeat(
    place: Path, server, chat_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = teach_served(server, chat_model, samples=2, **SAMPLED)
    four = teach_served(server, chat_model, samples=4, **SAMPLED)
    assert said(four, 2) == said(two)
    for example in EXAMPLES:
        assert len({row.texts[0] for row in four if row.example_id == example.id}) == 4
    monkeypatch.setenv("COT_STORE", str(place / "another.sqlite"))
    assert said(teach_served(server, chat_model, samples=4, **SAMPLED)) == said(four)


def test_a_served_student_says_what_it_says_here(
    place: Path, server, chat_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """$COT_DECODER names an endpoint: the third way to decode; a student of other content is asked anew."""
    params = {
        "methods": {"zero_shot": {}},
        "decodings": {"greedy": {"max_new_tokens": 8}},
        "endpoints": {"served": {"base_url": server[0], "attempts": 1}},
    }
    write_params(params)
    write_examples(Path("examples.jsonl"), EXAMPLES)
    Path("split.json").write_text(json.dumps({"test": [example.id for example in EXAMPLES]}))
    Path("demonstrations.txt").write_text("")
    files = [Path(name) for name in ("examples.jsonl", "split.json", "demonstrations.txt")]
    predict.main("zero_shot", "small", "greedy", *files, chat_model, Path("here.jsonl"))
    monkeypatch.setenv("COT_DECODER", "served")
    predict.main("zero_shot", "small", "greedy", *files, chat_model, Path("there.jsonl"))
    here, there = read_completions(Path("here.jsonl")), read_completions(Path("there.jsonl"))
    for name in ("example_id", "texts", "finish_reasons", "prompts", "origin", "answer_prefix"):
        assert [getattr(row, name) for row in there] == [getattr(row, name) for row in here]
    before = predict.served(chat_model, "served")
    (place / "other").mkdir()
    (place / "other" / "config.json").write_text("{}")
    assert predict.served(place / "other", "served")["salt"] != before["salt"]
    (place / "other" / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"lora\.merge: true"):
        predict.served(place / "other", "served")


def test_a_second_run_asks_nothing(place: Path, server, chat_model: Path) -> None:
    """The last test of the server: it is gone when the second run comes."""
    rows = teach_served(server, chat_model, samples=2, **SAMPLED)
    server[1]()
    assert teach_served(server, chat_model, samples=2, **SAMPLED) == rows
    with pytest.raises(ValueError, match="did not come"):
        teach_served(server, chat_model, samples=3, **SAMPLED)
