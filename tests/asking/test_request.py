"""Keys are frozen: every paid answer hangs on one. A failing test here means that answers would be asked and
paid for again.
"""

import hashlib
import json
import random
import string
from dataclasses import fields, replace

import pytest

from stages.asking.request import Request, read_request

# canonical JSON written by hand; the digests are those of sha256sum
FROZEN = [
    (
        Request("completions", "text-davinci-002", "Q: 1 + 1?\nA:", temperature=0.0),
        (
            r'{"kind":"completions","model":"text-davinci-002","prompt":"Q: 1 +'
            r' 1?\nA:","temperature":0.0,"version":1}'
        ),
        "d10f0208cddb350c2385308ecd0345ccaf85d1f19c9af10f6780682eb867766b",
    ),
    (
        Request(
            "chat",
            "gpt-4o-mini",
            'café 😀 "q" \\ /',
            "Be brief.",
            temperature=0.7,
            top_p=1.0,
            max_tokens=128,
            stop=("\nQ:", "END"),
        ),
        r'{"kind":"chat","max_tokens":128,"model":"gpt-4o-mini","prompt":"caf\u00e9 \ud83d\ude00 \"q\" \\'
        r' /","stop":["\nQ:","END"],'
        r'"system":"Be brief.","temperature":0.7,"top_p":1.0,"version":1}',
        "ad9cfa2e935d974942fa7b2a10f4b3a955442fa97d90483c0a5ed5afc88d1e33",
    ),
    (
        Request(
            "chat", "o3", "x", seed=0, extra={"reasoning_effort": "low", "a": [1, {"b": None}]}, salt="2"
        ),
        '{"extra":{"a":[1,{"b":null}],"reasoning_effort":"low"},"kind":"chat","model":"o3","prompt":"x","salt":"2","seed":0,"version":1}',
        "bccffabd0f0bee45e12842f552d9d872615037529d1083e7b9847c52588b7eea",
    ),
    (
        Request("transformers", "org/name@607a30d", "x", seed=7),
        '{"kind":"transformers","model":"org/name@607a30d","prompt":"x","seed":7,"version":1}',
        "044a71fab83226dd403364c4d6b00a23536f8224cb340aec6a3094c19c4beb33",
    ),
    (
        Request("chat", "m", ""),
        '{"kind":"chat","model":"m","version":1}',
        "35aa7243723879d90f4485abbc0fb6b3410a82f8399df25c52e45b625d906e98",
    ),
]


@pytest.mark.parametrize(("request_", "body", "key"), FROZEN)
def test_frozen_keys(request_, body, key):
    assert request_.body == body
    assert request_.key == key == hashlib.sha256(body.encode()).hexdigest()
    assert read_request(body) == request_


CHANGES = {
    "kind": "completions", "model": "n", "prompt": "q", "system": "s", "temperature": 0.0, "top_p": 0.5,
    "max_tokens": 1, "stop": ("s",), "seed": 0,
    "extra": {"a": 1}, "salt": "s",
}  # fmt: skip


def test_every_field_that_can_change_an_answer_changes_the_key():
    base = Request("chat", "m", "p")
    others = [replace(base, **{name: value}) for name, value in CHANGES.items()]
    assert len({base.key, *(other.key for other in others)}) == len(others) + 1
    # a new field must be added to one side or the other
    assert {field.name for field in fields(Request)} == {*CHANGES, "logprobs"}


def test_what_cannot_change_an_answer_is_not_in_the_key():
    base = Request("chat", "m", "p")
    assert replace(base, logprobs=True).key == base.key
    assert not {"base_url", "endpoint", "n", "samples", "key_env", "mode"} & {
        field.name for field in fields(Request)
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"temperature": 1}, {"temperature": 1.0}),
        ({"top_p": 1}, {"top_p": 1.0}),
        ({"stop": ["a", "b"]}, {"stop": ("a", "b")}),
        ({"stop": []}, {}),
        ({"extra": {"a": 1, "b": 2}}, {"extra": {"b": 2, "a": 1}}),
        ({"extra": {"a": {"c": 1, "b": 2}}}, {"extra": {"a": {"b": 2, "c": 1}}}),
    ],
)
def test_spellings_of_one_request(one, other):
    assert Request("chat", "m", "p", **one) == Request("chat", "m", "p", **other)
    assert Request("chat", "m", "p", **one).key == Request("chat", "m", "p", **other).key


def test_zero_is_not_missing():
    assert (
        len(
            {
                Request("chat", "m", "p", **given).key
                for given in [{}, {"temperature": 0.0}, {"seed": 0}, {"top_p": 0.0}, {"max_tokens": 0}]
            }
        )
        == 5
    )


def any_text(rng):
    letters = string.printable + "äß€😀 \u2028\x00\\\"'"
    return "".join(rng.choices(letters, k=rng.randrange(12)))


def any_value(rng, depth=2):
    makers = [
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: rng.randrange(-5, 5),
        rng.random,
        lambda: any_text(rng),
    ]
    if depth:
        makers += [
            lambda: [any_value(rng, depth - 1) for _ in range(3)],
            lambda: {any_text(rng): any_value(rng, depth - 1) for _ in range(3)},
        ]
    return rng.choice(makers)()


def any_request(rng):
    optional = {
        "system": any_text(rng), "temperature": rng.random() * 2, "top_p": rng.random(),
        "max_tokens": rng.randrange(999), "seed": rng.randrange(9),
        "stop": tuple(any_text(rng) for _ in range(rng.randrange(4))),
        "extra": {any_text(rng): any_value(rng)}, "salt": any_text(rng),
    }  # fmt: skip
    chosen = {name: value for name, value in optional.items() if rng.random() < 0.5}
    return Request(rng.choice(["chat", "completions"]), any_text(rng), any_text(rng), **chosen)


def test_round_trip():
    rng = random.Random(0)
    requests = [any_request(rng) for _ in range(500)]
    for request in requests:
        again = read_request(request.body)
        assert (again, again.key, again.body) == (request, request.key, request.body)
        assert request.body.isascii()
        shuffled = list(json.loads(request.body).items())
        rng.shuffle(shuffled)
        assert read_request(json.dumps(dict(shuffled), indent=1, ensure_ascii=False)).key == request.key
    distinct = {
        json.dumps([repr(getattr(request, field.name)) for field in fields(request)]) for request in requests
    }
    assert len({request.key for request in requests}) == len(distinct)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"kind":"chat","model":"m","prompt":"p","version":2}', "version 2, wanted 1"),
        ('{"kind":"chat","model":"m","prompt":"p"}', "version None, wanted 1"),
        ('{"kind":"chat","model":"m","prompt":"p","version":1,"messages":[]}', "messages"),
        ("[]", "no request"),
        ("{", "no request"),
    ],
)
def test_no_request(body, message):
    with pytest.raises(ValueError, match=message):
        read_request(body)
