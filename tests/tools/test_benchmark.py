"""Benchmarks compare like with like: every layout has the same loss and gradient, every way of decoding says
the same number of tokens.
"""

import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from stages.asking.store import Store
from stages.config.base import base_sha256
from stages.records.completion import read_completions
from stages.records.example import Example, write_examples
from stages.records.jsonl import write_json
from stages.records.sequence import Segment, Sequence, read_sequences, write_sequences
from stages.training.collate import collate
from stages.training.steps import Shape
from stages.training.trees import grow_tree
from tools.benchmark import (
    LENGTHS,
    app,
    decoding,
    decoding_runs,
    groups,
    lengths,
    teaching,
    trainers,
    training,
)
from tools.benchmark.layouts import ours, side_by_side
from tools.benchmark.measure import Spent, summed_up, with_ratios, write_run
from tools.benchmark.models import arithmetic, build
from tools.benchmark.plan import TRAIN_LINES, picked, train_lines, train_plan, train_run
from tools.benchmark.scale import made_answers, made_questions, measure_stages
from tools.benchmark.workloads import ALPHA, EOS, SHAPES, Workload, workload

CPU = torch.device("cpu")
SMALL = {"gsm8k": 9, "date": 9, "cascod": 3}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def naive(model: Any, work: Workload) -> tuple[float, float]:
    """Loss and gradient norm by definition: a forward pass for each text, the mean over each task's labels,
    weighted.
    """
    values: dict[str, list[torch.Tensor]] = {task: [] for task in work.tasks}
    for text in work.texts:
        logits = model(torch.from_numpy(text.inputs.astype(np.int64))[None]).logits[0]
        for target in text.targets:
            at = logits[target.start : target.start + len(target.labels)]
            values[target.task].append(
                cross_entropy(at, torch.from_numpy(target.labels.astype(np.int64)), reduction="none")
            )
    weights = {"cot": 1.0, "rationale": 1 - ALPHA, "answer": ALPHA}
    loss = sum(weights[task] * torch.cat(parts).mean() for task, parts in values.items())
    loss.backward()
    norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
    model.zero_grad()
    return loss.item(), norm.item()


@pytest.mark.parametrize("name", SMALL)
def test_every_layout_has_the_loss_and_gradient_of_the_definition(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "PATIENCE", float("inf"))  # a busy machine's first repetition is slow
    work = workload(name, SMALL[name])
    names = training.layout_names(work)
    ticks: list[int] = []
    loss, norm = naive(build("0.1M", CPU).eval(), work)
    lines, about = training.measure("0.1M", work, CPU, 2, names, lambda: ticks.append(1))
    assert [line["layout"] for line in lines] == names
    assert len(ticks) == 2 * len(lines)
    assert about["rows"].startswith("tree")
    for line in lines:
        assert line["loss"] == pytest.approx(loss, rel=2e-6), line["layout"]
        assert line["gradient_norm"] == pytest.approx(norm, rel=2e-5), line["layout"]
        assert len(line["seconds_all"]) == 2
        assert line["seconds"] == min(line["seconds_all"])


@pytest.mark.parametrize("name", ["gsm8k", "cascod"])
def test_trainers_have_the_loss_and_gradient_of_the_definition(name: str) -> None:
    work = workload(name, SMALL[name])
    loss, norm = naive(build("0.1M", CPU).eval(), work)
    names = [trainer for trainer in trainers.TRAINERS if trainers.missing(trainer, work) is None]
    assert "ours_trainer" in names
    assert ("hf_trainer" in names) == (name != "cascod")
    for trainer in names:
        line = trainers.measure("0.1M", trainer, work, CPU, 2, lambda: None)
        assert line["loss"] == pytest.approx(loss, rel=2e-6), trainer
        assert line["gradient_norm"] == pytest.approx(norm, rel=2e-5), trainer
        assert len(line["seconds_all"]) == 2


def test_tokens_in_say_what_a_layout_computes() -> None:
    work = workload("date", 9)
    lines, _ = training.measure("0.1M", work, CPU, 1, training.layout_names(work), lambda: None)
    tokens = {line["layout"]: line["tokens_in"] for line in lines}
    texts = [len(text.inputs) for text in work.texts]
    by_question: dict[str, list[Any]] = {}
    for text in work.texts:
        by_question.setdefault(text.example_id, []).append(text.inputs)
    assert tokens["ours"] == sum(texts)
    assert tokens["shared"] == sum(len(grow_tree(group).ids) for group in by_question.values())
    assert tokens["longest"] == len(texts) * work.longest
    longest = [max(part) + 1 for part in (texts[:8], texts[8:])]
    assert tokens["dynamic"] == 8 * longest[0] + longest[1]
    assert tokens["shared"] < tokens["ours"] < tokens["grouped"] <= tokens["dynamic"] < tokens["longest"]


def test_workloads_are_what_their_names_say() -> None:
    found = lengths.read_lengths()
    for name, shape in SHAPES.items():
        work = workload(name)
        assert len(work.texts) == shape.sequences * (2 if shape.cascod else 1)
        by_question: dict[str, list[Any]] = {}
        for text in work.texts:
            by_question.setdefault(text.example_id, []).append(text)
        full = shape.diversity * (2 if shape.cascod else 1)
        assert [len(texts) for texts in by_question.values()].count(
            full
        ) >= shape.sequences // shape.diversity - 1
        pairs = {tuple(parts) for parts in found[shape.lengths].parts}
        for texts in by_question.values():
            shared = min(target.start + 1 for text in texts for target in text.targets)
            assert len({text.inputs[:shared].tobytes() for text in texts}) == 1, (
                "the same question is the same tokens"
            )
            assert all(len(text.inputs) < work.longest for text in texts)
            assert all(text.targets[0].labels[-1] == EOS for text in texts)
            if shape.cascod:
                first, second = texts
                assert (first.inputs == second.inputs[: len(first.inputs)]).all()
                sizes = [
                    first.targets[0].start + 1,
                    len(first.targets[0].labels) - 1,
                    second.targets[0].start + 1,
                    len(second.targets[0].labels) - 1,
                ]
                assert (sizes[0], sizes[1], sizes[2] - sizes[0] - sizes[1], sizes[3]) in pairs
            elif shape.diversity == 1:
                assert (shared, len(texts[0].targets[0].labels) - 1) in pairs
    same, other = workload("csqa", seed=1), workload("csqa", seed=2)
    assert all(
        (one.inputs == two.inputs).all()
        for one, two in zip(same.texts, workload("csqa", seed=1).texts, strict=True)
    )
    assert not (same.texts[0].inputs[:5] == other.texts[0].inputs[:5]).all()
    with pytest.raises(ValueError, match="unknown workload 'gsm'"):
        workload("gsm")


def test_texts_side_by_side_do_not_see_each_other() -> None:
    texts = [np.array(ids, np.int32) for ids in ([5, 6, 7], [5, 6, 7, 8], [5])]
    tree = side_by_side(texts)
    assert tree.ids.tolist() == [5, 6, 7, 5, 6, 7, 8, 5]
    assert tree.depth.tolist() == [0, 1, 2, 0, 1, 2, 3, 0]
    assert tree.end.tolist() == [3, 3, 3, 7, 7, 7, 7, 8]
    assert [path.tolist() for path in tree.paths] == [[0, 1, 2], [3, 4, 5, 6], [7]]


def test_lengths_are_those_of_the_published_texts(mirror: Path, tmp_path: Path) -> None:
    lengths.write_lengths(mirror, tmp_path / "lengths.json")
    assert (tmp_path / "lengths.json").read_bytes() == LENGTHS.read_bytes()


def test_lengths_file_holds_lengths_only() -> None:
    entries = json.loads(LENGTHS.read_text())["datasets"]
    assert set(entries) == {"gsm8k", "multiarith", "csqa", "date", "bbh_cascod"}
    for name, entry in entries.items():
        parts = np.array(entry["parts"])
        assert parts.shape == (lengths.SAMPLE, 4 if name == "bbh_cascod" else 2)
        assert (parts > 0).all()
        assert parts[:, 0].max() <= entry["longest_prompt"] <= entry["longest"]
        assert parts.sum(1).max() <= entry["longest"]
        off = abs(parts.mean(0) - entry["means"]) / np.maximum(parts.std(0), 1e-9) * np.sqrt(len(parts))
        assert (off[parts.std(0) > 0] < 3).all(), (
            "the sample's means are those of all records, but for chance"
        )
    assert lengths.read_lengths()["bbh"].parts == [
        [prompt, sum(rest)] for prompt, *rest in entries["bbh_cascod"]["parts"]
    ]


def test_without_the_published_texts_the_error_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="no records of gsm8k, multiarith, commonsensqa, date_understanding, bbh_cascod"
    ):
        lengths.write_lengths(tmp_path, tmp_path / "lengths.json")


@pytest.mark.parametrize("run", decoding_runs.runs(6), ids=lambda run: run.name)
def test_every_way_of_decoding_says_what_was_asked(run: decoding_runs.Run) -> None:
    short = replace(run, lengths=[min(length, 5 + place) for place, length in enumerate(run.lengths)])
    lines = decoding.measure(decoding.student_model("0.1M", CPU), CPU, short, decoding.LINES, 1, lambda: None)
    assert [line["layout"] for line in lines] == decoding.LINES
    assert {line["tokens_out"] for line in lines} == {short.samples * sum(short.lengths)}
    assert lines[0]["ratio"] == 1


def test_a_way_that_says_something_else_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    (run, *_), model = decoding_runs.runs(2), decoding.student_model("0.1M", CPU)
    short = replace(run, lengths=[3, 4])
    monkeypatch.setattr(decoding, "hugging_face", lambda *_: (6, 4))
    with pytest.raises(ValueError, match="plain, hf_32: said 6 tokens, wanted 7"):
        decoding.measure(model, CPU, short, ["hf_32"], 1, lambda: None)


def test_runs_have_their_runaways_samples_and_header() -> None:
    plain, runaways, samples, header = decoding_runs.runs(100)
    assert sum(length == decoding_runs.MAX_NEW for length in runaways.lengths) == 3
    assert sum(one != two for one, two in zip(plain.lengths, runaways.lengths, strict=True)) == 3
    assert max(map(len, plain.prompts)) <= plain.longest
    assert (samples.samples, len(samples.prompts), samples.useful) == (8, 12, 8 * sum(plain.lengths[:12]))
    first = header.prompts[0][: decoding_runs.HEADER]
    assert [prompt[decoding_runs.HEADER :] for prompt in header.prompts] == plain.prompts[:30]
    assert all(prompt[: decoding_runs.HEADER] == first for prompt in header.prompts)


def test_arithmetic_is_what_torch_counts() -> None:
    model, work = build("0.1M", CPU), workload("gsm8k", 2)
    sums = arithmetic(model)
    layout = ours(work, Shape("padded", work.tasks, "batch", 0))[0]
    batch = collate(work.texts[:1], layout="padded", tasks=work.tasks, normalisation="batch", pad_id=0)
    with FlopCounterMode(display=False) as counter:
        layout.loss(model, batch).backward()
    counted = sum(
        flops
        for op, flops in counter.get_flop_counts()["Global"].items()
        if str(op) in ("aten.mm", "aten.addmm")
    )
    assert sums.flops(len(work.texts[0].inputs), len(work.texts[0].targets[0].labels), 0) == counted
    causal = build("0.1M", CPU).config
    pairs = 10
    assert sums.flops(0, 0, pairs) == 3 * causal.num_hidden_layers * pairs * 4 * causal.hidden_size


def spent_list(*walls: float) -> list[Spent]:
    found = []
    for wall in walls:
        one = Spent()
        one.wall, one.cpu, one.peak = wall, wall / 2, int(wall)
        found.append(one)
    return found


def test_the_best_repetition_counts_and_ratios_are_to_the_baseline() -> None:
    lines = with_ratios(
        [summed_up("dynamic", spent_list(4, 3)), summed_up("ours", spent_list(1.5, 2))], "dynamic"
    )
    assert [line["seconds"] for line in lines] == [3, 1.5]
    assert [line["ratio"] for line in lines] == [1, 2]
    assert [line["ratio_cpu"] for line in lines] == [1, 2]
    assert [line["peak_memory"] for line in lines] == [4, 2]
    assert [line["ratio"] for line in with_ratios(lines[1:], "dynamic")] == [None]


def test_results_of_the_same_machine_stay(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks" / "train_cpu.json"
    write_run(path, {"cpu": "a"}, {"name": "csqa 5M", "lines": [1]})
    write_run(path, {"cpu": "a"}, {"name": "date 5M", "lines": [2]})
    write_run(path, {"cpu": "a"}, {"name": "csqa 5M", "lines": [3]})
    assert [(run["name"], run["lines"]) for run in json.loads(path.read_text())["runs"]] == [
        ("csqa 5M", [3]),
        ("date 5M", [2]),
    ]
    write_run(path, {"cpu": "b"}, {"name": "date 5M", "lines": [4]})
    assert json.loads(path.read_text()) == {
        "machine": {"cpu": "b"},
        "runs": [{"name": "date 5M", "lines": [4]}],
    }


def test_only_names_workloads_and_lines() -> None:
    assert picked("", ["a"], ["x"]) == ([], [])
    assert picked("x, a,", ["a", "b"], ["x", "y"]) == (["a"], ["x"])
    with pytest.raises(ValueError, match="unknown z; workloads: a; lines: x"):
        picked("z", ["a"], ["x"])


@pytest.mark.parametrize(
    ("model", "name", "on_gpu", "left_out"),
    [
        ("5M", "bbh", False, "longest"),
        ("30M", "cascod", False, "authors"),
        ("5M", "csqa", True, "hf_trainer"),
    ],
)
def test_slow_lines_run_if_they_are_named(model: str, name: str, on_gpu: bool, left_out: str) -> None:
    work = workload(name, 4)
    assert left_out not in train_lines(model, work, [], on_gpu)
    assert train_lines(model, work, [left_out], on_gpu) == [left_out]


def test_the_default_plan_has_every_workload_and_the_papers_lines() -> None:
    plan = {
        (model, work.name): (len(work.texts), lines)
        for model, work, lines in train_plan("", "", 0, on_gpu=False)
    }
    assert set(plan) == {*(("5M", name) for name in SHAPES), ("30M", "cascod")}
    assert plan["30M", "cascod"][0] == 32
    assert plan["5M", "cascod"] == (48, ["dynamic", "grouped", "authors", "one_pass", "unshared", "ours"])
    assert plan["5M", "csqa"] == (60, ["dynamic", "grouped", "longest", "ours", "shared"])
    assert [model for model, *_ in train_plan("date,ours", "", 4, on_gpu=True)] == [
        "gpt2-large",
        "opt-1.3b",
        "llama-7b-lora",
    ]
    assert [
        (model, lines) for model, _, lines in train_plan("cascod,longest,gsm8k", "5M", 2, on_gpu=False)
    ] == [("5M", ["longest"])]
    with pytest.raises(ValueError, match="none of these lines belongs to these workloads"):
        train_plan("cascod,longest", "5M", 2, on_gpu=False)


def test_commands_write_what_they_measured(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    run = CliRunner()
    told = run.invoke(
        app,
        [
            "train",
            "--model=0.1M",
            "--sequences=4",
            "--only=csqa,dynamic,shared",
            "--device=cpu",
            f"--out={out}",
        ],
        catch_exceptions=False,
    )
    assert told.exit_code == 0
    assert "csqa, 0.1M: one step of 4 texts" in told.stdout
    found = json.loads(out.read_text())
    assert {"cpu", "cores", "threads", "torch", "transformers", "python", "device"} == set(found["machine"])
    assert platform.node() not in out.read_text()
    (csqa,) = found["runs"]
    timed = {"layout", "seconds", "seconds_all", "cpu_seconds", "ratio", "peak_memory"}
    wanted = timed | {"loss", "gradient_norm", "tokens_in", "target_tokens_per_second"}
    assert [line["layout"] for line in csqa["lines"]] == ["dynamic", "shared"]
    assert all(wanted <= set(line) for line in csqa["lines"])
    arguments = [
        "generate",
        "--model=0.1M",
        "--questions=2",
        "--only=samples,ours_32",
        "--device=cpu",
        f"--out={tmp_path / 'generate.json'}",
    ]
    assert run.invoke(app, arguments, catch_exceptions=False).exit_code == 0
    (samples,) = json.loads((tmp_path / "generate.json").read_text())["runs"]
    assert [line["layout"] for line in samples["lines"]] == ["ours_32"]


def test_bad_options_are_said() -> None:
    for arguments, words in (
        (["--only=gsm9k"], "unknown gsm9k"),
        (["--model=6M", "--only=gsm8k,ours"], "unknown model '6M'"),
    ):
        with pytest.raises(ValueError, match=words):
            CliRunner().invoke(app, ["train", "--device=cpu", *arguments], catch_exceptions=False)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="--device cuda: wanted cpu, or cuda where torch finds a GPU"):
            CliRunner().invoke(app, ["generate", "--device=cuda"], catch_exceptions=False)


def test_trl_is_optional(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainers, "find_spec", lambda name: None)
    work = workload("gsm8k", 2)
    assert "trl" not in train_lines("0.1M", work, [], False)
    assert "no trl: trl is not installed (`pip install trl`)" in capsys.readouterr().err
    run = train_run("0.1M", work, ["ours"], CPU, 1, lambda: None)
    assert [line["ratio"] for line in run["lines"]] == [None]
    assert set(TRAIN_LINES) >= {"trl", "trl_packing"}


def project_of(folder: Path, student: Path) -> str:
    """A folder as `dvc repro render` leaves it: six questions, four completions each."""
    name = "made-sample-scripted-d4-fine_tune_cot"
    examples = [Example(f"made-{i}", "made", f"{i} + 1?", str(i + 1), "number") for i in range(9)]
    write_examples(folder / "data/examples/made.jsonl", examples)
    (folder / "data/splits").mkdir()
    (folder / "data/splits/made-sample.json").write_text(json.dumps({"test": ["made-7", "made-8"]}))
    (folder / "data/demonstrations").mkdir()
    (folder / "data/demonstrations/made.txt").write_text("")
    rows = [
        Sequence(
            f"made-{i}",
            [Segment(f"{i} + 1?###"), Segment(f" {'so ' * d}--> {i + 1}END", "cot")],
            "train" if i < 6 else "validation",
            unit=str(d),
        )
        for i in range(7)
        for d in range(4)
    ]
    write_sequences(folder / f"data/sequences/{name}.jsonl", rows)
    write_json(folder / f"metrics/rendered/{name}.json", {"method": "fine_tune_cot"})
    student_block = {"base": {"path": str(student), "sha256": base_sha256(student)}, "lr": 0.01}
    params = {
        "students": {"small": student_block},
        "methods": {"fine_tune_cot": {}},
        "decodings": {"greedy": {"max_new_tokens": 4}},
    }
    YAML().dump(params, folder / "params.yaml")
    return name


def test_groups_are_compared_at_equal_epochs_and_at_equal_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_student
) -> None:
    """Size 4 computes each question once: fewer tokens, so more epochs in the same time; its first epochs are
    those of equal epochs.
    """
    monkeypatch.chdir(tmp_path)
    name = project_of(tmp_path, random_student("llama"))
    words = [
        "groups",
        name,
        "--student",
        "small",
        "--sizes",
        "4",
        "--seeds",
        "2",
        "--batch",
        "8",
        "--epochs",
        "2",
        "--out",
        "found.json",
    ]
    assert CliRunner().invoke(app, words).exit_code == 0
    (run,) = json.loads(Path("found.json").read_text())["runs"]
    one, four = run["lines"]
    assert (one["layout"], four["layout"]) == ("groups of 1", "groups of 4")
    assert four["tokens_in"] < one["tokens_in"]
    assert four["epochs_equal_time"] == round(2 * one["tokens_in"] / four["tokens_in"]) > 2
    assert one["accuracy_equal_epochs"] == one["accuracy_equal_time"]
    assert [(found["group_size"], found["seed"]) for found in run["trainings"]] == [
        (1, 0),
        (1, 1),
        (4, 0),
        (4, 1),
    ]
    assert all(set(found["after"]) == {"2", str(four["epochs_equal_time"])} for found in run["trainings"][2:])
    losses = [found["after"]["2"]["validation_loss"] for found in run["trainings"]]
    assert len(set(losses)) == 4
    assert one["validation_loss_equal_epochs"] == pytest.approx((losses[0] + losses[1]) / 2, abs=1e-4)


def test_groups_of_a_cell_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_student
) -> None:
    monkeypatch.chdir(tmp_path)
    project_of(tmp_path, random_student("llama"))
    with pytest.raises(
        ValueError, match=r"data/sequences/made-sample-scripted-d9-fine_tune_cot\.jsonl: not found"
    ):
        groups.read_cell("made-sample-scripted-d9-fine_tune_cot", "small", 8, 2)


def test_group_sizes_are_whole_numbers() -> None:
    found = CliRunner().invoke(app, ["groups", "x", "--sizes", "1,a"])
    assert isinstance(found.exception, ValueError)
    assert str(found.exception) == "--sizes 1,a: got ['a'], wanted whole numbers from 1, with commas"


def test_the_teachers_side_asks_reads_and_keeps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A real server, a real `teach` that asks nothing, a real store; no figure is asserted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COT_MODE", raising=False)
    words = ["teach", "--calls", "20", "--questions", "4", "--samples", "2", "--rows", "3"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    *live, cached, store = done.stdout.splitlines()
    assert len(live) == 8
    assert all(line.startswith("live, ") and ": 20 calls, 0 failed: " in line for line in live)
    assert cached.startswith("cached: 8 completions in ")
    assert store.startswith("store: ")
    assert list(tmp_path.iterdir()) == []


def test_stages_are_measured_on_made_up_completions(tmp_path: Path) -> None:
    """What curate keeps is what is right and whole, by how the answers were made."""
    lines = list(measure_stages(tmp_path, 100))
    stages = ["store", "prepare", "teach", "curate", "render", "start,", "start,"]
    assert [line.split()[1] for line in lines[:-1]] == stages
    made = {example.id: (example, made_answers(example)) for example in made_questions(20)}
    parts = json.loads((tmp_path / "split.json").read_text())
    wanted = [
        (name, sample)
        for part in ("train", "validation")
        for name in parts[part]
        for sample, answer in made[name][1].items()
        if answer.finish_reason == "stop" and answer.text.endswith(f"The answer is {made[name][0].answer}.")
    ]
    kept = read_completions(tmp_path / "kept.jsonl")
    assert [(row.example_id, row.sample) for row in kept] == wanted
    assert f"kept: {len(wanted)};" in lines[-1]
    assert len(read_sequences(tmp_path / "texts.jsonl")) == len(wanted)


def test_live_calls_are_all_answered_refused_or_not(tmp_path: Path) -> None:
    """And what they cost is what the server counts: 60 tokens in, 65 out."""
    told = teaching.ask_live(tmp_path, 40, 4, 0.001, 0.2, True)
    (path,) = tmp_path.glob("4 at*.sqlite")
    assert "40 calls, 0 failed" in told
    store = Store(path)
    assert store.db.execute("SELECT count(*) FROM answer").fetchone() == (40,)
    price = teaching.PRICES["bench"]
    assert store.spent("bench") == pytest.approx(40 * (60 * price.input + 65 * price.output) / 1e6)
