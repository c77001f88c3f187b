"""Students at OpenAI: whole cells, a crash at every transition, money, refusals - against the local server,
through the real client.
"""

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from api_server import Remote, serve
from conftest import ROOT
from ruamel.yaml import YAML

from stages import predict, train
from stages.asking.store import Store
from stages.config.base import Base, write_pointer
from stages.config.student import HostedStudent, Student, check_student
from stages.endpoint import fine_tune
from stages.records.completion import read_completions
from stages.records.example import Example, write_examples
from stages.records.sequence import Run, Segment, Sequence, write_sequences
from stages.training import openai_files

SECRET = "sk-quite-secret-0123"
CHAT = {"kind": "openai", "endpoint": "local", "model": "gpt-4o-mini-2024-07-18"}
COMPLETIONS = {"kind": "openai", "endpoint": "local", "model": "babbage-002", "api": "completions"}
PRICE = {"listed": "2024-07-18", "input": 0.3, "output": 1.2, "training": 3.0}


@pytest.fixture(scope="module")
def running() -> Iterator[Remote]:
    with serve(key=SECRET) as server:
        yield server


@pytest.fixture
def server(running: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """A server that has forgotten everything, and a folder with params.yaml and one dataset."""
    running.reset()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COT_STORE", str(tmp_path / "store" / "store.sqlite"))
    monkeypatch.setenv("COT_POLL_SECONDS", "0.01")
    monkeypatch.setenv("COT_TEST_KEY", SECRET)
    monkeypatch.delenv("COT_MODE", raising=False)
    monkeypatch.setattr("stages.endpoint.server.pause", lambda attempt: 0.0)
    write_params(running)
    write_examples(
        Path("examples.jsonl"),
        [Example(f"made-{i}", "made", f"Question {i}?", str(i), "number") for i in range(20)],
    )
    Path("split.json").write_text(
        json.dumps({"train": [], "validation": [], "test": [f"made-{i}" for i in range(15, 20)]})
    )
    Path("demonstrations.txt").write_text("")
    write_sequences(Path("sequences.jsonl"), SEQUENCES)
    write_sequences(Path("none.jsonl"), [])
    return running


def sequence(row: int, part: str = "train", name: str = "made") -> Sequence:
    return Sequence(
        f"{name}-{row}",
        [Segment(f"Question {row}?###"), Segment(f"because é {row}. --> {row}END", "cot")],
        part,
    )


SEQUENCES = [sequence(i) for i in range(12)] + [sequence(i, "validation") for i in range(12, 15)]


def write_params(
    server: Remote, student: dict[str, Any] = CHAT, decoding: dict[str, Any] | None = None, **endpoint: Any
) -> None:
    params = {
        "students": {"hosted": student},
        "endpoints": {
            "local": {"base_url": server.url, "key_env": "COT_TEST_KEY", "attempts": 3, **endpoint}
        },
        "prices": dict.fromkeys((CHAT["model"], f"ft:{CHAT['model']}"), PRICE),
        "methods": {"fine_tune_cot": {"format": "paper"}, "zero_shot_cot": {}},
        "decodings": {"greedy": {"max_new_tokens": 40, **(decoding or {})}},
    }
    YAML().dump(params, Path("params.yaml"))


def run_train(
    sequences: str = "sequences.jsonl", out: str = "student", seed: int = 0
) -> tuple[dict[str, Any], list[dict[str, str]], dict[str, Any]]:
    """(pointer, loss rows, counts) of the stage."""
    files = ("base", sequences, "code", out, f"{out}.csv", f"{out}.json")
    train.main("hosted", seed, *map(Path, files))
    with Path(f"{out}.csv").open() as file:
        rows = list(csv.DictReader(file))
    return json.loads(Path(out, "openai.json").read_text()), rows, json.loads(Path(f"{out}.json").read_text())


def run_predict(method: str = "fine_tune_cot", out: str = "student") -> list[Any]:
    files = [
        Path("examples.jsonl"),
        Path("split.json"),
        Path("demonstrations.txt"),
        Path(out),
        Path("predictions.jsonl"),
    ]
    predict.main(method, "hosted", "greedy", *files)
    return read_completions(files[-1])


def posts(server: Remote, path: str) -> list[dict[str, Any]]:
    return [call for call in server.calls(path) if call["method"] == "POST"]


def jobs_and_files(server: Remote) -> tuple[int, int]:
    """How many jobs and how many files were made on the server."""
    return tuple(
        sum(call["fault"] not in ("drop", 500) for call in posts(server, path))
        for path in ("/fine_tuning/jobs", "/files")
    )  # type: ignore[return-value]


def file_lines(api: str, part: str) -> list[dict[str, Any]]:
    """The oracle of the uploaded files."""
    pairs = [
        ("".join(s.text for s in row.segments[:1]), row.segments[1].text)
        for row in SEQUENCES
        if row.part == part
    ]
    if api == "completions":
        return [{"prompt": prompt, "completion": completion} for prompt, completion in pairs]
    return [
        {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}
        for prompt, answer in pairs
    ]


@pytest.mark.parametrize("student", [CHAT, COMPLETIONS], ids=["chat", "completions"])
def test_a_whole_cell(server: Remote, student: dict[str, Any]) -> None:
    write_params(server, student)
    api = student.get("api", "chat")
    pointer, losses, counts = run_train(seed=7)
    uploads = [call["body"] for call in posts(server, "/files")]
    for upload, part in zip(uploads, ("train", "validation"), strict=True):
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in file_lines(api, part)).encode()
        assert (upload["purpose"], upload["sha256"], upload["bytes"]) == (
            "fine-tune",
            hashlib.sha256(text).hexdigest(),
            len(text),
        )
    (job,) = (call["body"] for call in posts(server, "/fine_tuning/jobs"))
    assert (job["model"], job["seed"]) == (student["model"], 7)
    assert job["method"] == {
        "type": "supervised",
        "supervised": {"hyperparameters": {"n_epochs": 4, "batch_size": 1}},
    }
    assert pointer["model"].startswith(f"ft:{student['model']}:") and pointer["job"].startswith("ftjob-")  # noqa: PT018
    assert (pointer["base"], pointer["api"], pointer["endpoint"]) == (student["model"], api, "local")
    # the server's loss of step s is 2 / (1 + s / 12); validation is that of an epoch's last step, plus 0.1
    means = [
        sum(round(2 / (1 + step / 12), 5) for step in range(12 * e + 1, 12 * e + 13)) / 12 for e in range(4)
    ]
    assert [(int(row["epoch"]), float(row["train_loss"])) for row in losses] == [
        (e + 1, pytest.approx(means[e], abs=1e-6)) for e in range(4)
    ]
    assert [float(row["validation_loss"]) for row in losses] == [
        pytest.approx(2 / (2 + e) + 0.1, abs=1e-5) for e in range(4)
    ]
    priced = student is CHAT  # babbage-002 stands in no price table
    assert counts["trained_tokens"] == pointer["trained_tokens"] > 0
    assert counts["dollars"] == (pytest.approx(counts["trained_tokens"] * 3e-6) if priced else None)
    assert (counts["sequences_train"], counts["sequences_validation"], counts["questions_train"]) == (
        12,
        3,
        12,
    )
    rows = run_predict()
    assert [(row.example_id, row.sample, row.model, row.origin) for row in rows] == [
        (f"made-{i}", 0, "hosted", "selected") for i in range(15, 20)
    ]
    asked = posts(server, "/chat/completions" if api == "chat" else "/completions")
    assert {
        (
            call["body"]["model"],
            call["body"]["max_tokens"],
            call["body"]["temperature"],
            *call["body"]["stop"],
        )
        for call in asked
    } == {(pointer["model"], 40, 0.0, "END")}
    prompts = {
        call["body"]["messages"][0]["content"] if api == "chat" else call["body"]["prompt"] for call in asked
    }
    assert prompts == {f"Question {i}?###" for i in range(15, 20)} == {row.prompts[0] for row in rows}
    assert {row.texts[0] for row in rows} == {text for call in asked for text in call["texts"]}
    if priced:
        answers = sum((row.usage["in"] * 0.3 + row.usage["out"] * 1.2) / 1e6 for row in rows)
        assert Store().spent("local") == pytest.approx(counts["dollars"] + answers)


def test_a_second_run_asks_nothing_and_writes_the_same(server: Remote) -> None:
    first = run_train(), run_predict(), Path("predictions.jsonl").read_bytes()
    before = len(server.calls())
    assert (run_train(), run_predict(), Path("predictions.jsonl").read_bytes()) == first
    assert len(server.calls()) == before


def test_the_same_content_is_trained_once(
    server: Remote, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From another cell (other questions, the same texts); from another machine (an empty store); but another
    seed is another training.
    """
    mine, _, counts = run_train()
    write_sequences(Path("other.jsonl"), [sequence(i, row.part, "other") for i, row in enumerate(SEQUENCES)])
    assert run_train("other.jsonl", "other")[0] == mine
    monkeypatch.setenv("COT_STORE", str(tmp_path / "elsewhere.sqlite"))
    assert run_train(out="again")[::2] == (mine, counts)
    assert jobs_and_files(server) == (1, 2)
    assert Store().spent("local") == 0  # it was paid from the other store
    assert run_train(out="seed", seed=1)[0]["job"] != mine["job"]
    assert jobs_and_files(server) == (2, 2)


KILLER = """
import os, signal, sys
from pathlib import Path
from stages.asking.store import Store
write, (state, when) = Store.write_job, sys.argv[1:3]
def killed(self, job, kind, endpoint, now, record):
    if now == state and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, job, kind, endpoint, now, record)
    if now == state:
        os.kill(os.getpid(), signal.SIGKILL)
Store.write_job = killed
from stages import train
files = ("base", "sequences.jsonl", "code", "student", "student.csv", "student.json")
train.main("hosted", 0, *map(Path, files))
"""


@pytest.mark.parametrize(
    ("state", "when", "made"),
    [
        ("intent", "after", (0, 0)),  # before the upload
        ("uploaded", "before", (0, 1)),  # uploaded, and not recorded
        ("creating", "after", (0, 2)),  # before the job
        ("submitted", "before", (1, 2)),  # created, and not recorded
        ("submitted", "after", (1, 2)),
        ("running", "after", (1, 2)),
        ("succeeded", "before", (1, 2)),  # finished, and not recorded
        ("succeeded", "after", (1, 2)),  # recorded, and the stage's outs not written
    ],
)
def test_kill_9_at_a_transition(server: Remote, state: str, when: str, made: tuple[int, int]) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run(
        [sys.executable, "-c", KILLER, state, when], env=environment, capture_output=True, text=True
    )
    assert killed.returncode == -9, killed.stderr
    assert jobs_and_files(server) == made
    assert not Path("student").exists()
    pointer, losses, counts = run_train()
    assert jobs_and_files(server) == (1, 2)
    assert len(losses) == 4
    assert Store().spent("local") == pytest.approx(counts["dollars"])
    assert run_train()[0] == pointer
    assert jobs_and_files(server) == (1, 2)


def test_two_processes_with_the_same_content_train_once(server: Remote) -> None:
    server.script([{"fault": "slow", "delay": 1.0, "path": "/fine_tuning/jobs", "method": "GET", "first": 4}])
    command = [sys.executable, "-m", "stages.train", "hosted", "0", "base", "sequences.jsonl", "code"]
    outs = [[f"cell{i}", f"cell{i}.csv", f"cell{i}.json"] for i in range(2)]
    both = [subprocess.Popen([*command, *out], env=os.environ | {"PYTHONPATH": str(ROOT)}) for out in outs]
    assert [process.wait() for process in both] == [0, 0]
    assert Path("cell0/openai.json").read_bytes() == Path("cell1/openai.json").read_bytes()
    assert jobs_and_files(server) == (1, 2)


@pytest.mark.parametrize(
    "fault",
    [
        "cut",
        "cut_body",
        "malformed",
        "drop",
        500,
        {"fault": 500, "done": True},
        {"fault": 429, "retry_after": 0},
    ],
)
@pytest.mark.parametrize("path", ["/files", "/fine_tuning/jobs"])
def test_a_lost_response_repeats_nothing(server: Remote, path: str, fault: Any) -> None:
    server.script(
        [
            {
                **(fault if isinstance(fault, dict) else {"fault": fault}),
                "path": path,
                "method": "POST",
                "first": 1,
            }
        ]
    )
    _, _, counts = run_train()
    assert len(listed(server, "/files?purpose=fine-tune")) == 2
    assert len(listed(server, "/fine_tuning/jobs")) == 1
    assert Store().spent("local") == pytest.approx(counts["dollars"])


def listed(server: Remote, path: str) -> list[Any]:
    """What the server has by now."""
    from urllib.request import Request, urlopen

    with urlopen(Request(f"{server.url}{path}", headers={"Authorization": f"Bearer {SECRET}"})) as response:
        return json.load(response)["data"]


@pytest.mark.parametrize("path", ["/files", "/fine_tuning/jobs"])
def test_a_server_that_stays_down_is_an_error_from_which_the_next_run_goes_on(
    server: Remote, path: str
) -> None:
    server.script([{"fault": "drop", "path": path, "method": "POST"}])
    with pytest.raises(ValueError, match=r"'local', http://127.*nothing is lost"):
        run_train()
    assert len(posts(server, path)) == 3  # attempts
    server.script([])
    _, _, counts = run_train()
    assert (len(listed(server, "/fine_tuning/jobs")), len(listed(server, "/files?purpose=fine-tune"))) == (
        1,
        2,
    )
    assert Store().spent("local") == pytest.approx(counts["dollars"])


# the client itself repeats the first three
@pytest.mark.parametrize(("fault", "lost"), [("drop", 8), ("cut_body", 8), (503, 8), ("malformed", 2)])
def test_waiting_outlasts_an_outage(
    server: Remote, monkeypatch: pytest.MonkeyPatch, fault: Any, lost: int
) -> None:
    monkeypatch.setattr(fine_tune.time, "sleep", lambda seconds: None)
    server.script(
        [
            {
                "fault": fault,
                "path": "/fine_tuning/jobs/ftjob-",
                "method": "GET",
                "calls": list(range(1, 1 + lost)),
            }
        ]
    )
    run_train()
    assert jobs_and_files(server) == (1, 2)


@pytest.mark.parametrize(
    ("ends", "said"),
    [("failed", "failed: bad_data: The job failed due to bad_data"), ("cancelled", "cancelled")],
)
def test_a_job_that_ends_badly(server: Remote, monkeypatch: pytest.MonkeyPatch, ends: str, said: str) -> None:
    """The error has the server's words, nothing was paid (a cancelled job may have been: nobody tells), and
    the next run starts a new job.
    """

    def end(seconds: float) -> None:
        server.advance(listed(server, "/fine_tuning/jobs")[0]["id"], to=ends, code="bad_data")

    monkeypatch.setattr(fine_tune.time, "sleep", end)
    with pytest.raises(ValueError, match=f"of gpt-4o-mini-2024-07-18 at endpoint 'local' {said}"):
        run_train()
    spent = Store().spent("local")
    assert (spent == 0) == (ends == "failed")
    assert [state for _, state, _ in Store().jobs("fine_tune").values()] == [ends]
    monkeypatch.setattr(fine_tune.time, "sleep", lambda seconds: None)
    _, _, counts = run_train()
    assert jobs_and_files(server) == (2, 2)
    assert Store().spent("local") == pytest.approx(spent + counts["dollars"])


def test_the_key_is_in_no_file_and_no_output(
    server: Remote, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_train()
    run_predict()
    monkeypatch.setenv("COT_TEST_KEY", wrong := "sk-wrong-and-secret-too")
    with pytest.raises(ValueError, match=r"401.*the key is missing or wrong \(\$COT_TEST_KEY\)") as error:
        run_train(seed=1)
    said = "".join(capfd.readouterr()) + str(error.value)
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert all(secret not in said and secret.encode() not in held for secret in (SECRET, wrong))
    monkeypatch.delenv("COT_TEST_KEY")
    with pytest.raises(ValueError, match=r"\$COT_TEST_KEY is not set"):
        run_train(seed=1)


def test_a_budget_is_asked_before_a_job_is_sent(server: Remote) -> None:
    size = sum(
        len(json.dumps(line, ensure_ascii=False).encode()) + 1
        for part in ("train", "validation")
        for line in file_lines("chat", part)
    )
    most = size * 4 * 3e-6
    write_params(server, budget=most * 0.99)
    with pytest.raises(ValueError, match=r"0\.0000 spent, fine-tuning may cost"):
        run_train()
    assert jobs_and_files(server)[0] == 0
    write_params(server, budget=most * 1.01)
    counts = run_train()[2]
    assert 0 < counts["dollars"] < most
    assert Store().spent("local") == pytest.approx(counts["dollars"])
    write_params(server, COMPLETIONS, budget=100.0)
    with pytest.raises(ValueError, match=r"no training price is known for 'babbage-002'"):
        run_train()
    assert jobs_and_files(server)[0] == 1


def test_what_the_server_refuses_is_not_paid(server: Remote) -> None:
    write_params(server, CHAT | {"prompt_loss_weight": 0.01})
    with pytest.raises(
        ValueError,
        match=(
            r"Unknown parameter: 'method\.supervised\.hyperparameters\.prompt_loss_weight'.*does it offer"
            r" every setting"
        ),
    ):
        run_train()
    assert Store().spent("local") == 0
    write_params(server)
    run_train()
    assert len(listed(server, "/fine_tuning/jobs")) == 1


def test_replay_touches_no_network(server: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COT_MODE", "replay")
    with pytest.raises(
        ValueError,
        match=r"no finished fine-tuning of gpt-4o-mini-2024-07-18 on these 12 examples.*at most 0\.0",
    ):
        run_train()
    assert server.calls() == []
    monkeypatch.setenv("COT_MODE", "live")
    trained = run_train()
    before = len(server.calls())
    monkeypatch.setenv("COT_MODE", "replay")
    assert run_train() == trained
    assert len(server.calls()) == before


def test_a_method_that_learns_nothing_asks_the_base_model(server: Remote) -> None:
    pointer, losses, counts = run_train("none.jsonl")
    assert (pointer["model"], pointer["job"], losses, counts) == (
        CHAT["model"],
        None,
        [],
        {"sequences_train": 0},
    )
    assert server.calls() == []
    rows = run_predict("zero_shot_cot")
    assert {call["body"]["model"] for call in server.calls()} == {CHAT["model"]}
    assert all(
        row.prompts[1] == f"{row.prompts[0]}{row.texts[0].rstrip()}\nTherefore, the answer is" for row in rows
    )
    assert server.count("/chat/completions") == 10


def test_samples_have_seeds(server: Remote) -> None:
    write_params(server, decoding={"temperature": 1.0, "samples": 3, "seed": 5})
    run_train("none.jsonl")
    rows = run_predict()
    assert [(row.example_id, row.sample) for row in rows] == [
        (f"made-{i}", s) for i in range(15, 20) for s in range(3)
    ]
    assert sorted(call["body"]["seed"] for call in server.calls()) == [5] * 5 + [6] * 5 + [7] * 5


def test_a_shortfall_is_an_error_and_the_next_run_asks_the_rest(server: Remote) -> None:
    write_params(server, attempts=1)
    run_train("none.jsonl")
    server.script([{"fault": 500, "path": "/chat/completions", "match": "Question 16"}])
    with pytest.raises(
        ValueError,
        match=r"student 'hosted': 1 answers did not come.*\n  1 http_500, the last one: server_error",
    ):
        run_predict()
    assert not Path("predictions.jsonl").exists()
    server.script([])
    assert len(run_predict()) == 5
    assert server.count("/chat/completions") == 6


def changed(**values: Any) -> list[Sequence]:
    """A corpus whose first row is another one."""
    return [
        Sequence(**{"example_id": "made-0", "segments": SEQUENCES[0].segments, "part": "train", **values}),
        *SEQUENCES[1:],
    ]


@pytest.mark.parametrize(
    ("sequences", "said"),
    [
        (SEQUENCES[3:], "9 training sequences, but OpenAI wants at least 10"),
        (SEQUENCES[12:], "0 training sequences"),
        (
            changed(segments=[Segment("q"), Segment("ab", "cot", runs=(Run(0, 1),))]),
            "made-0 .*its method weighs tokens one by one, but the API weighs whole messages",
        ),
        (changed(draw=True), "made-0 .*one of its sequences is drawn per epoch"),
        (changed(segments=[Segment("q"), Segment("a", "answer")]), r"weighs several tasks \(answer, cot\)"),
        (
            changed(segments=[Segment("q"), Segment("r", "cot"), Segment("A:"), Segment("a", "cot")]),
            "made-0 .*context or an end of text behind",
        ),
        (
            changed(segments=[Segment("q"), Segment("r", "cot", end=True), Segment("a", "cot")]),
            "made-0 .*context or an end of text behind",
        ),
        (
            changed(segments=[Segment("q", "prompt", 0.01), Segment("r", "cot")]),
            "made-0 .*gives the prompt the loss weight 0.01",
        ),
        (
            changed(segments=[Segment("q"), Segment(" ", "cot")]),
            "made-0 .*its prompt or its completion is empty",
        ),
        (changed(segments=[Segment("r", "cot")]), "made-0 .*its prompt or its completion is empty"),
    ],
)
def test_what_cannot_be_trained_there_is_refused_before_anything_is_sent(
    server: Remote, sequences: list[Sequence], said: str
) -> None:
    write_sequences(Path("odd.jsonl"), sequences)
    with pytest.raises(ValueError, match=said):
        run_train("odd.jsonl")
    assert server.calls() == []


def test_prompt_tokens_with_the_student_s_weight_are_prompt() -> None:
    rows = [Sequence("x", [Segment("q", "prompt", 0.01), Segment("#"), Segment("a", "cot")], "train")] * 10
    openai_files.check_sequences(rows, HostedStudent(**CHAT, prompt_loss_weight=0.01))
    assert json.loads(openai_files.json_lines(rows[:1], "completions")) == {"prompt": "q#", "completion": "a"}


@pytest.mark.parametrize(
    ("examples", "size"),
    [(10, 1), (999, 1), (1000, 2), (7473, 14), (127_999, 255), (128_000, 256), (10**6, 256)],
)
def test_batch_size_is_a_five_hundredth_of_the_examples(examples: int, size: int) -> None:
    assert openai_files.hyperparameters(HostedStudent(**CHAT), examples) == {
        "n_epochs": 4,
        "batch_size": size,
    }
    given = HostedStudent(
        **CHAT, epochs=2, batch_size=3, learning_rate_multiplier=0.1, prompt_loss_weight=0.01
    )
    sent = {"n_epochs": 2, "batch_size": 3, "learning_rate_multiplier": 0.1, "prompt_loss_weight": 0.01}
    assert openai_files.hyperparameters(given, examples) == sent


@pytest.mark.parametrize(
    ("results", "curve"),
    [
        ("", []),
        ("step,train_loss\n", []),
        ("step,train_loss\n1,3\n2,1\n3,1\n4,0\n", [(1, 2.0, None), (2, 0.5, None)]),
        ("step,train_loss,valid_loss\n1,3,\n2,1,2.5\n3,1,1\n4,0,2\n", [(1, 2.0, 2.5), (2, 0.5, 1.5)]),
        (
            "step,train_loss,valid_loss,full_valid_loss\n1,3,9,\n2,1,9,4\n3,1,9,\n",
            [(1, 3.0, 9.0), (2, 1.0, 4.0)],
        ),
        (
            "step,train_loss,full_valid_loss\n1,3,\n2,1,\n2,,4\n3,1,\n4,2,\n4,,5\n",
            [(1, 2.0, 4.0), (2, 1.5, 5.0)],
        ),
    ],
)
def test_losses(results: str, curve: list[tuple[int, float, float | None]]) -> None:
    assert openai_files.loss_curve(results, 2) == curve


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "hosted"}, r"`students\.x\.kind`: got 'hosted', wanted 'local' or 'openai'"),
        (CHAT | {"lr": 3e-4}, r"`students\.x\.lr`: unknown key.*learning_rate_multiplier"),
        (CHAT | {"api": "completions"}, "gpt-4o-mini-2024-07-18 is asked under chat"),
        (COMPLETIONS | {"api": "chat"}, "babbage-002 has no chat"),
        ({"kind": "openai", "endpoint": "local"}, r"`students\.x\.model`: missing"),
        ({"model": "gpt-4o-mini"}, r"`students\.x\.base`: missing"),
    ],
)
def test_a_block_that_makes_no_sense(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_student("students.x", values)


def test_a_block_without_a_kind_is_local() -> None:
    student = check_student("students.x", {"base": {"path": "here", "sha256": "0"}})
    assert isinstance(student, Student)
    assert student.kind == "local"


def test_check_wants_an_endpoint_and_methods_with_one_loss() -> None:
    from stages.check import check_all
    from stages.config.load import read_params

    params = read_params(ROOT / "params.yaml")
    params["students"] = {**params["students"], "hosted": {**CHAT, "endpoint": "nowhere"}}
    params.setdefault("endpoints", {})
    params.setdefault("prices", {})
    with pytest.raises(ValueError, match=r"no block `endpoints\.nowhere`"):
        check_all(params)
    params["endpoints"] = {**params["endpoints"], "nowhere": {"base_url": "http://localhost/v1"}}
    check_all(params)
    params["run"]["students"] = ["hosted"]
    check_all(params)
    params["methods"] = {**params["methods"], "cascod": {}}
    params["run"]["methods"] = ["fine_tune_cot", "cascod"]
    with pytest.raises(
        ValueError,
        match=(
            r"the methods \['cascod'\], which weigh several tasks, with the students \['hosted'\] at OpenAI"
        ),
    ):
        check_all(params)


def test_a_conversation_is_trained_and_asked_as_one(server: Remote) -> None:
    """`format: chat`: system, user and assistant, in the file and in what is asked."""
    write_params(server, CHAT)
    params = YAML(typ="safe").load(Path("params.yaml"))
    params["methods"]["fine_tune_cot"] = {"format": "chat", "system": "Be short."}
    YAML().dump(params, Path("params.yaml"))
    chat = [replace(one, system="Be short.") for one in SEQUENCES]
    write_sequences(Path("chat.jsonl"), chat)
    assert json.loads(openai_files.json_lines(chat[:1], "chat")) == {
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "Question 0?###"},
            {"role": "assistant", "content": "because é 0. --> 0END"},
        ]
    }
    run_train("chat.jsonl")
    run_predict()
    asked = [call["body"]["messages"] for call in posts(server, "/chat/completions")]
    assert sorted(turns[1]["content"] for turns in asked) == [f"Question {i}?" for i in range(15, 20)]
    assert {(turns[0]["role"], turns[0]["content"]) for turns in asked} == {("system", "Be short.")}
    with pytest.raises(ValueError, match="`format: chat`: give the student `api: chat`"):
        openai_files.check_sequences(chat, check_student("students.x", COMPLETIONS))


@pytest.mark.parametrize(("form", "path"), [("chat", "/chat/completions"), ("paper", "/completions")])
def test_a_served_student_is_asked_in_its_own_way(
    server: Remote, monkeypatch: pytest.MonkeyPatch, form: str, path: str
) -> None:
    write_params(server)
    params = YAML(typ="safe").load(Path("params.yaml"))
    params["methods"]["fine_tune_cot"] = {"format": form}
    YAML().dump(params, Path("params.yaml"))
    monkeypatch.setenv("COT_DECODER", "local")
    write_pointer(Base(path="here", sha256="0" * 64), Path("student"), "float32")
    assert len(run_predict()) == 5
    assert len(posts(server, path)) == len(posts(server, "/")) == 5
