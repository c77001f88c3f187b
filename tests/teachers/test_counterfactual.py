"""Counterfactual rationales: whatever the teacher is, one states the wrong answer that it was given and never
gold; SCOTT learns from it, and nobody else does.
"""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from curated import curate, render

from stages.asking.conversation import Failures, Wanted, ask_all, completions, with_wrong_answers
from stages.asking.request import Answer
from stages.config.curation import Curation
from stages.methods import chat_cot, counterfactual_cot, fine_tune_cot, in_context, scott
from stages.records.completion import Completion, read_completions, write_completions
from stages.records.example import Example
from stages.teachers import openai, scripted

QUESTIONS = [
    Example("made-0", "made", "Two and two?", "4", "number"),
    Example("made-1", "made", "Three and three?", "6", "number"),
    Example("made-2", "made", "Is it? (A) no (B) so (C) yes", "B", "choice", ["no", "so", "yes"]),
    Example("made-3", "made", "Can birds fly?", "yes", "yes_no"),
    Example("made-4", "made", "Does it follow?", "valid", "exact", ["valid", "invalid"]),
    Example("made-5", "made", "Joined?", "nks", "text", subtask="letters"),
    Example("made-6", "made", "Put together?", "lpd", "text", subtask="letters"),
    Example("made-7", "made", "Three and four?", "7", "number"),
]
BY_ID = {example.id: example for example in QUESTIONS}
SPLIT = {"train": [example.id for example in QUESTIONS[:7]], "validation": [], "test": ["made-7"]}
TEACHER = openai.Settings(
    backend="openai", endpoint="e", model="m", method="counterfactual_cot", samples=4, temperature=0.7
)
UNFILTERED = Curation(filter="none")


def obeys(prompt: str, gold: str) -> str:
    """A model that says what it is told to, else its own answer."""
    told = re.search(r'"Answer: (.+)"\.$', prompt)
    return f"One sees it thus.\nAnswer: {told[1] if told else gold}"


def knows_better(prompt: str, gold: str) -> str:
    return f"I cannot agree with that.\nAnswer: {gold}"


def said_by(model: Callable[[str, str], str], fewer: dict[str, int] | None = None) -> list[Completion]:
    """All completions of a model that answers a prompt, being told the gold answer."""
    asked = with_wrong_answers(openai.asking(TEACHER, "", fewer), QUESTIONS)
    store: dict[str, dict[int, Answer]] = {}
    gold = {example.question: example.answer for example in QUESTIONS}

    def fulfil(wanted: list[Wanted]) -> Failures:
        for want in wanted:
            text = model(want.request.prompt, gold[want.request.prompt.partition("\n\n")[0]])
            store.setdefault(want.key, {}).update(dict.fromkeys(want.samples, Answer(text, "stop")))
        return {}

    stored: Any = lambda key: store.get(key, {})  # noqa: E731
    assert not ask_all(QUESTIONS, asked, stored, fulfil)
    return list(completions(QUESTIONS, asked, stored))


def assert_counterfactual(rows: list[Completion], examples: dict[str, Example]) -> None:
    """Of curated rows: every second one states what it was given, which is wrong."""
    assert {row.sample % 2 for row in rows} == {0, 1}
    for row in rows:
        assert (row.given is not None) == (row.sample % 2 == 1)
        if row.given is not None:
            assert row.answer == row.given != examples[row.example_id].answer


def test_every_counterfactual_states_the_wrong_answer_it_was_given(tmp_path: Path) -> None:
    said = said_by(obeys)
    assert len(said) == 4 * len(QUESTIONS)
    write_completions(tmp_path / "rows.jsonl", said)
    assert read_completions(tmp_path / "rows.jsonl") == said
    kept, counts = curate(said, BY_ID, SPLIT, UNFILTERED, set())
    assert len(kept) == 4 * 7
    assert_counterfactual(kept, BY_ID)
    assert (counts["train"]["right"], counts["train"]["counterfactual"]) == (14, 14)
    assert counts["teacher_accuracy_train"] == 1.0  # of its own answers
    # `filter: answer` leaves the others alone
    right, counts = curate(said, BY_ID, SPLIT, Curation(filter="answer"), set())
    assert [row.given for row in right] == [None] * 14
    assert counts["train"]["removed"]["wrong_answer"] == 14


def test_a_teacher_that_does_not_do_it_is_counted_and_left_out() -> None:
    kept, counts = curate(said_by(knows_better), BY_ID, SPLIT, UNFILTERED, set())
    assert [row.given for row in kept] == [None] * 14
    assert counts["train"]["removed"]["not_as_given"] == 14
    plain, counts = curate(kept, BY_ID, SPLIT, UNFILTERED, set())
    assert (len(plain), "not_as_given" in counts["train"]["removed"]) == (14, False)


def test_the_wrong_answer_is_an_option_or_an_answer_of_the_task() -> None:
    given = {
        example.id: {row.given for row in said_by(obeys, {"made-7": 4}) if row.example_id == example.id}
        - {None}
        for example in QUESTIONS
    }
    legal = {
        # not 7, of a question that nobody learns from
        "made-0": {"6"},
        "made-2": {"A", "C"},
        "made-3": {"no"},
        "made-4": {"invalid"},
        "made-5": {"lpd"},
        "made-6": {"nks"},
    }
    for name, allowed in legal.items():
        assert given[name]
        assert given[name] <= allowed, name


def test_draws_depend_on_seed_question_and_sample() -> None:
    example = Example("a-0", "a", "Which?", "C", "choice", list("vwxyz"))
    settings = [counterfactual_cot.Settings(seed=seed) for seed in (0, 1)]
    drawn = [[counterfactual_cot.given(example, n, {}, one) for n in range(60)] for one in settings]
    assert drawn[0] == [counterfactual_cot.given(example, n, {}, settings[0]) for n in range(60)]
    assert drawn[0] != drawn[1]
    assert set(drawn[0][::2]) == {None}
    assert set(drawn[0][1::2]) == set("ABDE")
    same = {(None, "number"): ["12", "12.0", "12.00", "7"]}  # the right one, written in other ways
    number = Example("a-2", "a", "?", "12", "number")
    assert {counterfactual_cot.given(number, n, same, settings[0]) for n in range(1, 60, 2)} == {"7"}
    with pytest.raises(ValueError, match="a-1: no wrong answer among"):
        counterfactual_cot.given(
            Example("a-1", "a", "?", "4", "number"), 1, {(None, "number"): ["4"]}, settings[0]
        )


def test_the_prompts() -> None:
    ask = counterfactual_cot.ask_given
    assert ask(QUESTIONS[2], "C", [], counterfactual_cot.Settings(), "") == (
        "Is it? (A) no (B) so (C) yes\n\nTake it that the answer is (C). Reason step by step to this answer,"
        " as someone would who believes it, and do not say that it was given. Then end with one last line:"
        ' "Answer: C".'
    )
    assert ask(QUESTIONS[2], "C", ["said"], counterfactual_cot.Settings(), "") is None
    own = [one.ask(QUESTIONS[2], [], one.Settings(), "") for one in (counterfactual_cot, chat_cot)]
    assert own[0] == own[1]


@pytest.mark.parametrize("task", ["gen_last_letter", "gen_coin_flip", "gen_shuffled_objects"])
@pytest.mark.parametrize("error_rate", [0.0, 0.5])
def test_the_scripted_teacher_argues_for_a_wrong_answer(task: str, error_rate: float, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"questions": 40}')
    examples = import_module(f"stages.datasets.{task}").parse(tmp_path)
    by_id = {example.id: example for example in examples}
    chosen = {"backend": "scripted", "samples": 4, "error_rate": error_rate}
    said = list(scripted.complete(examples, scripted.Settings(**chosen, counterfactual=True), Path(), ""))
    plain = list(scripted.complete(examples, scripted.Settings(**chosen), Path(), ""))
    assert [row for row in said if row.sample == 0] == [row for row in plain if row.sample == 0]
    assert {row.given for row in plain} == {None}
    kept, counts = curate(said, by_id, {"train": list(by_id), "validation": []}, UNFILTERED, set())
    assert len(kept) == 160
    assert_counterfactual(kept, by_id)
    assert counts["train"]["counterfactual"] == 80


def test_scott_learns_from_them_and_others_do_not() -> None:
    kept, _ = curate(said_by(obeys), BY_ID, SPLIT, UNFILTERED, set())
    rows = render(scott, scott.Settings(), QUESTIONS, SPLIT, kept)
    for example in QUESTIONS[:7]:
        mine = [row for row in rows if row.example_id == example.id]
        assert sorted(row.unit for row in mine) == ["0", "0", "1", "1"]
        for unit in ("0", "1"):
            tasks = {row.segments[-1].task: row.segments[-1].text for row in mine if row.unit == unit}
            assert set(tasks) == {"cot", "counterfactual"}
            assert example.answer not in tasks["counterfactual"].strip(" .()").split()
    others = render(fine_tune_cot, fine_tune_cot.Settings(), QUESTIONS, SPLIT, kept)
    assert len(others) == 14
    shown = render(
        in_context, in_context.Settings(shots=1), QUESTIONS[:2], {**SPLIT, "train": SPLIT["train"][:2]}, kept
    )
    assert len(shown) == 4
