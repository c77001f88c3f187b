"""Render: sequences of a whole corpus, their audit, what is refused, and what is shown."""

import json
import random
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
from curated import count_targets, render

from stages.corpus.targets import check_weights
from stages.records.completion import Completion, write_completions
from stages.records.example import Example, write_examples
from stages.records.sequence import END, Segment, Sequence, read_sequences, write_sequences
from stages.render import main

EXAMPLES = [Example(f"made-{i}", "made", f"Question {i}?", str(i), "number") for i in range(12)]
PARTS = {
    "train": [f"made-{i}" for i in (7, 3, 1, 0, 4, 9)],
    "validation": ["made-2", "made-5"],
    "test": ["made-6", "made-8"],
}


def corpus(seed: int = 0) -> list[Completion]:
    """Right, wrong and unread answers, with and without a rationale."""
    rng = random.Random(seed)
    rows = []
    for example in EXAMPLES:
        for sample in range(4):
            answer = rng.choice([example.answer, example.answer, "99", None])
            reason = rng.choice(["First this. Then that.", "One step.", "Because.", ""])
            rows.append(
                Completion(
                    example.id,
                    sample,
                    ["p", "p"],
                    [f" {reason}", f" {answer}"],
                    ["stop", "stop"],
                    "t",
                    "",
                    answer=answer,
                )
            )
    return rows


def load(name: str, **settings: object):
    method = import_module(f"stages.methods.{name}")
    return method, method.Settings(**settings)


def test_train_and_validation_only_in_the_order_of_the_examples() -> None:
    method, settings = load("fine_tune_cot")
    said = [
        Completion(f"made-{i}", s, ["p"], [f"r{i}{s}", "a"], ["stop", "stop"], "t", "")
        for i in range(12)
        for s in range(2)
    ]
    sequences = render(
        method,
        settings,
        EXAMPLES[:4],
        {"train": ["made-2", "made-0"], "validation": ["made-1"], "test": ["made-3"]},
        said,
    )
    assert [(s.example_id, s.part, s.unit) for s in sequences] == [
        ("made-0", "train", "0"), ("made-0", "train", "1"), ("made-1", "validation", "0"),
        ("made-1", "validation", "1"),
        ("made-2", "train", "0"), ("made-2", "train", "1"),
    ]  # fmt: skip
    assert "".join(segment.text for segment in sequences[1].segments) == "Question 0?###r01 --> 0END"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cascod", {}), ("all_aligned", {"mask_prefix": False}), ("scott", {}),
        ("mt_cot", {"alpha": 0.0}), ("scotd", {"per_epoch": "one"}),
        ("fine_tune", {"prompt_weight": 0.01}), ("answer_sft", {"label": "teacher"}), ("zero_shot", {}),
    ],
)  # fmt: skip
def test_counts_are_those_of_what_is_rendered(name: str, settings: dict[str, object]) -> None:
    """Against one flat list of (part, example, unit, task, text)."""
    method, chosen = load(name, **settings)
    said = corpus()
    sequences = render(method, chosen, EXAMPLES, PARTS, said)
    report = count_targets(sequences, PARTS, said)
    flat = [
        (s.part, i, seg.task, seg.text, seg.weight)
        for i, s in enumerate(sequences)
        for seg in s.segments
        if seg.task
    ]
    assert report["weights"] == {task: weight for _, _, task, _, weight in flat}
    for part in ("train", "validation"):
        mine = [s for s in sequences if s.part == part]
        found = report[part]
        assert found["completions"] == 4 * len(PARTS[part])
        assert found["sequences"] == len(mine)
        assert found["questions"] == len({s.example_id for s in mine})
        most = Counter(s.example_id for s in mine)
        assert found["sequences_per_question"]["most"] == max(most.values(), default=0)
        assert found["sequences_per_epoch"] == (len(most) if any(s.draw for s in mine) else len(mine))
        for task, counts in found["tasks"].items():
            texts = [text for p, _, t, text, _ in flat if (p, t) == (part, task)]
            numbers = {i for p, i, t, _, _ in flat if (p, t) == (part, task)}
            wanted = {
                "sequences": len(numbers),
                "characters": len("".join(texts)),
                "words": sum(len(text.split()) for text in texts),
            }
            assert counts == wanted
        assert set(found["tasks"]) == {t for p, _, t, _, _ in flat if p == part}
    if name == "cascod":
        reasoned = sum(bool(row.texts[0].strip()) for row in said if row.example_id in PARTS["train"])
        assert report["train"]["units"] == reasoned < report["train"]["completions"]
        assert report["train"]["sequences"] == 2 * reasoned


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        (
            [Segment("q"), Segment(" \n", "answer")],
            r"made-0: the target of task 'answer' is ' \\n', wanted a text that is not empty",
        ),
        ([Segment("q")], "made-0: a sequence without a task"),
        ([], "made-0: a sequence without a task"),
        (
            [Segment("q"), Segment("a", "x", 0.5), Segment("b", "x", 0.7)],
            "made-0: task 'x' has weights 0.5 and 0.7, wanted one",
        ),
        (
            [Segment(f"q{END}"), Segment("a", "answer")],
            f"contains '{END}', which stands for the end-of-text token",
        ),
    ],
)
def test_faults_of_a_method_are_errors(segments: list[Segment], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_weights(Sequence("made-0", segments), {})


def test_two_sequences_with_two_weights_are_a_fault() -> None:
    weights: dict[str, float] = {}
    check_weights(Sequence("made-0", [Segment("x", "a")]), weights)
    with pytest.raises(ValueError, match=r"made-1: task 'a' has weights 1.0 and 2.0"):
        check_weights(Sequence("made-1", [Segment("x", "a", 2.0)]), weights)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    blocks = {"fine_tune": {}, "cascod": {}, "scott": {}, "zero_shot": {}, "answer_sft": {"label": "teacher"}}
    Path("params.yaml").write_text(json.dumps({"methods": blocks}))
    write_examples(Path("examples.jsonl"), EXAMPLES)
    Path("split.json").write_text(json.dumps(PARTS))
    write_completions(Path("corpus.jsonl"), corpus())
    return tmp_path


def call(name: str, corpus: str | None = "corpus.jsonl", split: str = "split.json") -> None:
    out = (Path("out.jsonl"), Path("counts.json"))
    main(name, Path("examples.jsonl"), Path(split), *out, corpus=Path(corpus) if corpus else None)


@pytest.mark.usefixtures("place")
def test_command_writes_sequences_and_counts() -> None:
    call("cascod")
    sequences = read_sequences(Path("out.jsonl"))
    counts = json.loads(Path("counts.json").read_text())
    made = {"method": "cascod", "learns_from": "rationales"}
    assert counts == json.loads(json.dumps({**made, **count_targets(sequences, PARTS, corpus())}))
    assert counts["weights"] == {"answer": 0.3, "rationale": 0.7}
    first = Path("out.jsonl").read_bytes(), Path("counts.json").read_bytes()
    call("cascod")
    assert (Path("out.jsonl").read_bytes(), Path("counts.json").read_bytes()) == first


@pytest.mark.usefixtures("place")
def test_asking_only_methods_write_empty_files() -> None:
    call("zero_shot", corpus=None)
    assert Path("out.jsonl").read_text() == ""
    assert json.loads(Path("counts.json").read_text())["train"]["sequences"] == 0


@pytest.mark.usefixtures("place")
def test_what_cannot_be_trained_is_said() -> None:
    with pytest.raises(
        ValueError, match=r"cascod learns from a teacher's rationales: list it under run\.methods"
    ):
        call("cascod", corpus=None)
    with pytest.raises(
        ValueError,
        match=(
            r"answer_sft: nothing to train on; split\.json has no train question, or these settings need a"
            r" teacher"
        ),
    ):
        call("answer_sft", corpus=None)
    with pytest.raises(ValueError, match=r"no block `methods\.scotd`"):
        call("scotd")
    right = [row for row in corpus() if row.answer not in ("99", None)]
    write_completions(Path("right.jsonl"), right)
    with pytest.raises(
        ValueError,
        match=r"scott: nothing trains \['counterfactual'\]; none of the \d+ completions .* `filter: none`",
    ):
        call("scott", corpus="right.jsonl")
    write_completions(Path("empty.jsonl"), [])
    with pytest.raises(
        ValueError, match=r"cascod: nothing to train on; empty\.jsonl keeps no completion of a train question"
    ):
        call("cascod", corpus="empty.jsonl")
    assert not Path("out.jsonl").exists()


def test_a_method_that_renders_no_target_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in with a fault of this kind."""
    method = import_module("stages.methods.fine_tune")
    bare = lambda example, *_: [Sequence(example.id, [Segment("only a question")])]  # noqa: E731
    monkeypatch.setattr(method, "render", bare)
    with pytest.raises(ValueError, match="made-0: a sequence without a task, wanted something to train"):
        call("fine_tune", corpus=None)
    monkeypatch.setattr(method, "render", lambda *_: [])
    with pytest.raises(ValueError, match="fine_tune: nothing to train on"):
        call("fine_tune", corpus=None)
    assert place.exists()


def test_sequences_come_back_and_old_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "sequences.jsonl"
    written = [
        Sequence(
            "x-0",
            [Segment("q\n"), Segment("r", "rationale", 0.7, True), Segment(" ä", "answer", 0.3)],
            "train",
            True,
            "3",
        )
    ]
    write_sequences(path, written)
    assert read_sequences(path) == written
    path.write_text(
        '{"example_id": "x-0", "part": "train", "segments": [{"task": null, "text": "q"}, {"task": "cot",'
        ' "text": "r"}]}\n'
    )
    assert read_sequences(path) == [
        Sequence("x-0", [Segment("q"), Segment("r", "cot", 1.0, False)], "train", False, "")
    ]
