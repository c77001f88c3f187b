"""EDIT: pairs of right and wrong rationales, and what is weighed in them."""

from pathlib import Path
from typing import Any

import pytest
from curated import curate, render

from stages.config.curation import Curation
from stages.config.load import check
from stages.methods import edit, std_cot
from stages.records.completion import Completion, read_completions, write_completions
from stages.records.example import Example
from stages.records.sequence import Sequence

EXAMPLE = Example("made-0", "made", "What is 2 times 4, plus 1?", "9", "number")
PARTS: dict[str, list[str]] = {"train": ["made-0"], "validation": [], "test": []}
BETA = -0.025


def said(sample: int, rationale: str, answer: str | None, **more: Any) -> Completion:
    texts = [rationale, f" {answer}"]
    return Completion("made-0", sample, ["p"] * 2, texts, ["stop"] * 2, "t", "", answer=answer, **more)


RIGHT = said(0, "2 times 4 is 8. 8 plus 1 is 9.", "9")
WRONG = said(1, "2 times 4 is 6. 6 plus 1 is 7.", "7")
OTHER = said(2, "Twice 4 makes 8, one more is 9.", "9")
MUTE = said(3, "Who knows?", None)


def weighed(sequence: Sequence) -> list[str]:
    text = sequence.segments[-1].text
    return [text[run.start : run.stop] for run in sequence.segments[-1].runs or ()]


def test_only_what_differs_weighs() -> None:
    pair = edit.render(EXAMPLE, [WRONG, RIGHT, MUTE, OTHER], edit.Settings())
    assert [sequence.segments[-1].text for sequence in pair] == [
        " 2 times 4 is 8. 8 plus 1 is 9. Therefore, the answer is 9.",
        " 2 times 4 is 6. 6 plus 1 is 7. Therefore, the answer is 7.",
    ]
    assert [weighed(sequence) for sequence in pair] == [["8", "8", "9", "9"], ["6", "6", "7", "7"]]
    found = [(sequence.segments[-1].task, sequence.segments[-1].weight, sequence.unit) for sequence in pair]
    assert found == [("cot", 1.0, "0"), ("counterfactual", BETA, "0")]
    assert all(run.weight == 1 for sequence in pair for run in sequence.segments[-1].runs)
    assert pair[0].segments[0].text == edit.ask(EXAMPLE, [], edit.Settings(), "")


def test_a_wrong_one_is_paired_with_the_nearest_right_one() -> None:
    near = said(4, "Twice 4 makes 8, one less is 7.", "7")
    pairs = edit.render(EXAMPLE, [OTHER, near, RIGHT, WRONG], edit.Settings())
    texts = [sequence.segments[-1].text.removeprefix(" ").split(",")[0] for sequence in pairs]
    assert texts == [
        "Twice 4 makes 8",
        "Twice 4 makes 8",
        *(one.texts[0][:31] + " Therefore" for one in (RIGHT, WRONG)),
    ]
    assert [weighed(sequence) for sequence in pairs[:2]] == [["more", "9", "9"], ["less", "7", "7"]]
    assert [sequence.unit for sequence in pairs] == ["0", "0", "1", "1"]


def test_a_text_that_render_would_leave_out_takes_no_partner_with_it() -> None:
    """The nearest right one says the mark twice: the next one is its partner; without it there is none."""
    twice = said(5, "2 times 4 is 8. Therefore, the answer is 8 plus 1. 8 plus 1 is 9.", "9")
    pair = edit.render(EXAMPLE, [twice, OTHER, WRONG], edit.Settings())
    assert [sequence.segments[-1].text[1:6] for sequence in pair] == ["Twice", "2 tim"]
    assert edit.render(EXAMPLE, [twice, WRONG], edit.Settings()) == []
    wrong = said(6, "2 times 4 is 6. Therefore, the answer is 6 plus 1.", "7")
    assert edit.render(EXAMPLE, [RIGHT, wrong], edit.Settings()) == []


@pytest.mark.parametrize("rows", [[RIGHT, OTHER], [WRONG], [MUTE, RIGHT], []])
def test_nothing_is_learnt_without_a_pair(rows: list[Completion]) -> None:
    assert edit.render(EXAMPLE, rows, edit.Settings()) == []


def test_counterfactuals_are_wrong_ones() -> None:
    """Through the stage, which keeps them from most methods."""
    told = said(1, "2 times 4 is 6. 6 plus 1 is 7.", "7", given="7")
    assert [s.segments[-1].task for s in render(edit, edit.Settings(), [EXAMPLE], PARTS, [RIGHT, told])] == [
        "cot",
        "counterfactual",
    ]


@pytest.mark.parametrize(
    ("answers", "right", "apart"),
    [
        (["9", "7", "9", None], [0, 2], [1]),
        (["9", "9"], [0, 1], []),
        (["7", "6"], [], []),
        (["9", None], [0], []),
        (["7", "9.0"], [1], [0]),  # right as its type compares it
    ],
)
def test_a_dual_curation_keeps_wrong_ones_beside_right_ones(
    answers: list[str | None], right: list[int], apart: list[int]
) -> None:
    rows = [said(n, "So.", answer) for n, answer in enumerate(answers)]
    left, funnel = curate(rows, {"made-0": EXAMPLE}, PARTS, Curation(filter="dual"), set())
    assert [row.sample for row in left if not row.apart] == right
    assert [row.sample for row in left if row.apart] == apart
    removed = funnel["all"]["removed"]
    assert removed["no_answer"] == answers.count(None)
    assert removed["without_right"] == len(answers) - answers.count(None) - len(right) - len(apart)
    assert (funnel["train"]["right"], funnel["train"]["wrong"]) == (len(right), len(apart))


def test_others_learn_from_a_dual_corpus_what_they_learn_from_right_answers(tmp_path: Path) -> None:
    """Std-CoT, whose student EDIT goes on from, and a file between."""
    rows = [RIGHT, WRONG, OTHER, MUTE]
    texts = []
    for kind in ("answer", "dual"):
        kept, _ = curate(rows, {"made-0": EXAMPLE}, PARTS, Curation(filter=kind), set())
        write_completions(tmp_path / kind, kept)
        read = read_completions(tmp_path / kind)
        assert read == kept
        texts.append(render(std_cot, std_cot.Settings(), [EXAMPLE], PARTS, read))
    assert texts[0] == texts[1]
    assert len(texts[0]) == 2
    assert [s.unit for s in render(edit, edit.Settings(), [EXAMPLE], PARTS, read)] == ["0", "0"]


def test_a_pair_may_not_lose_its_half() -> None:
    with pytest.raises(
        ValueError, match="`select` and `mix` leave wrong ones without a right one: not with `filter: dual`"
    ):
        check("c", {"filter": "dual", "select": {"by": "random", "keep": 1}}, Curation)
