"""LAS: its arithmetic by hand, its prompts, and whole runs with rules, with a server and with a local model
as the simulator.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_server import Remote, serve
from made_cells import axes_of
from ruamel.yaml import YAML

from stages import las, teachers
from stages.checking.blocks import check_consulted
from stages.config.base import base_sha256
from stages.config.run import as_fields
from stages.judging import simulate
from stages.judging.consult import consult
from stages.las import Answered, answered, foreseen, las_numbers
from stages.records.completion import Completion, write_completions
from stages.records.example import Example, write_examples
from stages.teachers import scripted
from stages.text.rationale import judged_rationale

ARROW = "-->"


def said(text: str, row: int = 0, sample: int = 0, origin: str = "selected") -> Completion:
    return Completion(f"made-{row}", sample, ["p"], [text], ["stop"], "student", ARROW, origin)


@pytest.mark.parametrize(
    ("texts", "prefix", "left"),
    [
        (["Two and two. That is 4. --> 4"], ARROW, "Two and two. That is 4."),
        (["--> 4"], ARROW, ""),
        # before the answer that is scored, the first
        (["It is 3. --> 3 No, it is 4. --> 4"], ARROW, "It is 3."),
        (["4"], "", ""),  # an answer alone
        (["Cats have legs. Therefore, the answer is (B)."], "Therefore, the answer is", "Cats have legs."),
        ([" It is 3.5. The answer is 3.5.", " 3.5."], "", "It is 3.5."),
        (["It is. So the answer is 4. The answer is: 4", "4"], "", "It is."),
        # not at the end: an argument
        (["The answer is related to weather. Rain.", "B"], "", "The answer is related to weather. Rain."),
        (["A rationale", "(A)"], "", "A rationale"),
    ],
)
def test_the_argument_is_what_stands_before_the_answer(texts: list[str], prefix: str, left: str) -> None:
    assert (
        judged_rationale(
            Completion("made-0", 0, ["p"] * len(texts), texts, ["stop"] * len(texts), "m", prefix)
        )
        == left
    )


def rows(*answers_and_rationales: tuple[str, str]) -> list[Answered]:
    return [
        Answered(Example(f"made-{i}", "made", "?", "0", "number"), *pair)
        for i, pair in enumerate(answers_and_rationales)
    ]


def test_numbers_by_hand() -> None:
    """Four answers: alone 1 of 4 is foreseen; with the three rationales 2 of 3, and the row without one stays
    as it was (right).
    """
    four = rows(("1", "because"), ("2", "because"), ("3", "because"), ("4", ""))
    found = las_numbers(four, ["9", "it is 9", None, "4"], ["1", "It is 2!", "8"], 6)
    assert {name: found[name] for name in ("n", "unanswered", "with_rationale")} == {
        "n": 4,
        "unanswered": 2,
        "with_rationale": 3,
    }
    assert (found["accuracy_question"], found["accuracy_rationale"], found["las"]) == (0.25, 0.75, 0.5)
    assert found["las_over"] == "4 questions"
    # differences 1, 1, 0, 0: the share of a resample of 4 is binomial(4, 1/2) / 4, whose 2.5 % and 97.5 %
    # points are 0 and 1
    assert (found["las_low"], found["las_high"]) == (0.0, 1.0)


def test_questions_of_one_template_are_drawn_together() -> None:
    """Ten templates of three questions, all or none helped: with the labels each template is one draw of ten,
    not three of thirty.
    """
    labels = [str(row // 3) for row in range(30)]
    helped = [row // 3 < 5 for row in range(30)]
    answers = rows(*[("1", "because")] * 30)
    found = [
        las_numbers(answers, ["9"] * 30, ["1" if right else "9" for right in helped], 30, given)
        for given in (labels, None)
    ]
    assert [one["las_over"] for one in found] == ["10 groups", "30 questions"]
    together, alone = (one["las_high"] - one["las_low"] for one in found)
    assert together == pytest.approx(alone * 3**0.5, rel=0.15)


def test_a_rationale_can_mislead() -> None:
    found = las_numbers(rows(("1", "r"), ("2", "r")), ["1", "2"], ["5", "5"], 2)
    assert (found["las"], found["las_low"], found["las_high"]) == (-1.0, -1.0, -1.0)


def test_a_student_that_never_reasons_has_no_las() -> None:
    assert las_numbers(rows(("1", "")), [], [], 1) == {
        **{
            "n": 1,
            "unanswered": 0,
            "with_rationale": 0,
            "accuracy_question": None,
            "accuracy_rationale": None,
        },
        **{"las": None, "las_low": None, "las_high": None, "las_over": None},
    }


def test_what_is_foreseen_is_the_students_answer_not_the_gold_one() -> None:
    example = Example("made-0", "made", "?", "A", "choice", ["cat", "bat"])
    (row,) = answered([said("A bat flies. --> (B)")], {"made-0": example})
    assert (row.answer, row.rationale) == ("B", "A bat flies.")
    assert [foreseen(text, row) for text in ("(B)", "Answer: B.", "The bat", "A", "", None)] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    assert answered([said("--> B or rather --> A")], {"made-0": example})[0].answer == "B"  # as it is scored
    assert answered([said("no arrow, B")], {"made-0": example}) == []  # nothing to foresee
    # the first of several samples
    assert answered([said("A bat flies. --> (B)"), said("Cats. --> (A)", sample=1)], {"made-0": example}) == [
        row
    ]


def test_prompts_hold_the_parts_of_tables_10_and_11() -> None:
    example = Example("made-0", "made", " 2 + 3? ", "5", "number")
    alone, aided = (
        simulate.simulator_prompt(example, "", ""),
        simulate.simulator_prompt(example, "Count on.", "Add the numbers.\n\nQ: 1 + 1?\nA: The answer is 2."),
    )
    assert "Rationale" not in alone and "rationale" not in alone and "Task" not in alone  # noqa: PT018
    assert aided.startswith("Read the question and the rationale.")
    places = [
        aided.index(part)
        for part in (
            "Task description: Add the numbers.",
            "Question: 2 + 3?",
            "Rationale: Count on.",
            "Your answer:",
        )
    ]
    assert places == sorted(places)
    assert aided.endswith("Your answer:") and "1 + 1" not in aided  # noqa: PT018


def test_the_task_is_that_of_the_subtask() -> None:
    example = Example("made-0", "made", "?", "5", "number", subtask="second")
    assert (
        simulate.task_of(
            "=== first ===\nAdd.\n\nQ: a\nA: b\n\n=== second ===\nCompare.\n\nQ: a\nA: b\n", example
        )
        == "Compare."
    )


# --- whole runs
# ------------------------------------------------------------------------------------------------------------

SPLIT = {
    "train": [],
    "validation": [],
    "test": [f"made-{i}" for i in range(4)],
    "templates": {f"made-{i}": i for i in range(4)},
}
SAID = [
    said("Seven it is. --> 7", 0),
    said("Seven again. --> 7", 1),
    said("Eight, no doubt. --> 8", 2),
    said("no answer", 3),
    said("kept --> 7", 0, origin="epoch 1"),
    *[said("kept --> 7", i, origin="epoch 1") for i in range(1, 4)],
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COT_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.delenv("COT_MODE", raising=False)
    write_examples(
        Path("examples.jsonl"),
        [Example(f"made-{i}", "made", f"Question {i}?", str(i), "number") for i in range(4)],
    )
    write_completions(Path("predictions.jsonl"), SAID)
    Path("split.json").write_text(json.dumps(SPLIT))
    Path("demonstrations.txt").write_text("")
    return tmp_path


def write_params(**blocks: Any) -> None:
    YAML().dump({"methods": {}, "prices": {}, **blocks}, Path("params.yaml"))


def planned(simulator: str = "one") -> str:
    rows, _ = las.read_answered(Path("examples.jsonl"), Path("split.json"), Path("predictions.jsonl"))
    return simulate.plan(simulator, las.questions_to_ask(rows), "")


def run(simulator: str = "one") -> dict[str, Any]:
    files = map(Path, ("examples.jsonl", "split.json", "demonstrations.txt", "predictions.jsonl", "out.json"))
    axes = as_fields(axes_of("made-sample-t-d1-std_cot-tiny-0-greedy"))
    learned = {axis: name for axis, name in axes.items() if axis != "target"}
    las.main(*files, **learned, simulator=simulator)
    found: dict[str, Any] = json.loads(Path("out.json").read_text())
    assert {**axes, "simulator": simulator}.items() <= found.items()
    return found


@pytest.fixture(scope="module")
def running() -> Iterator[Remote]:
    with serve() as server:
        yield server


def test_a_server_as_the_simulator(place: Path, running: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    running.reset()
    running.script(
        [{"fault": "say", "text": "7.", "match": "Rationale:"}, {"fault": "say", "text": "I cannot know."}]
    )
    block = {
        "backend": "openai",
        "endpoint": "local",
        "model": "m-1",
        "system": "Be exact.",
        "max_tokens": 16,
    }
    write_params(simulators={"one": block}, endpoints={"local": {"base_url": running.url}})
    assert "missing: 6 samples" in planned()
    assert running.count("/chat/completions") == 0
    found = run()
    assert {
        name: found[name]
        for name in ("n", "unanswered", "with_rationale", "accuracy_question", "accuracy_rationale", "las")
    } == {
        **{
            "n": 3,
            "unanswered": 1,
            "with_rationale": 3,
            "accuracy_question": 0.0,
            "accuracy_rationale": 0.6667,
            "las": 0.6667,
        },
    }
    bodies = [call["body"] for call in running.calls("/chat/completions")]
    # three answers, with and without; nothing for the fourth question, nothing for kept epochs
    assert len(bodies) == 6
    assert {body["messages"][0]["content"] for body in bodies} == {"Be exact."}
    asked = [body["messages"][1]["content"] for body in bodies]
    assert sum("Rationale: " in text for text in asked) == 3
    assert not any(ARROW in text or "7" in text or "8" in text for text in asked)  # r' is without the answer
    first = Path("out.json").read_bytes()
    monkeypatch.setenv("COT_MODE", "replay")  # all of it is in the store
    run()
    assert (Path("out.json").read_bytes(), running.count("/chat/completions")) == (first, 6)
    write_completions(Path("predictions.jsonl"), [said("Other words. --> 7", 0), *SAID[1:4]])
    with pytest.raises(ValueError, match="replay: 1 answers"):
        run()


def test_a_local_model_as_the_simulator(place: Path, random_student: Callable[[str], Path]) -> None:
    folder = random_student("llama")
    block = {
        "backend": "transformers",
        "base": {"path": str(folder), "sha256": base_sha256(folder)},
        "max_tokens": 4,
    }
    write_params(simulators={"one": block})
    first = run()
    assert (first["n"], first["las"]) == (3, first["accuracy_rationale"] - first["accuracy_question"])
    assert run() == first


OWN = """
from typing import Literal
from stages.config.load import Block
from stages.records.completion import Completion

class Settings(Block):
    backend: Literal["own"]
    reply: str

def complete(examples, settings, raw, demonstrations):
    for example in examples:
        text = settings.reply if "Rationale:" in example.question else "no idea"
        yield Completion(example.id, 0, [example.question], [text], ["stop"], "own", "")
"""


@pytest.mark.parametrize(
    ("more", "las"),
    [
        ("def verbatim(settings): return settings", 0.6667),
        ("def solve(example, settings): return '0'", 0.0),
        ("", None),
    ],
    ids=["a model", "rules", "neither"],
)
def test_a_backend_of_ones_own(
    place: Path, monkeypatch: pytest.MonkeyPatch, more: str, las: float | None
) -> None:
    """A file of stages/teachers is all that it takes; as a model it can judge too. The rules name 0, each
    rationale no number: nothing helps.
    """
    Path("own.py").write_text(OWN + more)
    monkeypatch.setattr(teachers, "__path__", [*teachers.__path__, str(place)])
    monkeypatch.delitem(sys.modules, "stages.teachers.own", raising=False)
    block = {"backend": "own", "reply": "It is 7."}
    write_params(simulators={"one": block}, judges={"two": block})
    if las is None:
        with pytest.raises(ValueError, match=r"`simulators\.one\.backend`: got 'own', .* no verbatim"):
            run()
    else:
        found = run()
        assert (found["accuracy_question"], found["las"]) == (0.0, las)
    if "verbatim" in more:
        assert consult("judges.two", ["A or B? Rationale: it is", "A or B?"]) == ["It is 7.", "no idea"]
    else:
        with pytest.raises(ValueError, match=r"`judges\.two\.backend`: got 'own', .* no verbatim"):
            consult("judges.two", ["A or B?"])
    sys.modules.pop("stages.teachers.own", None)


def test_rules_as_the_simulator(place: Path) -> None:
    """Alone, the rules find the right letters, a rationale leads them where it ends: one student is right and
    says so, one errs with its rationale, one errs against it.
    """
    question = 'Join the last letter of each name in "Adam Beth".'
    write_examples(
        Path("examples.jsonl"),
        [Example(f"made-{i}", "gen_last_letter", question, "mh", "text") for i in range(4)],
    )
    told = ["Joined they are mh. --> mh", "Joined: mx. --> mx", "Joined: mh. --> xh"]
    write_completions(
        Path("predictions.jsonl"), [*(said(text, row) for row, text in enumerate(told)), SAID[3]]
    )
    write_params(simulators={"one": {"backend": "scripted", "error_rate": 0.0}})
    found = run()
    assert (found["accuracy_question"], found["accuracy_rationale"], found["las"]) == (0.3333, 0.6667, 0.3333)


def test_a_run_groups_its_questions_by_the_templates_of_the_split(place: Path) -> None:
    """Ten templates of two questions, of which one question is not answered: nine pairs and one alone are ten
    groups.
    """
    ids = [f"made-{i}" for i in range(20)]
    write_examples(
        Path("examples.jsonl"),
        [
            Example(one, "gen_last_letter", 'Join the last letter of each name in "Adam Beth".', "mh", "text")
            for one in ids
        ],
    )
    split = {
        "train": [],
        "validation": [],
        "test": ids,
        "templates": {one: row // 2 for row, one in enumerate(ids)},
    }
    Path("split.json").write_text(json.dumps(split))
    write_completions(
        Path("predictions.jsonl"),
        [said("Joined: mh. --> mh" if row else "no answer", row) for row in range(20)],
    )
    write_params(simulators={"one": {"backend": "scripted", "error_rate": 0.0}})
    found = run()
    assert (found["n"], found["unanswered"], found["las_over"]) == (19, 1, "10 groups")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            {"backend": "released", "sources": ["a"]},
            r"got 'released', wanted a backend that takes ready texts: .*released\.py has no verbatim",
        ),
        (
            {"backend": "openai", "endpoint": "e", "model": "m", "method": "bare", "samples": 2},
            "asked ready texts, once each: drop method, samples",
        ),
        ({"backend": "openai", "endpoint": "e", "model": "m", "tempreature": 0.0}, "unknown key"),
        ({"backend": "openai", "endpoint": "nowhere", "model": "m"}, r"no block `endpoints\.nowhere`"),
    ],
)
def test_faulty_blocks_are_named(block: dict[str, Any], message: str) -> None:
    for blocks in ("simulators", "judges"):
        with pytest.raises(ValueError, match=message):
            check_consulted({"simulators": {}, "judges": {}, "endpoints": {"e": {}}, blocks: {"one": block}})


@pytest.mark.parametrize(
    ("kind", "rationale", "said"),
    [
        ("text", 'h, e and n give "hen".', '"hen".'),
        ("yes_no", "No, no. So yes, it does.", "yes"),
        ("number", "2 + 3 = 5.", "5"),
        ("choice", "Not (A): the bat flies.", "B"),
    ],
)
def test_rules_take_the_last_answer_of_a_rationale(kind: str, rationale: str, said: str) -> None:
    example = Example("made-0", "gen_coin_flip", "?", "x", kind, ["cat", "bat"] if kind == "choice" else None)
    found = simulate.by_rule(example, rationale, scripted, scripted.Settings(backend="scripted"))
    assert found.strip('".') == said.strip('".')


def test_rules_reason_themselves_where_a_rationale_names_nothing() -> None:
    question = "A coin lies heads up. Ann flips it. Bob leaves it alone. Does it still lie heads up?"
    example = Example("made-0", "gen_coin_flip", question, "no", "yes_no")
    settings = scripted.Settings(backend="scripted", error_rate=0.0)
    assert [
        simulate.by_rule(example, rationale, scripted, settings)
        for rationale in ("The coin is turned.", "", "Yes.")
    ] == ["no", "no", "yes"]
