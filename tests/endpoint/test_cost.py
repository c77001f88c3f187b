"""What teachers cost: prices, the bound before a call, the plan of a dry run, the corpus' figures."""

import json
import random
from datetime import date
from fractions import Fraction
from itertools import pairwise

import pytest
from conftest import ROOT

from stages import cost as cost_stage
from stages.asking.conversation import Asking, ask_all, completions
from stages.asking.prices import dollars, price_of
from stages.asking.request import Answer, Request
from stages.asking.store import Store
from stages.config.endpoint import Endpoint, Price
from stages.config.load import check, read_params
from stages.cost import costs
from stages.endpoint import transport
from stages.endpoint.estimate import (
    Averages,
    average_tokens,
    estimate_tokens,
    most_dollars,
    paced_tokens,
    plan_calls,
    rehearse,
)
from stages.endpoint.http import parcels
from stages.methods import few_shot_cot, zero_shot, zero_shot_cot
from stages.records.completion import Completion, Step, write_completions
from stages.records.example import Example

MINI = Price(listed="2026-02-07", input=0.15, cached=0.075, output=0.6, batch=0.5)
PLAIN = Price(listed="2022-09-01", input=20.0, output=20.0)
TUNED, OLD, FULL = (Price(listed="2026-02-07", input=value, output=4 * value) for value in (0.3, 5.0, 2.5))
TABLE = {
    **{
        "gpt-4o-mini": MINI,
        "text-davinci-002": PLAIN,
        "ft:gpt-4o-mini-2024-07-18": TUNED,
        "ft:gpt-4.1": TUNED,
    },
    **{"gpt-4o": FULL, "gpt-4o-2024-05-13": OLD, "gpt-3.5-turbo": FULL, "gpt-4o-mini-2020-02-02-x": OLD},
}


# ---- prices


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("gpt-4o-mini", MINI),
        ("gpt-4o-mini-2024-07-18", MINI),  # the family's only price
        ("text-davinci-002", PLAIN),
        ("gpt-4o-2024-05-13", OLD),  # an exact name wins
        ("gpt-4o-2024-08-06", None),  # a family priced by snapshot: which price is this one's?
        ("gpt-3.5-turbo-0613", None),  # not a day
        ("gpt-3.5-turbo-instruct", None),  # another model
        ("gpt-4o-mini-20240718", None),
        ("gpt-4o-mini-2024-07-18-preview", None),
        ("GPT-4o-mini", None),
        ("ft:gpt-4o-mini-2024-07-18:org::id", TUNED),
        ("ft:gpt-4o-mini-2024-07-18:org:suffix:id:ckpt-step-90", TUNED),
        ("ft:gpt-4o-mini-2024-07-18", TUNED),
        ("ft:gpt-4o-mini-2025-01-01:org::id", None),  # only the other snapshot's is listed
        ("ft:gpt-4o-mini:org::id", None),
        ("ft:gpt-4.1-2025-04-14:org::id", TUNED),  # the fine-tuned family's
        ("ft:gpt-3.5-turbo:org::id", None),  # never the base model's
        ("ft:text-davinci-002:org::id", None),
        ("MODEL", None),
        ("", None),
    ],
)
def test_price_of(model, wanted):
    assert price_of(TABLE, model) is wanted


def test_a_fine_tuned_model_may_have_its_own_price():
    own = Price(listed="2026-02-07", input=9.0, output=9.0)
    assert (
        price_of({**TABLE, "ft:gpt-4o-mini-2024-07-18:org::id": own}, "ft:gpt-4o-mini-2024-07-18:org::id")
        is own
    )


@pytest.mark.parametrize(
    ("price", "counts", "batch", "wanted"),
    [
        (MINI, (1_000_000, 0, 0), False, 0.15),
        (MINI, (0, 0, 1_000_000), False, 0.6),
        (MINI, (1_000_000, 400_000, 0), False, 0.12),  # 0.6 * 0.15 + 0.4 * 0.075
        (MINI, (1_000_000, None, 0), False, 0.15),
        (MINI, (1_000_000, 2_000_000, 0), False, 0.075),  # a server that counts wrongly never earns us money
        (MINI, (1_000_000, 400_000, 1_000_000), True, 0.375),
        (PLAIN, (500, 300, 500), False, 0.02),  # no price for cached input: as input
        (PLAIN, (500, 0, 500), True, 0.02),  # no discount listed
        (MINI, (0, 0, 0), False, 0.0),
        (None, (1, 0, 1), False, None),
        (MINI, (None, 0, 1), False, None),
        (MINI, (1, 0, None), False, None),
    ],
)
def test_dollars(price, counts, batch, wanted):
    assert dollars(price, *counts, batch) == (wanted if wanted is None else pytest.approx(wanted, abs=1e-12))


def test_dollars_against_exact_fractions():
    rng = random.Random(0)
    for _ in range(300):
        rates = [rng.randrange(0, 4000) for _ in range(3)]
        price = Price(
            listed="2026-01-01",
            input=rates[0] / 100,
            cached=rates[1] / 100,
            output=rates[2] / 100,
            batch=rng.choice([0.25, 0.5, 1.0]),
        )
        tokens_in = rng.randrange(10**6)
        cached, out = rng.randrange(tokens_in + 1), rng.randrange(10**6)
        live = Fraction(rates[0] * (tokens_in - cached) + rates[1] * cached + rates[2] * out, 100 * 10**6)
        batch = Fraction(price.batch) * Fraction(rates[0] * tokens_in + rates[2] * out, 100 * 10**6)
        assert dollars(price, tokens_in, cached, out) == pytest.approx(float(live), rel=1e-12)
        assert dollars(price, tokens_in, cached, out, batch=True) == pytest.approx(float(batch), rel=1e-12)


def test_the_listed_prices():
    """Dated, cached input not dearer than other input, a fine-tuned model not cheaper than its base; what
    OpenAI's teachers here cost is known.
    """
    params = read_params(ROOT / "params.yaml")
    listed = {model: check(f"prices.{model}", values, Price) for model, values in params["prices"].items()}
    for model, price in listed.items():
        # OpenAI sells an API since then
        assert date(2020, 6, 11) <= date.fromisoformat(price.listed) <= date.today()
        assert (price.cached or 0) <= price.input
        if model.startswith("ft:"):
            base = price_of(listed, model.removeprefix("ft:"))
            assert base.input <= price.input
            assert base.output <= price.output
            assert price.training is not None
    teachers = {
        name: values["model"]
        for name, values in params["teachers"].items()
        if values.get("endpoint") == "openai"
    }
    assert [name for name, model in teachers.items() if price_of(listed, model) is None] == []


@pytest.mark.parametrize(
    "listed",
    [
        "soon",
        "",
        "2026",
        "20260207",
        "2026-W06-6",
        "2026-02-30",
        "07.02.2026",
        " 2026-02-07",
        "2026-02-07T00:00",
    ],
)
def test_a_price_is_of_a_day(listed):
    with pytest.raises(ValueError, match=r"`prices\.m\.listed`: .*no day: wanted one like 2024-07-18, got"):
        check("prices.m", {"listed": listed, "input": 1.0, "output": 1.0}, Price)


# ---- before a call

TEXTS = [
    *("", "Q: How many? A:", "1234567890" * 9, " \n\t" * 20, "ﷺ", "\ud800 broken"),
    *("今天天气很好我们去公园。" * 5, "Сколько яблок?", "\U0001f9ee\U0001f3f3\ufe0f\u200d\U0001f308" * 4),
]


def bytes_of(text):
    """Tokens of the worst byte-level vocabulary there is: one without merges."""
    return len(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", ["chat", "completions"])
@pytest.mark.parametrize("batch", [False, True])
def test_worst_bounds_what_the_longest_answers_cost(text, kind, batch):
    """Every byte a token, 7 tokens of marks around each of two messages, all of it written into the cache,
    all samples cut off at the cap.
    """
    for samples, most in ((1, 1), (1, 128), (8, 512)):
        request = Request(
            kind=kind, model="gpt-4o-mini", prompt=text, system="Think. " + text, max_tokens=most
        )
        tokens_in = 1.25 * (bytes_of(text) + bytes_of("Think. " + text) + 14)
        paid = (tokens_in * MINI.input + samples * most * MINI.output) / 1e6 * (MINI.batch if batch else 1)
        bound = most_dollars(request, samples, MINI, batch)
        # 64 tokens for marks: not more than a hundredth of a cent above
        assert paid <= bound <= paid + 100 / 1e6


def test_worst_counts_input_once_and_output_per_sample():
    request = Request(kind="chat", model="m", prompt="a" * 1000, max_tokens=10)
    bounds = [most_dollars(request, samples, PLAIN) for samples in (1, 2, 3, 4)]
    assert [after - before for before, after in pairwise(bounds)] == pytest.approx([10 * 20 / 1e6] * 3)


@pytest.mark.parametrize(
    ("change", "tokens_out"),
    [
        ({"max_tokens": None}, 131_072),
        ({"max_tokens": 7}, 7),
        ({"max_tokens": 7, "extra": {"max_tokens": 9}}, 9),  # what stands in extra replaces it in the body
        ({"max_tokens": 9, "extra": {"max_tokens": 7}}, 7),
        ({"max_tokens": None, "extra": {"max_completion_tokens": 50}}, 50),
        # of two caps nobody knows which the server takes: the larger one
        ({"max_tokens": 7, "extra": {"max_completion_tokens": 50}}, 50),
        ({"max_tokens": 50, "extra": {"max_completion_tokens": 7}}, 50),
        ({"max_tokens": 7, "extra": {"n": 4}}, 28),
        ({"max_tokens": 7, "extra": {"best_of": 5}}, 35),
    ],
)
def test_worst_reads_the_cap_from_where_the_body_has_it(change, tokens_out):
    free_input = Price(listed="2026-01-01", input=0.0, output=1.0)
    assert most_dollars(
        Request(kind="chat", model="m", prompt="a", **change), 1, free_input
    ) == pytest.approx(tokens_out / 1e6)


@pytest.mark.parametrize(
    ("change", "samples", "tokens"),
    [
        ({"max_tokens": 40}, 1, 4 + 40),  # 12 bytes of prompt
        ({"max_tokens": 40, "system": "s" * 30}, 1, 10 + 4 + 40),
        ({"max_tokens": 40}, 8, 4 + 8 * 40),
        # as the teachers `gpt` and `gpt_diverse` ask
        ({"extra": {"max_completion_tokens": 128}}, 2, 4 + 2 * 128),
        ({"max_tokens": 40, "extra": {"max_tokens": 9}}, 1, 4 + 9),
        ({"max_tokens": 40, "extra": {"n": 3}}, 1, 4 + 3 * 40),
        ({}, 2, 4 + 2 * 1024),  # nothing caps it
    ],
)
def test_what_a_call_counts_against_a_limit_a_minute(change, samples, tokens):
    assert (
        paced_tokens(Request(**{"kind": "chat", "model": "m", "prompt": "p" * 12, **change}), samples)
        == tokens
    )


def test_extra_fields_are_input_too():
    schema = {"response_format": {"type": "json_schema", "json_schema": {"description": "é" * 500}}}
    bare, with_schema = (
        most_dollars(Request(kind="chat", model="m", prompt="a", max_tokens=1, extra=extra), 1, PLAIN)
        for extra in ({}, schema)
    )
    assert with_schema - bare >= 1000 * 20 / 1e6


def test_worst_of_an_unknown_price_is_unknown():
    assert most_dollars(Request(kind="chat", model="m", prompt="a", max_tokens=1), 1, None) is None


def test_tokens_of_never_lies_below_the_rule_of_thumb():
    """Four characters of English a token, a token for each Chinese character, and never more
    than the bytes.
    """
    rng = random.Random(0)
    for length in range(0, 200, 7):
        english = "".join(rng.choice("abcdefgh ijk, ") for _ in range(length))
        assert length / 4 <= estimate_tokens(english) <= length
        assert estimate_tokens("漢" * length) == length


# ---- the plan of a dry run

EXAMPLES = [
    Example(
        f"toy-{i}",
        "toy",
        f"What is {i % 4} plus {i}? 数" if i != 5 else "What is 0 plus 0? 数",
        "0",
        "number",
    )
    for i in range(7)
]
MOST = 40


def make_asking(method=zero_shot_cot, samples=3, demonstrations="", **fields):
    given = {"kind": "completions", "model": "gpt-4o-mini", "max_tokens": MOST, "temperature": 0.7, **fields}
    return Asking(
        method, method.Settings(), demonstrations, samples, lambda prompt: Request(prompt=prompt, **given)
    )


class Server:
    """Answers at random, each byte of its text a token, and keeps the bill."""

    def __init__(self, seed, per_request=1, shortest=5, distinct=True):
        self.rng, self.answers, self.calls, self.dollars = random.Random(seed), {}, 0, 0.0
        self.tokens = [0, 0]  # in, out
        self.per_request, self.shortest, self.distinct = per_request, shortest, distinct

    def stored(self, key):
        return dict(self.answers.get(key, {}))

    def tokens_out(self):
        return [answer.tokens_out for samples in self.answers.values() for answer in samples.values()]

    def text(self):
        length = self.rng.randint(self.shortest, MOST)
        return f"{self.calls:05}".ljust(length, "x") if self.distinct else "same"

    def fulfil(self, wanted):
        for parcel in parcels(wanted, self.per_request):
            self.calls += 1
            tokens_in, tokens_out = bytes_of(parcel.request.prompt), 0
            for place, sample in enumerate(parcel.samples):
                text = self.text() + (str(place) if self.distinct else "")
                text = text[-MOST:]
                self.answers.setdefault(parcel.key, {})[sample] = Answer(
                    text, "stop", tokens_in=0 if place else tokens_in, tokens_out=bytes_of(text)
                )
                tokens_out += bytes_of(text)
            self.dollars += dollars(MINI, tokens_in, 0, tokens_out)
            self.tokens = [self.tokens[0] + tokens_in, self.tokens[1] + tokens_out]
        return {}


@pytest.mark.parametrize("method", [zero_shot_cot, few_shot_cot])
@pytest.mark.parametrize("per_request", [1, 4])
@pytest.mark.parametrize("already", [0, 1, 3])
def test_the_plan_foretells_a_run(method, per_request, already):
    """Calls and samples exactly, all steps of all conversations, whatever is stored already; the bill never
    exceeds `at_most`.
    """
    server = Server(already, per_request)
    shown = "Q: One?\nA: One. The answer is 1." if method is few_shot_cot else ""
    if already:
        ask_all(EXAMPLES, make_asking(method, already, shown), server.stored, server.fulfil)
    before_tokens = tuple(server.tokens)
    before_calls, before_dollars, before_answers = (
        server.calls,
        server.dollars,
        sum(map(len, server.answers.values())),
    )
    asking = make_asking(method, 3, shown)
    seen = average_tokens(server.tokens_out())
    plan = plan_calls(rehearse(EXAMPLES, asking, server.stored), MINI, seen, per_request)
    assert (server.calls, server.dollars) == (before_calls, before_dollars)  # a rehearsal asks nothing
    ask_all(EXAMPLES, asking, server.stored, server.fulfil)
    assert plan.requests == server.calls - before_calls
    assert plan.samples == sum(map(len, server.answers.values())) - before_answers
    assert server.dollars - before_dollars <= plan.at_most
    assert server.tokens[0] - before_tokens[0] <= plan.most_in
    assert server.tokens[1] - before_tokens[1] <= plan.most_out == plan.samples * MOST
    assert (plan.dollars is None) == (already == 0)
    if already:
        assert plan.dollars <= plan.at_most


def test_the_plan_bounds_a_run_whose_answers_repeat():
    """Equal rationales share their second request: fewer calls than foretold, never more."""
    server = Server(0, 4, distinct=False)
    plan = plan_calls(rehearse(EXAMPLES, make_asking(), server.stored), MINI, None, 4)
    ask_all(EXAMPLES, make_asking(), server.stored, server.fulfil)
    assert server.calls < plan.requests
    assert server.dollars < plan.at_most


def test_the_plan_expects_answers_as_long_as_the_stored_ones():
    """With answers of one length, of which three bytes are a token, the figures are those of the run, up to
    rounding and marks.
    """
    server = Server(0, shortest=MOST)
    ask_all(EXAMPLES[:2], make_asking(), server.stored, server.fulfil)
    seen = average_tokens(server.tokens_out())
    assert seen == Averages(12, MOST)  # 2 questions, 3 samples, 2 steps
    wanted = rehearse(EXAMPLES, make_asking(), server.stored)
    plan = plan_calls(wanted, MINI, seen)
    assert plan.tokens_out == MOST * plan.samples
    first, second = (bytes_of(zero_shot_cot.ask(EXAMPLES[2], texts, None, "")) for texts in ([], [""]))
    steps = plan.samples // 2
    assert plan.tokens_in == pytest.approx(steps * (first + second) / 3 + steps * MOST, rel=0.02)
    assert plan.dollars == pytest.approx(dollars(MINI, plan.tokens_in, 0, plan.tokens_out))
    assert plan_calls(wanted, MINI, seen, batch=True).dollars == pytest.approx(plan.dollars / 2)


def test_averages_of_answers_that_tell_nothing_are_unknown():
    assert average_tokens([]) is None
    assert average_tokens([None]) is None
    assert average_tokens([None, 7, 0]) == Averages(2, 3.5)


def test_a_plan_says_what_is_unknown():
    wanted = rehearse(EXAMPLES, make_asking(model="somebody/else"), lambda key: {})
    text = str(plan_calls(wanted, None))  # 6 texts, 3 samples, 2 steps: two of the 7 questions are one
    assert "missing: 36 samples: 0 under way, 36 to be asked in 36 requests" in text
    texts = [
        zero_shot_cot.ask(example, said, None, "")
        for example in EXAMPLES[:4] + EXAMPLES[5:]
        for said in ([], [""])
    ]
    # 64 tokens of marks a call; a second prompt holds a first answer
    most_in = 3 * sum(bytes_of(prompt) + 64 for prompt in texts) + 18 * MOST
    assert (
        "tokens:  expected unknown in, unknown out, an estimate (prompts: bytes / 3; no stored answer to go"
        " by); at most" in text
    )
    assert f"at most {most_in:,} in, {36 * MOST:,} out\n" in text
    assert "dollars: expected unknown, at most unknown" in text
    assert "unknown for somebody/else: add it under `prices` in params.yaml" in text
    known = str(plan_calls(wanted, MINI, Averages(10, 20.0), batch=True))
    assert "unknown" not in known
    assert "2026-02-07" in known
    assert "times 0.5 in a batch" in known


def test_the_plan_of_nothing_is_zero():
    plan = plan_calls([], MINI)
    assert (plan.under_way, plan.most_in, plan.most_out) == (0, 0, 0)
    assert (plan.requests, plan.samples, plan.tokens_in, plan.tokens_out, plan.dollars, plan.at_most) == (
        0,
        0,
        0,
        0,
        0.0,
        0.0,
    )


# ---- the plan of what a store lacks

HERE = Endpoint(base_url="http://localhost/v1")
LISTED = {"gpt-4o-mini": MINI}


def stored_first_steps(store, asking, examples, tokens):
    """First answers of some questions, of `tokens` tokens each; none of their conversations is finished."""
    for example in examples:
        request = asking.request(zero_shot_cot.ask(example, [], asking.settings, ""))
        store.put(
            [
                (
                    request,
                    {
                        sample: Answer("x", "stop", tokens_in=1, tokens_out=tokens)
                        for sample in range(asking.samples)
                    },
                )
            ]
        )


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A store of its own, and `here` as the only endpoint."""
    monkeypatch.setenv("COT_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.setattr(transport, "endpoint_and_prices", {"here": (HERE, LISTED)}.__getitem__)


def test_the_first_answers_of_unfinished_conversations_tell_what_to_expect(here):
    asking = make_asking()
    assert "expected unknown in, unknown out" in transport.plan("here", EXAMPLES, asking)
    stored_first_steps(Store(), asking, EXAMPLES[:2], 30)
    told = transport.plan("here", EXAMPLES, asking)
    assert list(completions(EXAMPLES, asking, Store().answers)) == []
    assert "answers: as 6 stored ones" in told
    # 6 texts, 3 samples, 2 steps, without 6
    assert "missing: 30 samples: 0 under way, 30 to be asked" in told
    assert f" in, {30 * 30:,} out, an estimate" in told
    assert "dollars: expected 0.0" in told


def test_what_others_ask_for_is_under_way_and_not_to_be_asked(here):
    """A batch, and a process that lives; the claims of a dead one count for nothing."""
    asking, store = make_asking(zero_shot), Store()
    keys = [asking.request(zero_shot.ask(example, [], asking.settings, "")).key for example in EXAMPLES]
    store.claim([(keys[0], 0), (keys[0], 1)], "job b1")
    store.claim([(keys[1], 2)])
    store.claim([(keys[2], 0)], "process of old")
    store.db.execute("INSERT INTO claim VALUES (?, 0, 'process 12')", (bytes.fromhex(keys[3]),))
    told = transport.plan("here", EXAMPLES, asking)
    assert "missing: 18 samples: 3 under way, 15 to be asked in 15 requests" in told
    assert f", {15 * MOST} out\n" in told
    store.release()
    store.release("job b1")
    assert "missing: 18 samples: 0 under way, 18 to be asked in 18 requests" in transport.plan(
        "here", EXAMPLES, asking
    )


@pytest.mark.parametrize("there", [0, 2])
def test_replay_says_of_a_miss_what_a_dry_run_says(here, monkeypatch, there):
    """All steps: the second ones follow from answers that are not there yet."""
    monkeypatch.setenv("COT_MODE", "replay")
    asking = make_asking()
    stored_first_steps(Store(), asking, EXAMPLES[:there], 30)
    told = transport.plan("here", EXAMPLES, asking)
    who = transport.connect("here", EXAMPLES, asking)
    with pytest.raises(ValueError, match=r"not in .*store\.sqlite") as missed:
        ask_all(EXAMPLES, asking, who.stored, who.fulfil)
    figures = told.splitlines()[:4]
    assert [line.split(":")[0] for line in figures] == ["missing", "tokens", "dollars", "price"]
    assert "\n".join(figures) in str(missed.value)
    assert f"missing: {36 - 3 * there} samples" in figures[0]
    assert "with all steps that follow" in str(missed.value)


def test_a_dry_run_counts_answers_without_log_probabilities(here):
    asking, scored = make_asking(), make_asking(logprobs=True)
    stored_first_steps(Store(), asking, EXAMPLES[:2], 30)
    request = asking.request(zero_shot_cot.ask(EXAMPLES[2], [], asking.settings, ""))
    Store().put([(request, {0: Answer("x", "stop", logprobs=[("x", -1.0)])})])
    assert "log-probabilities" not in transport.plan("here", EXAMPLES, asking)
    assert "6 of 7 stored answers have no log-probabilities: `logprobs: true` does not ask again" in (
        transport.plan("here", EXAMPLES, scored)
    )


# ---- a corpus


def row(
    example=0, sample=0, key="aa/0 bb/0", usage=(100, 50, 0), model="gpt-4o-mini-2024-07-18", source="live",
    paid=True,
):  # fmt: skip
    """Two steps whose second one used all tokens; `key` names both as KEY/SAMPLE."""
    told = None if usage is None else dict(zip(("in", "out", "cached"), usage, strict=True))
    steps = [
        Step(step[:2], int(step[3:]), model, source, usage=used)
        for step, used in zip(key.split(), [told and dict.fromkeys(told, 0), told], strict=False)
    ]
    return Completion(
        f"toy-{example}", sample, ["p", "q"], ["t", "u"], ["stop", "stop"], model, "",
        paid=paid, steps=tuple(steps), usage=told,
    )  # fmt: skip


def test_costs_of_a_corpus():
    rows = [
        row(0, 0),
        row(0, 1, "aa/1 cc/0", (10, 40, 0)),
        row(1, 0, "dd/0 ee/0", (1000, 0, 1000), source="batch"),
    ]
    found = costs(rows, TABLE)
    paid = (110 * 0.15 + 90 * 0.6 + 1000 * 0.15 * 0.5) / 1e6
    assert found == {
        **{"paid": True, "questions": 2, "completions": 3, "completions_without_usage": 0, "requests": 5},
        **{"tokens_in": 1110, "tokens_out": 90, "tokens_cached": 1000},
        **{"dollars": pytest.approx(paid, abs=1e-9), "dollars_known": pytest.approx(paid, abs=1e-9)},
        **{
            "dollars_per_completion": pytest.approx(paid / 3, abs=1e-9),
            "dollars_per_question": pytest.approx(paid / 2, abs=1e-9),
        },
        **{
            "dollars_annotation": 1.34,
            "listed": {"gpt-4o-mini-2024-07-18": "2026-02-07"},
            "completions_without_price": {},
        },
    }


def test_answers_that_two_questions_share_are_paid_once():
    """Through real conversations: EXAMPLES has one text twice, and the bill of the server is the oracle."""
    server = Server(0, per_request=4)
    ask_all(EXAMPLES, make_asking(), server.stored, server.fulfil)
    rows = list(completions(EXAMPLES, make_asking(), server.stored))
    assert len({tuple((step.key, step.sample) for step in row.steps) for row in rows}) < len(rows) == 21
    found = costs(rows, {"gpt-4o-mini": MINI})
    assert found["dollars"] == pytest.approx(server.dollars, abs=1e-9)
    assert found["requests"] == len(server.answers)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        (
            [row(), row(0, 1, "aa/1 cc/0", None)],
            {"dollars": None, "paid": True, "completions_without_usage": 1, "tokens_in": 100},
        ),
        (
            [row(), row(0, 1, "aa/1 cc/0", model="x")],
            {"dollars": None, "paid": True, "completions_without_price": {"x": 1}},
        ),
        (
            [row(usage=None)],
            {
                "dollars": None,
                "dollars_known": None,
                "paid": True,
                "tokens_in": None,
                "completions_without_price": {},
            },
        ),
        (
            [row(key="", usage=None, model="scripted", paid=False)],
            {"dollars": None, "paid": False, "completions_without_price": {}, "requests": 0},
        ),
        (
            [row(key="", usage=None, model="text-davinci-002", paid=False)],
            {"dollars": None, "paid": False, "listed": {}},
        ),
        (
            [row(model="gpt2", source="local", paid=False)],
            {"dollars": None, "paid": False, "tokens_in": 100, "completions_without_price": {"gpt2": 1}},
        ),
        ([], {"dollars": None, "dollars_annotation": 0.0, "paid": False, "tokens_out": None, "questions": 0}),
    ],
)
def test_what_is_not_known_is_null(rows, wanted):
    found = costs(rows, TABLE)
    assert {name: found[name] for name in wanted} == wanted
    assert [found["dollars_per_completion"], found["dollars_per_question"]] == [None, None]


def test_cost_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        'prices:\n  gpt-4o-mini: {listed: "2026-02-07", input: 0.15, output: 0.6}\n'
    )
    write_completions(tmp_path / "rows.jsonl", [row()])
    cost_stage.main(tmp_path / "rows.jsonl", tmp_path / "out" / "costs.json")
    assert json.loads((tmp_path / "out" / "costs.json").read_text())["dollars"] == pytest.approx(45e-6)
    (tmp_path / "params.yaml").write_text(
        "prices:\n  gpt-4o-mini: {listed: '2026-02-07', input: 0.15, output: free}\n"
    )
    with pytest.raises(ValueError, match=r"prices\.gpt-4o-mini\.output.*got 'free'"):
        cost_stage.main(tmp_path / "rows.jsonl", tmp_path / "costs.json")
