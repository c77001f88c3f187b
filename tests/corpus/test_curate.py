"""Curation: each filter on its own, the funnel's arithmetic, and the command on files."""

import json
import random
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from statistics import fmean, median, quantiles

import numpy as np
import pytest
from curated import by_question, curate, render
from pydantic import ValidationError

from stages import render as render_stage
from stages.config.curation import Curation
from stages.corpus.filters import (
    draw_questions,
    keep_answered,
    keep_correct,
    keep_distinct,
    keep_finished,
    keep_first_samples,
    keep_questions,
    keep_stated_once,
    with_answers,
)
from stages.corpus.funnel import Corpus
from stages.corpus.inputs import check_rows, read_golden
from stages.corpus.selection import count_bigrams
from stages.curate import main, show_fates
from stages.records.completion import Completion, Step, read_completions, write_completions
from stages.records.example import Example, write_examples

EXAMPLES = {
    f"toy-{row}": Example(f"toy-{row}", "toy", f"What is {row} plus 1?", str(row + 1), "number")
    for row in range(40)
}
SPLIT = {
    "train": [f"toy-{i}" for i in range(20)],
    "validation": [f"toy-{i}" for i in range(20, 26)],
    "test": [f"toy-{i}" for i in range(26, 40)],
}
REASONS = [
    "not_in_train",
    "over_budget",
    "unfinished",
    "duplicate",
    "no_answer",
    "wrong_answer",
    "not_golden",
    "undersampled",
]


def said(row, sample=0, answer="", rationale="one more"):
    return Completion(
        f"toy-{row}", sample, ["q", "q r"], [rationale, f" {answer}."], ["stop", "stop"], "scripted", ""
    )


def corpus(seed=0, samples=4):
    """Every question with right, wrong, missing and repeated answers, in no particular order."""
    rng = random.Random(seed)
    rows = []
    for row in range(40):
        for sample in range(samples):
            answer = rng.choice([row + 1, row + 1, row, "none at all"])
            rows.append(said(row, sample, answer, rng.choice(["one more", "One  more", "count up", "add 1"])))
    rng.shuffle(rows)
    return rows


def places(rows):
    return [(row.example_id, row.sample) for row in rows]


def test_budget_takes_the_first_samples_and_nests():
    rows = corpus()
    kept = [set(places(keep_first_samples(rows, budget))) for budget in (1, 2, 3, 4, None)]
    assert kept[0] == {(f"toy-{row}", 0) for row in range(40)}
    assert all(few <= more for few, more in pairwise(kept))
    assert kept[-1] == set(places(rows))
    gap = [said(1, 5), said(1, 2), said(1, 3)]
    assert places(keep_first_samples(gap, 2)) == [
        ("toy-1", 2),
        ("toy-1", 3),
    ]  # in sample order, kept in row order


@pytest.mark.parametrize(
    ("rationales", "kept"),
    [
        (["a b", "A  B", "a\tb\n"], [0]),
        (["a b", "ab"], [0, 1]),
        (["x", "y", "x"], [0, 1]),
        (["Straße", "STRASSE"], [0]),  # case folding, not lower case
    ],
)
def test_distinct(rationales, kept):
    rows = [said(1, sample, 2, rationale) for sample, rationale in enumerate(rationales)]
    assert [row.sample for row in keep_distinct(rows)] == kept
    # another question is no duplicate
    assert keep_distinct([said(1, 0, 2), said(2, 0, 2)]) == [said(1, 0, 2), said(2, 0, 2)]
    assert (
        len(keep_distinct([said(1, 0, 2), said(1, 1, 3)])) == 2
    )  # nor another answer after the same rationale


@pytest.mark.parametrize(("train_on", "kept"), [("summary", [0]), ("thoughts", [0, 1]), ("both", [0, 1])])
def test_distinct_is_what_is_learned(train_on: str, kept: list[int]) -> None:
    rows = [replace(said(1, n, 2), reasoning=[thought]) for n, thought in enumerate(("one way", "another"))]
    rows.append(replace(rows[0], sample=2))
    assert [row.sample for row in keep_distinct(rows, train_on)] == kept
    assert (
        count_bigrams(rows, train_on)
        == {
            "summary": count_bigrams(rows),
            "thoughts": 1,
            "both": count_bigrams(rows) + 1,
        }[train_on]
    )


@pytest.mark.parametrize(
    ("text", "prefix", "has_answer", "is_right"),
    [
        (" 8.", "", True, True),
        (" 9.", "", True, False),
        ("I cannot say", "", False, False),
        ("7 and 1 make 8 --> 8", "-->", True, True),
        ("7 and 1 make 8", "-->", False, False),  # no answer prefix: the last number of the text is no answer
    ],
)
def test_answer_filters(text, prefix, has_answer, is_right):
    rows = [Completion("toy-7", 0, ["q"], [text], ["stop"], "scripted", prefix)]
    assert bool(keep_answered(rows, EXAMPLES)) == has_answer
    assert bool(keep_correct(rows, EXAMPLES)) == is_right


@pytest.mark.parametrize(
    ("text", "prefix", "answer"),
    [
        (" 8.", "", "8"),
        (" 8.00 legs", "", "8"),  # right: in the gold answer's writing
        (" 9.50", "", "9.50"),
        ("I cannot say", "", None),
        ("7 and 1 make 8", "-->", None),
    ],
)
def test_kept_rows_carry_the_answer_they_give(text, prefix, answer):
    row = Completion("toy-7", 0, ["q"], [text], ["stop"], "scripted", prefix)
    assert with_answers([row], EXAMPLES) == [replace(row, answer=answer)]
    kept, _ = curate([row], EXAMPLES, SPLIT, Curation(filter="none"), set())
    assert [row.answer for row in kept] == [answer]


def test_right_and_wrong_can_be_told_apart_in_a_curated_corpus():
    kept, _ = curate(corpus(), EXAMPLES, SPLIT, Curation(filter="none"), set())
    right = [row for row in kept if row.answer == EXAMPLES[row.example_id].answer]
    assert right == keep_correct(kept, EXAMPLES)
    assert [row for row in kept if row.answer is not None] == keep_answered(kept, EXAMPLES)
    assert 0 < len(right) < len(keep_answered(kept, EXAMPLES)) < len(kept)


def test_choices_are_read_with_the_letters_of_the_example():
    example = Example("pick-0", "pick", "Which?", "F", "choice", choices=list("uvwxyz"))
    rows = [Completion("pick-0", 0, ["q"], [" F."], ["stop"], "scripted", "")]
    assert keep_correct(rows, {"pick-0": example}) == rows


@pytest.mark.parametrize(
    ("reasons", "kept"),
    [(["stop", "stop"], 1), (["length", "stop"], 0), (["stop", "length"], 0), (["content_filter"], 0)],
)
def test_finished(reasons, kept):
    assert len(keep_finished([replace(said(1), finish_reasons=reasons)])) == kept


@pytest.mark.parametrize(
    ("text", "prefix", "kept"),
    [
        ("Heads, then tails. The answer is no.", "he answer is", 1),
        ("Tails. The answer is no. The answer is no. The answer is no", "he answer is", 0),
        ("Tails. The answer is yes. It is not, so the answer is no.", "he answer is", 0),
        ("Tails.", "he answer is", 1),  # no answer: another filter's business
        ("no no", "", 1),  # nothing states it
    ],
)
def test_stated_once(text, prefix, kept):
    row = Completion("toy-1", 0, ["q"], [text], ["stop"], "scripted", prefix)
    assert len(keep_stated_once([row])) == kept
    _, funnel = curate([row], EXAMPLES, SPLIT, Curation(filter="none", stated_once=True), set())
    assert funnel["train"]["removed"]["stated_again"] == 1 - kept
    _, funnel = curate([row], EXAMPLES, SPLIT, Curation(filter="none"), set())
    assert "stated_again" not in funnel["train"]["removed"]


def test_unfinished_rows_are_counted_and_removed_on_request():
    rows = [
        replace(row, finish_reasons=["length" if row.sample == 1 else "stop", "stop"]) for row in corpus()
    ]
    for finished_only, unfinished, samples in ((False, 20, 4), (True, 0, 3)):
        curation = Curation(filter="none", finished_only=finished_only)
        kept, funnel = curate(rows, EXAMPLES, SPLIT, curation, set())
        assert funnel["train"]["rows_in_unfinished"] == 20
        assert funnel["train"]["unfinished"] == unfinished
        assert funnel["train"]["removed"]["unfinished"] == 20 - unfinished
        assert len(kept) == 26 * samples


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_lengths_against_numpy(size, seed):
    rng = random.Random(seed)
    rows = [replace(said(1), texts=["ab " * rng.randint(0, 450), " c d "]) for _ in range(size)]
    words = [len(f"{row.texts[0]} {row.texts[1]}".split()) for row in rows]
    characters = [len(row.texts[0].strip()) + 3 for row in rows]
    corpus = Corpus()
    corpus.add(rows, EXAMPLES["toy-1"])
    told = corpus.lengths()
    for name, values in (("words", words), ("characters", characters)):
        wanted = {"mean": np.mean(values), "median": np.median(values), "p90": np.quantile(values, 0.9)}
        assert told[name] == pytest.approx(wanted, abs=1e-4)
    edges = [*range(0, 401, 20), 10_000]
    bars = np.histogram(words, edges)[0].tolist()
    assert told["words_from"] == {f"{edge:03}": bar for edge, bar in zip(edges, bars, strict=False) if bar}
    # to the last digit what the library says of the values one by one
    assert {name: told[name] for name in ("words", "characters")} == {
        name: {
            "mean": round(fmean(values), 4),
            "median": median(values),
            "p90": round(quantiles(values, n=10, method="inclusive")[-1] if size > 1 else values[0], 4),
        }
        for name, values in (("words", words), ("characters", characters))
    }
    assert Corpus().lengths() == {}


def test_the_funnel_tells_right_wrong_and_no_answer():
    rows = corpus()
    kept, funnel = curate(rows, EXAMPLES, SPLIT, Curation(filter="none"), set())
    for part in ("train", "validation"):
        held = keep_questions(kept, SPLIT[part])
        right = len(keep_correct(held, EXAMPLES))
        answered = len(keep_answered(held, EXAMPLES))
        counts = [right, answered - right, len(held) - answered]
        assert [funnel[part][name] for name in ("right", "wrong", "without_answer")] == counts
        assert min(counts) > 0
        assert funnel[part]["completions_per_question"] == {"mean": 4.0, "fewest": 4, "most": 4}


# what the methods make of an unfiltered corpus


def texts_of(method, kept, **settings):
    """(question, everything that is trained) of each sequence of the train part."""
    file = import_module(f"stages.methods.{method}")
    sequences = render(file, file.Settings(**settings), [*EXAMPLES.values()], SPLIT, kept)
    return [
        (s.example_id, "".join(part.text for part in s.segments if part.task))
        for s in sequences
        if s.part == "train"
    ]


def test_few_shot_setting_trains_on_the_teacher_s_label():
    """All rationales stay, with the label that the teacher gave (SCoTD section 3.1).

    Label-Only and Greedy-CoT likewise. Rows without a label are counted.
    """
    kept, funnel = curate(corpus(), EXAMPLES, SPLIT, Curation(filter="none"), set())
    train = [row for row in kept if row.example_id in SPLIT["train"]]
    labelled = [row for row in train if row.answer is not None]
    assert len(train) - len(labelled) == funnel["train"]["without_answer"] > 0
    assert any(row.answer != EXAMPLES[row.example_id].answer for row in labelled)
    wanted = sorted((row.example_id, f" {row.texts[0]} So the answer is: {row.answer}") for row in labelled)
    assert sorted(texts_of("scotd", kept, label="teacher")) == wanted
    assert sorted(texts_of("answer_sft", kept, label="teacher")) == sorted(
        (row.example_id, f" {row.answer}") for row in labelled
    )
    greedy, _ = curate(corpus(), EXAMPLES, SPLIT, Curation(filter="none", per_question=1), set())
    firsts = sorted(
        (row.example_id, f" {row.texts[0]} So the answer is: {row.answer}")
        for row in labelled
        if row.sample == 0
    )
    assert sorted(texts_of("greedy_cot", greedy, label="teacher")) == firsts


def test_counterfactual_corpus_of_scott():
    """As in CasCoD's code: right completions are taught whole, of wrong ones only the wrong answer.

    Those without an answer are not taught at all.
    """
    kept, funnel = curate(corpus(), EXAMPLES, SPLIT, Curation(filter="none"), set())
    train = [row for row in kept if row.example_id in SPLIT["train"]]
    right = keep_correct(train, EXAMPLES)
    wrong = [row for row in keep_answered(train, EXAMPLES) if row not in right]
    assert (len(right), len(wrong)) == (funnel["train"]["right"], funnel["train"]["wrong"])
    taught = sorted(texts_of("scott", kept))
    whole = [(row.example_id, f" {row.texts[0]} Therefore, the answer is {row.answer}.") for row in right]
    assert taught == sorted(whole + [(row.example_id, f" {row.answer}.") for row in wrong])


def test_undersample_draws_questions_whatever_their_order():
    ids = [*EXAMPLES]
    drawn = draw_questions(ids, 5, seed=3)
    assert len(drawn) == 5
    assert draw_questions(ids[::-1], 5, seed=3) == drawn != draw_questions(ids, 5, seed=4)
    assert draw_questions(ids, 100, seed=0) == {*ids}
    assert draw_questions(ids, 0, seed=0) == set()


def check_sums(funnel):
    """Rows in minus all that is removed is rows out, in every part and over all."""
    for name in ("train", "validation", "all"):
        part = funnel[name]
        assert part["rows_in"] - sum(part["removed"].values()) == part["rows_out"], name
        assert part["questions_listed"] >= part["questions_in"] >= part["questions_out"] or name == "all"
    for reason, number in funnel["all"]["removed"].items():
        assert (
            number == sum(funnel[part]["removed"].get(reason, 0) for part in ("train", "validation"))
            or reason == "not_in_train"
        )


@pytest.mark.parametrize("chosen", ["answer", "none", "golden"])
@pytest.mark.parametrize("per_question", [None, 1, 3])
@pytest.mark.parametrize("dedup", [False, True])
@pytest.mark.parametrize("match_size", [None, "golden"])
def test_funnel_adds_up(chosen, per_question, dedup, match_size):
    golden = {f"toy-{row}" for row in range(0, 40, 3)}
    listed = "list.txt" if "golden" in (chosen, match_size) else None
    curation = Curation(
        filter=chosen, per_question=per_question, dedup=dedup, golden=listed, match_size=match_size
    )
    kept, funnel = curate(corpus(), EXAMPLES, SPLIT, curation, golden if listed else set())
    check_sums(funnel)
    assert list(funnel["all"]["removed"]) == REASONS
    assert {row.example_id for row in kept} <= {*SPLIT["train"], *SPLIT["validation"]}
    assert len(kept) == funnel["all"]["rows_out"]
    assert funnel["all"]["removed"]["not_in_train"] == 14 * 4
    if chosen != "none":
        assert kept == keep_correct(kept, EXAMPLES)
    if chosen == "golden":
        assert {row.example_id for row in kept} <= golden


def test_budget_comes_before_the_answer_filter():
    rows = [said(1, 0, 99), said(1, 1, 2), said(1, 2, 2)]
    kept, funnel = curate(rows, EXAMPLES, SPLIT, Curation(filter="answer", per_question=2), set())
    assert places(kept) == [("toy-1", 1)]  # sample 2 is not drawn in place of the wrong one
    assert {reason: gone for reason, gone in funnel["train"]["removed"].items() if gone} == {
        "over_budget": 1,
        "wrong_answer": 1,
    }
    assert funnel["teacher_accuracy_train"] == 0.5  # one of the two that were asked


def test_matched_size_is_what_golden_keeps():
    golden = {f"toy-{row}" for row in range(0, 40, 2)}
    by_golden, _ = curate(corpus(), EXAMPLES, SPLIT, Curation(filter="golden", golden="list.txt"), golden)
    matched, funnel = curate(
        corpus(), EXAMPLES, SPLIT, Curation(filter="answer", golden="list.txt", match_size="golden"), golden
    )
    for part in ("train", "validation"):
        counts = [
            len({row.example_id for row in keep_questions(rows, SPLIT[part])})
            for rows in (by_golden, matched)
        ]
        assert counts[0] == counts[1] > 0
    assert funnel["all"]["removed"]["undersampled"] > 0
    assert {row.example_id for row in matched} - golden


def test_a_part_without_questions_has_the_same_figures():
    curation = Curation(filter="answer")
    kept, funnel = curate([said(1, 0, 2)], EXAMPLES, {**SPLIT, "validation": []}, curation, set())
    assert len(kept) == 1
    assert funnel["validation"].keys() == funnel["train"].keys()
    assert funnel["validation"]["removed"] == dict.fromkeys(REASONS[1:], 0)


def test_no_train_rows_give_no_accuracy():
    kept, funnel = curate([said(30, 0, 31)], EXAMPLES, SPLIT, Curation(filter="answer"), set())
    assert kept == []
    assert funnel["teacher_accuracy_train"] is None
    assert funnel["all"]["removed"]["not_in_train"] == 1


@pytest.mark.parametrize(
    "values",
    [
        {"filter": "golden"},
        {"filter": "answer", "match_size": "golden"},
        {"filter": "answer", "golden": "list.txt"},
        {"filter": "best"},
        {"filter": "answer", "per_question": 0},
        {"filter": "answer", "budget": 3},
    ],
)
def test_curation_refuses(values):
    with pytest.raises(ValidationError):
        Curation.model_validate(values)


def test_golden_list(tmp_path):
    path = tmp_path / "golden.txt"
    path.write_text("# a remark\ntoy-3\nother-99\n\n toy-5 \n")
    assert read_golden(path, EXAMPLES) == {"toy-3", "toy-5"}  # one list may serve several datasets
    path.write_text("toy-3\ntoy-400\n")
    with pytest.raises(ValueError, match="toy-400"):
        read_golden(path, EXAMPLES)
    path.write_text("other-3\n")
    with pytest.raises(ValueError, match="none of them"):
        read_golden(path, EXAMPLES)


@pytest.mark.parametrize(
    ("rows", "message"),
    [([said(99)], "'toy-99', which is no example"), ([said(1, 2), said(1, 2)], "sample 2 twice")],
)
def test_bad_rows_are_named(rows, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        check_rows(rows, EXAMPLES, tmp_path)


def test_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        "curations:\n  right: {filter: answer, per_question: 3, dedup: true}\n"
    )
    write_examples(tmp_path / "examples.jsonl", EXAMPLES.values())
    (tmp_path / "split.json").write_text(json.dumps({**SPLIT, "templates": {}}))
    rows = corpus()
    order = [*dict.fromkeys(row.example_id for row in rows)]
    together = sorted(rows, key=lambda row: order.index(row.example_id))
    write_completions(tmp_path / "all.jsonl", together)
    files = [
        tmp_path / name for name in ("examples.jsonl", "split.json", "all.jsonl", "kept.jsonl", "funnel.json")
    ]
    main("right", *files)
    kept, funnel = (
        read_completions(tmp_path / "kept.jsonl"),
        json.loads((tmp_path / "funnel.json").read_text()),
    )
    check_sums(funnel)
    assert kept
    assert kept == keep_correct(kept, EXAMPLES)
    assert len(kept) == funnel["all"]["rows_out"]
    before = (tmp_path / "kept.jsonl").read_bytes(), (tmp_path / "funnel.json").read_bytes()
    main("right", *files)
    assert before == ((tmp_path / "kept.jsonl").read_bytes(), (tmp_path / "funnel.json").read_bytes())
    # train before validation, each in the order of the file
    parts = [keep_questions(kept, SPLIT[part]) for part in ("train", "validation")]
    assert kept == [*parts[0], *parts[1]]
    for part in parts:
        assert places(part) == [place for place in places(together) if place in places(part)]
    write_completions(tmp_path / "all.jsonl", rows)
    with pytest.raises(ValueError, match="stand in several places, wanted them one after the other"):
        main("right", *files)
    assert before[0] == (tmp_path / "kept.jsonl").read_bytes()


def test_show_says_what_became_of_each_completion(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        "curations:\n  one: {filter: answer, select: {by: random, keep: 1}}\n"
    )
    write_examples(tmp_path / "examples.jsonl", EXAMPLES.values())
    (tmp_path / "split.json").write_text(json.dumps(SPLIT))
    rows = [said(1, 0, 2), said(1, 1, 9), said(1, 2, "none"), said(1, 3, 2), said(0, 0, 1), said(0, 1, 1)]
    write_completions(tmp_path / "all.jsonl", rows)
    files = [tmp_path / name for name in ("examples.jsonl", "split.json", "all.jsonl")]
    show_fates("one", *files, 1)
    told = capsys.readouterr().out
    assert "toy-1: gold '2'" in told
    assert "toy-0" not in told  # fewer different things happened to it
    assert "[1] wrong_answer" in told
    assert "[2] no_answer" in told
    fates = [line.split()[1] for line in told.splitlines() if line.startswith(("[0]", "[3]"))]
    assert sorted(fates) == ["kept", "not_selected_by_random"]
    write_completions(tmp_path / "all.jsonl", [])
    show_fates("one", *files, 1)
    assert "nothing to show" in capsys.readouterr().out


def test_what_was_asked_for_is_counted_wrong_or_right():
    """The first two samples of each question of a part.

    The tokens of answers that two questions share count once; null where none is told.
    """

    def step(sample):
        return Step("one", sample, "m", "live")

    rows = [
        *(
            replace(said(1, sample, sample), steps=(step(sample),), usage={"in": 10, "out": 5, "cached": 0})
            for sample in range(3)
        ),
        replace(said(2, 0, 4), steps=(step(0),), usage={"in": 10, "out": 5, "cached": 0}),
    ]
    parts = {"train": ["toy-1", "toy-2"], "validation": ["toy-0"], "test": []}
    asked = curate(rows, EXAMPLES, parts, Curation(filter="answer", per_question=2), set())[1]
    assert asked["train"]["asked"] == {
        "completions": 3,
        "tokens_in": 20,
        "tokens_out": 10,
        "tokens_cached": 0,
    }
    assert asked["validation"]["asked"] == {
        "completions": 0,
        "tokens_in": None,
        "tokens_out": None,
        "tokens_cached": None,
    }


def test_shards_of_questions_make_together_what_the_whole_makes(tmp_path, monkeypatch):
    """Curated and rendered apart, in the order of the questions, and put one after the other."""
    monkeypatch.chdir(tmp_path)
    blocks = {"curations": {"right": {"filter": "answer", "dedup": True}}, "methods": {"fine_tune_cot": {}}}
    (tmp_path / "params.yaml").write_text(json.dumps(blocks))
    (tmp_path / "split.json").write_text(json.dumps({part: ids[::-1] for part, ids in SPLIT.items()}))
    rows = by_question(corpus())
    ids = [*EXAMPLES]
    texts = {}
    for shard, part in {"whole": ids, "a": ids[:13], "b": ids[13:]}.items():
        files = [
            tmp_path / f"{shard}-{name}" for name in ("examples", "said", "kept", "funnel", "texts", "counts")
        ]
        write_examples(files[0], [EXAMPLES[name] for name in part])
        write_completions(files[1], [row for name in part for row in rows[name]])
        main("right", files[0], tmp_path / "split.json", *files[1:4])
        render_stage.main("fine_tune_cot", files[0], tmp_path / "split.json", *files[4:], corpus=files[2])
        texts[shard] = files[4].read_bytes()
    assert texts["a"] + texts["b"] == texts["whole"]
    assert min(map(len, texts.values())) > 1000
