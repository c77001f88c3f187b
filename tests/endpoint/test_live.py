"""Live calls against the local API server: every fault, what is asked again and what is not, money."""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from api_server import Remote, serve
from live_calls import (
    KEY,
    PRICES,
    ask,
    asked_number,
    asking,
    dollars_of,
    failures_in,
    questions,
    stored_texts,
    written,
)

from stages.asking.conversation import Wanted, completions
from stages.asking.request import Request
from stages.asking.store import Store
from stages.config.endpoint import Endpoint
from stages.endpoint import calls, live, progress, purse
from stages.endpoint.estimate import most_dollars
from stages.methods import zero_shot, zero_shot_cot
from stages.records.completion import Completion


@pytest.fixture(scope="module")
def running() -> Iterator[Remote]:
    with serve(key=KEY, latency=0.01, words=8) as server:
        yield server


@pytest.fixture
def server(running: Remote, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """Fresh; the client's own pauses are shortened, what the server asks for is not."""
    running.reset()
    running.script([])
    monkeypatch.setenv("LOCAL_KEY", KEY)
    monkeypatch.delenv("COT_MODE", raising=False)
    monkeypatch.setattr(live, "pause", lambda attempt: 0.01)
    return running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.sqlite")


# ---- faults


RETRIED: list[dict[str, Any]] = [
    *({"fault": status} for status in (408, 409, 429, 500, 502, 503)),
    *({"fault": name} for name in ("drop", "cut", "cut_body", "garbage", "malformed", "empty")),
]


@pytest.mark.parametrize("fault", RETRIED, ids=lambda fault: str(fault["fault"]))
def test_a_fault_that_passes_is_retried(server: Remote, store: Store, fault: dict[str, Any]) -> None:
    server.script([fault | {"calls": [1, 2, 5]}])
    assert ask(server, store, questions(6), asking()) == {}
    assert server.count() == 6 + 3
    assert len(stored_texts(store, questions(6), asking())) == 6
    assert failures_in(store) == {}


@pytest.mark.parametrize("fault", RETRIED, ids=lambda fault: str(fault["fault"]))
def test_a_fault_that_stays_is_bounded_and_recorded(
    server: Remote, store: Store, fault: dict[str, Any]
) -> None:
    server.script([fault | {"match": "What is 1 + 1?"}])
    failed = ask(server, store, questions(3), asking(), attempts=3)
    kind = {
        **dict.fromkeys(["drop", "cut", "cut_body", "garbage"], "connection"),
        "malformed": "malformed",
        "empty": "malformed",
    }
    assert list(failed.values()) == [kind.get(fault["fault"], f"http_{fault['fault']}")]
    assert Counter(map(asked_number, server.calls())) == {"0": 1, "1": 3, "2": 1}
    assert failures_in(store) == Counter(failed.values())
    assert len(stored_texts(store, questions(3), asking())) == 2
    server.script([])  # the next run asks for what did not come, and for nothing else
    assert ask(server, store, questions(3), asking()) == {}
    assert server.count() == 5 + 1


STOPS = [
    ("unsupported", "temperature"),
    (401, "LOCAL_KEY|key"),
    (403, "may not"),
    (404, "base_url"),
    ("quota", "quota"),
]


@pytest.mark.parametrize(("fault", "says"), STOPS)
def test_what_no_further_try_can_mend_stops_at_once(
    server: Remote, store: Store, fault: int | str, says: str
) -> None:
    server.script([{"fault": fault, "calls": list(range(6, 1000))}])
    with pytest.raises(ValueError, match=says) as caught:
        ask(server, store, questions(40), asking())
    assert "here" in str(caught.value)
    assert 7 <= server.count() <= 6 + 4  # only what was under way already
    assert sorted(stored_texts(store, questions(40), asking())) == sorted(written(server))
    assert len(written(server)) == 6


def test_an_error_of_which_nobody_knows_costs_its_prompt_until_it_meets_all(
    server: Remote, store: Store
) -> None:
    """400 and no word that tells whether it is about the prompt: one of five, then all of forty."""
    server.script([{"fault": 400, "match": "What is 2 + 1?"}])
    failed = ask(server, store, questions(5), asking())
    assert list(failed.values()) == ["http_400"]
    assert len(written(server)) == 4
    server.script([{"fault": 400}])
    with pytest.raises(ValueError, match="400"):
        ask(server, store, questions(40), asking())
    assert len(written(server)) == 4


def test_a_prompt_that_is_too_long_fails_alone_and_at_once(server: Remote, store: Store) -> None:
    server.script([{"fault": "context_length", "match": "What is 2 + 1?"}])
    failed = ask(server, store, questions(5), asking(samples=2))
    assert set(failed.values()) == {"too_long"}
    assert len(stored_texts(store, questions(5), asking(samples=2))) == 8
    assert len([call for call in server.calls() if call["status"] == 400]) == 2


@pytest.mark.parametrize("fault", ["content_policy", "filtered"])
def test_a_filtered_prompt_is_an_answer_and_is_not_asked_again(
    server: Remote, store: Store, fault: str
) -> None:
    """The error form and the finish reason; neither stops the others."""
    server.script([{"fault": fault, "match": "What is 2 + 1?"}])
    assert ask(server, store, questions(5), asking()) == {}
    rows = list(completions(questions(5), asking(), store.answers))
    reasons = ["stop", "stop", "content_filter", "stop", "stop"]
    assert [row.finish_reasons for row in rows] == [[reason] for reason in reasons]
    assert ask(server, store, questions(5), asking()) == {}
    assert server.count() == 5


WRONG_COUNTS = [{"prompt_tokens": True}, {"prompt_tokens": 10**30}, {"prompt_tokens_details": [3]}]


@pytest.mark.parametrize("usage", ["missing", "negative", "strings", [1, 2], 7, *WRONG_COUNTS], ids=str)
def test_wrong_usage_is_an_unknown_cost_and_costs_no_answer(server: Remote, store: Store, usage: Any) -> None:
    server.script([{"fault": "usage", "usage": usage}])
    assert ask(server, store, questions(3), asking(), budget=1000.0) == {}
    rows = list(completions(questions(3), asking(), store.answers))
    assert [row.usage for row in rows] == [None] * 3
    assert server.count() == 3
    assert store.spent("here") > 0  # what was set aside stays: nobody knows what it cost


GOOD = json.dumps(
    {
        "model": "m",
        "system_fingerprint": "f",
        "choices": [{"finish_reason": "stop", "message": {"content": "2"}, "logprobs": None}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
)
SCORE = '{"content": [{"token": "a", "logprob": %s}]}'
# an odd response, and whether its text is kept all the same
ODD: dict[str, tuple[str, bool]] = {
    "a count of 31 digits": (GOOD.replace("4", "1" + "0" * 30), True),
    "a count of 5,000 digits": (GOOD.replace("4", "9" * 5000), True),
    "half a character as model": (GOOD.replace('"m"', r'"\ud83d"'), True),
    "half a character as fingerprint": (GOOD.replace('"f"', r'"\ud83d"'), True),
    "half a character as reason": (GOOD.replace('"stop"', r'"\ud83d"'), True),
    "a list as model": (GOOD.replace('"m"', "[" * 900 + "]" * 900), True),
    "a score of 400 digits": (GOOD.replace("null", SCORE % ("9" * 400)), True),
    "half a character as token": (GOOD.replace("null", (SCORE % "-1").replace('"a"', r'"\ud83d"')), True),
    "nested too deep": ("[" * 100_000, False),
    "a model nested too deep": (GOOD.replace('"m"', "[" * 5000 + "]" * 5000), False),
    "choices that are none": (GOOD.replace("[{", '{"a": {').replace("}]", "}}"), False),
    "a message that is a number": (GOOD.replace('{"content": "2"}', "7"), False),
}


@pytest.mark.parametrize("odd", ODD)
def test_one_odd_response_costs_no_other_answer(server: Remote, store: Store, odd: str) -> None:
    text, kept = ODD[odd]
    server.script([{"fault": "raw", "text": text, "match": "What is 1 + 1?"}])
    how = asking(logprobs=True)
    failed = ask(server, store, questions(6), how, attempts=2)
    assert list(failed.values()) == ([] if kept else ["malformed"])
    assert len(stored_texts(store, questions(6), how)) == (6 if kept else 5)
    assert server.count() == (6 if kept else 7)


def test_an_answer_that_cannot_be_written_costs_no_other(
    server: Remote, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else a server may send: those that are committed with it are kept, and it is told."""
    read = calls.read_answers

    def spoilt(payload: Any, samples: list[int], stop: tuple[str, ...]) -> dict[int, Any]:
        found = read(payload, samples, stop)
        return {sample: replace(answer, text=None) for sample, answer in found.items()} if spoil else found

    spoil = True
    monkeypatch.setattr(calls, "read_answers", spoilt)
    assert set(ask(server, store, questions(1), asking(), budget=50.0).values()) == {"unwritable"}
    assert failures_in(store) == {"unwritable": 1}
    paid = store.spent("here")
    spoil = False
    assert ask(server, store, questions(4), asking(), budget=50.0) == {}
    (told,) = {row for row in store.payments_by_endpoint() if row[0] == "here"}
    assert told[2:] == (0.0, 0.0)
    assert 0 < paid < store.spent("here")


def test_no_answer_in_time_is_retried(server: Remote, store: Store) -> None:
    server.script([{"fault": "slow", "delay": 20, "match": "What is 1 + 1?"}])
    failed = ask(server, store, questions(3), asking(), attempts=2, timeout=0.3)
    assert list(failed.values()) == ["timeout"]
    assert server.count() == 2 + 2


def test_answers_that_come_one_by_one_use_up_no_tries(server: Remote, store: Store) -> None:
    server.script([{"fault": "short", "choices": 1}])
    assert ask(server, store, questions(1), asking(samples=8), samples_per_request=8, attempts=2) == {}
    assert [call["body"].get("n", 1) for call in server.calls()] == [8, 7, 6, 5, 4, 3, 2, 1]


def test_prompts_that_are_refused_are_no_sign_of_a_dead_server(server: Remote, store: Store) -> None:
    count = 2 * live.DEAD
    server.script([{"fault": "context_length"}])
    failed = ask(server, store, questions(count), asking())
    assert list(failed.values()) == ["too_long"] * count


def test_fewer_samples_than_asked_are_completed(server: Remote, store: Store) -> None:
    server.script([{"fault": "short", "choices": 3}])
    assert ask(server, store, questions(2), asking(samples=8), samples_per_request=8) == {}
    assert [call["body"].get("n", 1) for call in server.calls() if "0 + 1" in str(call["body"])] == [8, 5, 2]
    rows = stored_texts(store, questions(2), asking(samples=8))
    assert (len(rows), sorted(rows)) == (16, sorted(written(server)))


def test_one_bad_choice_does_not_lose_the_others(server: Remote, store: Store) -> None:
    """A paid answer that came stays, whatever stands beside it."""
    server.script([{"fault": "bad_choice", "first": 1}])
    assert ask(server, store, questions(1), asking(samples=4), samples_per_request=4) == {}
    assert [call["body"].get("n", 1) for call in server.calls()] == [4, 1]


def test_log_probabilities_of_an_unknown_form_lose_no_answer(server: Remote, store: Store) -> None:
    odd = [{"token": "a"}, None, {"token": "a", "logprob": "x"}]
    forms = [*({"content": [token]} for token in odd), {"tokens": ["a"], "token_logprobs": []}, [1]]
    server.script([{"fault": "logprobs", "logprobs": form, "calls": [i]} for i, form in enumerate(forms)])
    how = asking(logprobs=True)
    assert ask(server, store, questions(5), how) == {}
    assert server.count() == 5
    assert [row.logprob for row in completions(questions(5), how, store.answers)] == [None] * 5


def test_many_faults_at_once_lose_and_repeat_nothing(server: Remote, store: Store) -> None:
    """A third of all calls go wrong in some way; what was written and arrived is what is stored, once."""
    faults = [fault | {"share": 0.05, "seed": place} for place, fault in enumerate(RETRIED)]
    server.script(faults)
    how = asking(samples=4, method=zero_shot_cot)
    assert ask(server, store, questions(25), how, samples_per_request=2, attempts=12, concurrency=8) == {}
    kept = stored_texts(store, questions(25), how)
    assert len(kept) == 25 * 4 * 2
    good = [call for call in server.calls() if call["delivered"] and call["fault"] is None]
    assert sorted(kept) == sorted(text for call in good for text in call["texts"])
    assert server.most_in_flight() <= 8


# ---- what is told

TOLD = [
    (
        (1200, 3, 36000, 60.0, 0.5, 0.25),
        "1,200 answers, 3 failed, 600 tokens/s, 0.5000 dollars of about 2.0000 for this step",
    ),
    ((1200, 0, 36000, 60.0, 0.5, 1.0), "1,200 answers, 0 failed, 600 tokens/s, 0.5000 dollars"),
    ((0, 0, 0, 0.0, 0.0, 0.0), "0 answers, 0 failed, 0 tokens/s, 0.0000 dollars"),
    ((5, 0, 10, 1.0, None, 0.5), "5 answers, 0 failed, 10 tokens/s, cost unknown: no price"),
]


@pytest.mark.parametrize(("figures", "told"), TOLD)
def test_summary(figures: tuple[Any, ...], told: str) -> None:
    assert progress.summary_line(*figures) == told


def test_without_a_terminal_there_is_a_line_now_and_then(
    server: Remote, store: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "MINUTE", 0.05)
    server.script([{"fault": "slow", "delay": 0.5, "match": "What is 2 + 1?"}])
    assert ask(server, store, questions(3), asking()) == {}
    *during, last = capfd.readouterr().err.splitlines()
    assert during
    assert all(
        re.fullmatch(r"here: [0-3] of 3 done: [0-3] answers, 0 failed, .* tokens/s, .* dollars.*", line)
        for line in during
    )
    assert last.startswith("here: 3 answers, 0 failed, ")


# ---- what is asked


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("method", [zero_shot, zero_shot_cot])
def test_a_larger_d_asks_the_difference_and_a_smaller_one_nothing(
    server: Remote, store: Store, size: int, method: Any
) -> None:
    steps = 1 if method is zero_shot else 2

    def ask_for(samples: int) -> list[Completion]:
        assert ask(server, store, questions(3), asking(samples, method), samples_per_request=size) == {}
        return list(completions(questions(3), asking(samples, method), store.answers))

    eight = ask_for(8)
    assert len(written(server)) == 3 * 8 * steps
    sixteen = ask_for(16)
    assert len(written(server)) == 3 * 16 * steps
    before = server.count()
    assert ask_for(8) == eight == [row for row in sixteen if row.sample < 8]
    assert ask_for(16) == sixteen
    assert server.count() == before


def test_added_rows_are_asked_alone(server: Remote, store: Store) -> None:
    ask(server, store, questions(5), asking(method=zero_shot_cot))
    before = server.count()
    ask(server, store, [*questions(3, start=5), *questions(5)], asking(method=zero_shot_cot))
    new = server.calls()[before:]
    assert Counter(map(asked_number, new)) == {"5": 2, "6": 2, "7": 2}


def test_another_salt_or_model_asks_anew_and_another_address_does_not(server: Remote, store: Store) -> None:
    ask(server, store, questions(2), asking())
    ask(server, store, questions(2), asking(), concurrency=1, samples_per_request=4, timeout=9.0)
    assert server.count() == 2
    ask(server, store, questions(2), asking(salt="again"))
    assert server.count() == 4
    assert "salt" not in json.dumps(server.calls())


def test_seeds_are_one_a_sample(server: Remote, store: Store) -> None:
    ask(server, store, questions(1), asking(samples=3, seed=10), samples_per_request=8)
    assert sorted(call["body"]["seed"] for call in server.calls()) == [10, 11, 12]


def test_legacy_completions_and_reasoners(server: Remote, store: Store) -> None:
    ask(server, store, questions(2), asking(kind="completions", logprobs=True))
    ask(server, store, questions(2), asking(model="reasoner", max_tokens=400), prices={})
    assert [call["path"] for call in server.calls()] == ["/completions"] * 2 + ["/chat/completions"] * 2
    legacy = list(completions(questions(2), asking(kind="completions", logprobs=True), store.answers))
    assert all(row.logprob is not None and row.logprob < 0 for row in legacy)
    (key,) = {
        row.steps[0].key
        for row in completions(questions(1), asking(model="reasoner", max_tokens=400), store.answers)
    }
    answer = store.answers(key)[0]
    assert answer.reasoning.startswith("Let me think")
    assert answer.text in written(server)
    assert answer.fingerprint.startswith("fp_")


# ---- money


def test_a_budget_stops_cleanly_with_everything_paid_kept(server: Remote, store: Store) -> None:
    how = asking(samples=2)
    with pytest.raises(ValueError, match="budget") as caught:
        ask(server, store, questions(60), how, budget=3.0)
    assert "here" in str(caught.value)
    kept = stored_texts(store, questions(60), how)
    assert 0 < len(kept) < 120
    assert sorted(kept) == sorted(written(server))
    paid = sum(map(dollars_of, completions(questions(60), how, store.answers)))
    assert store.spent("here") == pytest.approx(paid)
    assert paid <= 3.0
    before = server.count()
    with pytest.raises(ValueError, match="budget"):
        ask(server, store, questions(60), how, budget=3.0)
    assert server.count() == before
    assert ask(server, store, questions(60), how, budget=1000.0) == {}
    assert len(written(server)) == 120


def test_a_budget_without_a_price_asks_nothing(server: Remote, store: Store) -> None:
    with pytest.raises(ValueError, match="price"):
        ask(server, store, questions(3), asking(), prices={}, budget=5.0)
    assert server.count() == 0


def test_a_budget_that_holds_no_call_asks_nothing(server: Remote, store: Store) -> None:
    with pytest.raises(ValueError, match="budget"):
        ask(server, store, questions(50), asking(), budget=0.0001, concurrency=16)
    assert server.count() == 0


LOST: list[dict[str, Any]] = [
    *({"fault": status, "done": True} for status in (408, 500, 502, 503)),
    *({"fault": name} for name in ("cut", "cut_body", "garbage", "malformed", "empty")),
]
NOT_BILLED: list[dict[str, Any]] = [{"fault": status} for status in (409, 429)]


@pytest.mark.parametrize("fault", LOST + NOT_BILLED, ids=lambda fault: str(fault["fault"]))
def test_what_nobody_knows_stays_counted_as_spent(
    server: Remote, store: Store, fault: dict[str, Any]
) -> None:
    """A gateway may bill a call and then answer 502; what is refused was not billed."""
    server.script([fault | {"calls": [0]}])
    assert ask(server, store, questions(1), asking(), budget=100.0) == {}
    (row,) = completions(questions(1), asking(), store.answers)
    lost = most_dollars(asking().request("Q: What is 0 + 1?"), 1, PRICES["m"])
    assert server.count() == 2
    unknown = lost if fault in LOST else 0.0
    assert store.payments_by_endpoint() == [("here", dollars_of(row), pytest.approx(unknown), 0.0)]
    assert store.spent("here") == pytest.approx(dollars_of(row) + (unknown or 0.0))


def test_a_time_out_stays_counted_as_spent(server: Remote, store: Store) -> None:
    server.script([{"fault": "slow", "delay": 20, "calls": [0]}])
    assert ask(server, store, questions(1), asking(), budget=100.0, timeout=0.3) == {}
    lost = most_dollars(asking().request("Q: What is 0 + 1?"), 1, PRICES["m"])
    assert store.payments_by_endpoint()[0][2] == pytest.approx(lost)


def test_a_gateway_that_bills_and_fails_does_not_exceed_the_budget(server: Remote, store: Store) -> None:
    """Every call is carried out and billed, every second one answered by 502."""
    server.script([{"fault": 502, "done": True, "calls": list(range(0, 1000, 2))}])
    with pytest.raises(ValueError, match="budget"):
        ask(server, store, questions(60), asking(), budget=3.0)
    assert 0 < store.spent("here") <= 3.0


def test_a_server_that_is_not_there_bills_nothing(store: Store) -> None:
    endpoint = Endpoint(base_url="http://127.0.0.1:9/v1", concurrency=4, attempts=1, budget=100.0)
    request = Request("chat", "m", "a question", max_tokens=40)
    failed = live.fulfil([Wanted(request, request.key, [0])], store, "here", endpoint, PRICES)
    assert list(failed.values()) == ["connection"]
    assert store.spent("here") == 0.0


def test_dollars_are_set_aside_for_many_calls_at_once(
    server: Remote, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction for each call would cost more than the call; a kill leaves two blocks counted at most."""
    set_aside, most = [], most_dollars(asking().request("Q: What is 10 + 1?"), 1, PRICES["m"]) or 0.0
    raised = store.raise_reservation

    def raise_reservation(*values: Any) -> float:
        set_aside.append(raised(*values))
        (held,) = store.db.execute("SELECT total(dollars) FROM payment WHERE owner IS NOT NULL").fetchone()
        assert held <= (3 * purse.BLOCK + 16) * most
        return set_aside[-1]

    monkeypatch.setattr(store, "raise_reservation", raise_reservation)
    assert ask(server, store, questions(100), asking(), budget=1000.0, concurrency=16) == {}
    assert 1 <= len(set_aside) <= 100 / 8
    rows = list(completions(questions(100), asking(), store.answers))
    assert store.payments_by_endpoint() == [("here", pytest.approx(sum(map(dollars_of, rows))), 0.0, 0.0)]


# ---- others


def test_what_an_open_batch_holds_is_not_asked_live(server: Remote, store: Store) -> None:
    how = asking()
    store.claim([(how.request("Q: What is 2 + 1?").key, 0)], "job b1")
    with pytest.raises(ValueError, match="job b1"):
        ask(server, store, questions(4), how)
    assert server.count() == 0
    store.release("job b1")
    assert ask(server, store, questions(4), how) == {}


def test_a_store_that_cannot_be_written_ends_the_run(
    server: Remote, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: an error at once instead of paying for answers that go nowhere.

    What was committed before stays.
    """
    put = store.put
    puts = []

    def full(answered: Any) -> int:
        puts.append(1)
        if len(puts) > 3:
            raise sqlite3.OperationalError("database or disk is full")
        return put(answered)

    monkeypatch.setattr(store, "put", full)
    with pytest.raises((sqlite3.OperationalError, ValueError, OSError), match="full"):
        ask(server, store, questions(200), asking())
    assert server.count() < 50
    monkeypatch.undo()
    kept = stored_texts(store, questions(200), asking())
    assert 3 <= len(kept) < 50
    assert set(kept) <= set(written(server))
    assert store.db.execute("SELECT count(*) FROM claim").fetchone() == (0,)


def test_a_server_that_is_gone_is_not_tried_for_every_request(store: Store) -> None:
    endpoint = Endpoint(base_url="http://127.0.0.1:9/v1", concurrency=4, attempts=1)
    requests = [Request("chat", "m", f"question {i}") for i in range(500)]
    wanted = [Wanted(request, request.key, [0]) for request in requests]
    told = r"16 requests in a row got no answer in 1 tries, the last one connection: .*is the server there\?"
    with pytest.raises(ValueError, match=told):
        live.fulfil(wanted, store, "here", endpoint, {})
    assert store.db.execute("SELECT count(*) FROM failure").fetchone()[0] < 40
    assert store.db.execute("SELECT count(*) FROM claim").fetchone()[0] == 0
