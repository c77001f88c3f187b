"""Conversations with made-up models: what is asked, how often, and which rows come out, whatever is stored,
fails or is asked first.
"""

import hashlib
import random
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from stages.asking.conversation import Asking, ask_all, completions, replay
from stages.asking.request import Answer, Request
from stages.records.completion import Step
from stages.records.example import Example


def example(number, question):
    return Example(f"d-{number}", "d", question, "1", "number")


def method(steps):
    """Asks `steps` times; each prompt repeats all that was said so far."""

    def ask(example, texts, settings, demonstrations):
        return None if len(texts) == steps else demonstrations + "|".join([example.question, *texts])

    return SimpleNamespace(ask=ask, answer_prefix=lambda settings: "so", stops=lambda settings: [])


def asking(samples, steps=2, keep_reasoning=False, demonstrations=""):
    return Asking(
        method(steps),
        None,
        demonstrations,
        samples,
        lambda prompt: Request("chat", "m", prompt),
        keep_reasoning,
    )


class Model:
    """Answers by key and sample only, from a few texts, so that rationales coincide; a share of its answers
    fails, always or the first time.
    """

    def __init__(self, texts=3, failing=0.0, recovers=False, batch=None):
        self.store, self.asked, self.tried = {}, Counter(), Counter()
        self.texts, self.failing, self.recovers, self.batch = texts, failing, recovers, batch
        self.rounds = 0

    def number(self, key, sample, what):
        return int.from_bytes(hashlib.sha256(f"{key} {sample} {what}".encode()).digest()[:4], "big")

    def stored(self, key):
        return self.store.get(key, {})

    def fulfil(self, wanted):
        self.rounds += 1
        failed = {}
        assert len({want.key for want in wanted}) == len(wanted)
        for want in wanted:
            assert want.key == want.request.key
            assert want.samples == sorted(set(want.samples))
            assert want.samples
            for sample in want.samples:
                pair = (want.key, sample)
                assert sample not in self.stored(want.key)
                self.tried[pair] += 1
                fails = self.number(*pair, "fails") % 1000 < 1000 * self.failing
                if (fails and not (self.recovers and self.tried[pair] > 1)) or (
                    self.batch is not None and sum(self.asked.values()) >= self.batch
                ):
                    failed[pair] = "made up"
                    continue
                self.asked[pair] += 1
                text = f"t{self.number(*pair, 'text') % self.texts}"
                answer = Answer(text, "stop", tokens_in=len(want.request.prompt), tokens_out=2, model="m-1")
                self.store.setdefault(want.key, {})[sample] = answer
        return failed


def corpus(seed):
    """Questions, some of them the same text."""
    rng = random.Random(seed)
    return [example(number, f"q{rng.randrange(6)}") for number in range(8)]


def naive(examples, samples, steps, model):
    """The rows there should be: sample k of an example takes, of each prompt it comes to, the next one that
    no earlier sample of it took.
    """
    rows = []
    for one in examples:
        taken = Counter()
        for sample in range(samples):
            texts = []
            for _ in range(steps):
                prompt = "|".join([one.question, *texts])
                key = Request("chat", "m", prompt).key
                texts.append(f"t{model.number(key, taken[prompt], 'text') % model.texts}")
                taken[prompt] += 1
            rows.append((one.id, sample, texts))
    return rows


def places(row):
    """Where the answers of a row lie in the store."""
    return [(step.key, step.sample) for step in row.steps]


def shape(rows):
    return [(row.example_id, row.sample, row.texts) for row in rows]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_all_samples_as_the_naive_reference_takes_them(seed, steps):
    model, examples, how = Model(), corpus(seed), asking(5, steps)
    assert ask_all(examples, how, model.stored, model.fulfil) == {}
    assert shape(completions(examples, how, model.stored)) == naive(examples, 5, steps, model)
    assert set(model.asked.values()) == {1}
    assert model.rounds == steps
    # nothing was asked in vain
    assert {pair for row in completions(examples, how, model.stored) for pair in places(row)} == set(
        model.asked
    )


@pytest.mark.parametrize("seed", range(6))
def test_samples_are_nested(seed):
    model, examples = Model(), corpus(seed)
    few, many = asking(8), asking(16)
    ask_all(examples, few, model.stored, model.fulfil)
    eight, before = list(completions(examples, few, model.stored)), set(model.asked)
    ask_all(examples, many, model.stored, model.fulfil)
    sixteen = list(completions(examples, many, model.stored))
    assert [row for row in sixteen if row.sample < 8] == eight
    first_step = {Request("chat", "m", one.question).key for one in examples}
    assert Counter(key for key, _ in set(model.asked) - before if key in first_step) == dict.fromkeys(
        first_step, 8
    )
    assert set(model.asked.values()) == {1}
    asked = sum(model.asked.values())
    ask_all(examples, few, model.stored, model.fulfil)  # 16 -> 8 asks nothing
    assert sum(model.asked.values()) == asked
    assert list(completions(examples, few, model.stored)) == eight


def test_one_way_from_few_to_many_samples_is_as_good_as_another():
    examples = corpus(0)
    ends = []
    for path in ([16], [1, 2, 4, 8, 16], [8, 16], [16, 8, 16]):
        model = Model()
        for samples in path:
            ask_all(examples, asking(samples), model.stored, model.fulfil)
        ends.append((list(completions(examples, asking(16), model.stored)), model.store))
    assert all(end == ends[0] for end in ends)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("steps", [1, 2])
def test_failures_end_what_hangs_on_them_and_nothing_else(seed, steps):
    model, examples, how = Model(failing=0.3), corpus(seed), asking(6, steps)
    failed = ask_all(examples, how, model.stored, model.fulfil)
    assert all(why == "made up" for why in failed.values())
    assert set(failed) == set(model.tried) - set(model.asked)
    assert set(model.tried.values()) <= {1}  # what failed is not asked again in the same run
    rows = list(completions(examples, how, model.stored))
    assert 0 < len(rows) < len(examples) * 6
    # every conversation that is not there stands still at an answer that failed
    for one in examples:
        done, wanted = replay(one, how, model.stored)
        assert len(done) + sum(len(want.samples) for want in wanted.values()) == 6
        assert all((want.key, sample) in failed for want in wanted.values() for sample in want.samples)


@pytest.mark.parametrize("seed", range(8))
def test_a_run_after_failures_asks_only_for_the_rest_and_ends_where_one_good_run_ends(seed):
    examples, how = corpus(seed), asking(6)
    good, bad = Model(), Model(failing=0.4, recovers=True)
    ask_all(examples, how, good.stored, good.fulfil)
    runs = 0
    while ask_all(examples, how, bad.stored, bad.fulfil):
        runs += 1
    assert runs > 0
    assert list(completions(examples, how, bad.stored)) == list(completions(examples, how, good.stored))
    assert bad.store == good.store
    assert set(bad.asked.values()) == {1}


@pytest.mark.parametrize("stop", [0, 1, 7, 20, 41, 60])
def test_resumption_after_any_part_of_the_answers(stop):
    examples, how = corpus(1), asking(6)
    whole, parted = Model(), Model(batch=stop)
    ask_all(examples, how, whole.stored, whole.fulfil)
    ask_all(examples, how, parted.stored, parted.fulfil)
    assert sum(parted.asked.values()) == min(stop, sum(whole.asked.values()))
    parted.batch = None
    assert ask_all(list(reversed(examples)), how, parted.stored, parted.fulfil) == {}
    assert list(completions(examples, how, parted.stored)) == list(completions(examples, how, whole.stored))
    assert parted.store == whole.store


def test_more_examples_ask_only_for_the_new_ones():
    model, how = Model(), asking(4)
    ask_all(corpus(2)[:5], how, model.stored, model.fulfil)
    before = set(model.asked)
    new = example(99, "another question")
    ask_all([*corpus(2)[:5], new], how, model.stored, model.fulfil)
    new_model = Model()
    ask_all([new], how, new_model.stored, new_model.fulfil)
    assert set(model.asked) - before == set(new_model.asked)


def test_two_examples_with_one_text_share_their_answers():
    model, how = Model(), asking(3)
    twins = [example(1, "q"), example(2, "q")]
    ask_all(twins, how, model.stored, model.fulfil)
    rows = list(completions(twins, how, model.stored))
    assert [row.texts for row in rows[:3]] == [row.texts for row in rows[3:]]
    assert [row.steps for row in rows[:3]] == [row.steps for row in rows[3:]]
    assert sum(model.asked.values()) == 6


def test_equal_rationales_are_different_draws():
    model, how = Model(texts=1), asking(4)
    ask_all([example(1, "q")], how, model.stored, model.fulfil)
    rows = list(completions([example(1, "q")], how, model.stored))
    first, second = (Request("chat", "m", prompt).key for prompt in ("q", "q|t0"))
    assert [places(row) for row in rows] == [[(first, k), (second, k)] for k in range(4)]


def test_examples_that_come_to_one_prompt_want_different_numbers_of_its_samples():
    how, model, examples = asking(5), Model(texts=2), corpus(3)
    forgetful = SimpleNamespace(
        ask=lambda one, texts, *rest: None if len(texts) == 2 else texts[0] if texts else one.question
    )
    forgetful.answer_prefix = how.method.answer_prefix
    how = replace(how, method=forgetful)
    assert ask_all(examples, how, model.stored, model.fulfil) == {}
    assert (model.rounds, len(list(completions(examples, how, model.stored)))) == (2, 40)
    per_example = [Counter(row.texts[0] for row in completions([one], how, model.stored)) for one in examples]
    assert len({counts["t0"] for counts in per_example}) > 1
    for text in ("t0", "t1"):
        key = Request("chat", "m", text).key
        assert sorted(model.stored(key)) == list(range(max(counts[text] for counts in per_example)))


def test_a_transport_that_loses_answers_is_no_endless_loop():
    model = Model()
    with pytest.raises(RuntimeError, match="neither stored nor reported as failed"):
        ask_all(corpus(0), asking(2), model.stored, lambda wanted: {})


def test_a_row():
    how = asking(1, keep_reasoning=True, demonstrations="shown\n\n")
    first = Answer("said", "stop", "thought", 10, 4, None, [("a", -0.5), ("b", -0.25)], "m-1", "fp", "live")
    second = Answer("1", "length", "", 20, 5, 8, [("1", -2.0)], "m-2", "fp", "batch")
    prompts = ["shown\n\nq", "shown\n\nq|thought\nsaid"]
    answers = {
        Request("chat", "m", prompt).key: {0: answer}
        for prompt, answer in zip(prompts, (first, second), strict=True)
    }
    (row,) = completions([example(1, "q")], how, lambda key: answers.get(key, {}))
    keys = [Request("chat", "m", prompt).key for prompt in prompts]
    assert row.prompts == ["q", "q|thought\nsaid"]
    assert row.texts == ["thought\nsaid", "1"]
    assert row.finish_reasons == ["stop", "length"]
    assert (row.model, row.origin, row.answer_prefix) == ("m-2", "batch", "so")
    assert row.usage == {"in": 30, "out": 9, "cached": 8}
    assert row.logprob == -2.75
    assert row.steps == (
        Step(keys[0], 0, "m-1", "live", 7, {"in": 10, "out": 4}, -0.75),
        Step(keys[1], 0, "m-2", "batch", 0, {"in": 20, "out": 5, "cached": 8}, -2.0),
    )


@pytest.mark.parametrize(("steps", "told"), [(1, True), (2, True), (1, False), (2, False)])
def test_usage_and_logprob_are_unknown_unless_every_step_tells(steps, told):
    def stored(key):
        first = key == Request("chat", "m", "q").key
        known = told or not first
        return {
            0: Answer(
                "t",
                "stop",
                tokens_in=3 if known else None,
                tokens_out=2,
                logprobs=[("t", -1.0)] if known else None,
            )
        }

    (row,) = completions([example(1, "q")], asking(1, steps), stored)
    assert row.usage == ({"in": 3 * steps, "out": 2 * steps} if told else None)
    assert row.logprob == (-1.0 * steps if told else None)
    assert row.model == "m"  # the request's, where the server names none
