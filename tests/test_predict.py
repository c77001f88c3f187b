"""Decoding and asking: batches against one at a time, stop marks, steps, samples, prompts without room."""

import shutil
from importlib import import_module

import pytest
from conftest import shapes

from stages.config.decoding import Decoding
from stages.decode import batches, cut, decode
from stages.predict import answer_all
from stages.records.example import Example
from stages.student import load

PROMPTS = ["a", "a much longer prompt, so that rows are padded", "bc", "the third\nwith a line break"]


@pytest.mark.parametrize("family", list(shapes()))
def test_a_batch_answers_as_one_at_a_time(family: str, random_student) -> None:
    student = load(random_student(family))
    student.model.double()
    greedy = Decoding(max_new_tokens=12)
    together = decode(student, PROMPTS, ["END"], greedy, "test")
    alone = [decode(student, [prompt], ["END"], greedy, "test")[0] for prompt in PROMPTS]
    assert together == alone
    assert all(answer.tokens_out <= 12 for answers in together for answer in answers)


def ids(byte_tokenizer, text: str) -> list[int]:
    return byte_tokenizer(text, add_special_tokens=False).input_ids


@pytest.mark.parametrize(
    ("said", "ended", "text", "reason"),
    [
        ("so 8. --> 8END and more", False, "so 8. --> 8", "stop"),
        ("so 8. --> 8", True, "so 8. --> 8", "stop"),
        ("so 8. --> 8", False, "so 8. --> 8", "length"),
        ("END", False, "", "stop"),
        ("one\nQ: two END", False, "one", "stop"),
    ],
)
def test_cut(byte_tokenizer, said: str, ended: bool, text: str, reason: str) -> None:
    tokens = ids(byte_tokenizer, said) + ([byte_tokenizer.eos_token_id, *ids(byte_tokenizer, "junk"), byte_tokenizer.pad_token_id] if ended else [])
    answer = cut(tokens, byte_tokenizer, ["END", "\nQ:"], 3)
    assert (answer.text, answer.finish_reason, answer.tokens_in) == (text, reason, 3)


def test_generation_stops_soon_after_the_mark(random_student) -> None:
    """A mark that the greedy text holds ends the row there: far fewer tokens than allowed."""
    student = load(random_student("gpt2"))
    free = decode(student, ["abc"], [], Decoding(max_new_tokens=200), "test")[0][0]
    mark = free.text[3:5]
    stopped = decode(student, ["abc"], [mark], Decoding(max_new_tokens=200), "test")[0][0]
    assert stopped.text == free.text[: free.text.index(mark)]
    assert stopped.finish_reason == "stop"
    assert stopped.tokens_out < 20 < free.tokens_out


def test_samples_are_seeded_and_differ(random_student) -> None:
    student = load(random_student("gpt2"))
    first = decode(student, ["abc", "d"], [], Decoding(max_new_tokens=10, temperature=1.0, samples=3), "test")
    again = decode(student, ["abc", "d"], [], Decoding(max_new_tokens=10, temperature=1.0, samples=3), "test")
    other = decode(student, ["abc", "d"], [], Decoding(max_new_tokens=10, temperature=1.0, samples=3, seed=1), "test")
    assert first == again != other
    assert len({answer.text for answer in first[0]}) == 3


def test_greedy_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="give a temperature"):
        Decoding(samples=2)


def test_a_prompt_without_room_is_answered_by_its_reason(random_student) -> None:
    student = load(random_student("gpt2"))  # 512 positions
    long, short = decode(student, ["x" * 600, "x" * 500], [], Decoding(max_new_tokens=50), "test")
    assert (long[0].text, long[0].finish_reason) == ("", "prompt_too_long")
    assert short[0].tokens_out <= 12


def test_a_long_prompt_takes_no_room_from_a_short_one(random_student) -> None:
    student = load(random_student("gpt2"))
    greedy = Decoding(max_new_tokens=100)
    together = decode(student, ["ab", "x" * 500], [], greedy, "test")
    assert together[0] == decode(student, ["ab"], [], greedy, "test")[0]
    assert together[0][0].tokens_out > 12 >= together[1][0].tokens_out


@pytest.mark.parametrize(
    ("lengths", "roomy", "found"),
    [([1, 2, 3], 10, [[0, 1, 2]]), ([1, 8, 9, 9], 5, [[0], [1], [2, 3]]), ([1] * 130, 5, [list(range(64)), list(range(64, 128)), [128, 129]])],
)
def test_batches(lengths: list[int], roomy: int, found: list[list[int]]) -> None:
    assert list(batches(list(range(len(lengths))), lengths, roomy)) == found


def test_greedy_is_greedy_whatever_the_model_s_own_settings_say(random_student, tmp_path) -> None:
    plain = random_student("gpt2")
    shutil.copytree(plain, tmp_path / "penalised")
    (tmp_path / "penalised" / "generation_config.json").write_text('{"repetition_penalty": 3.0, "do_sample": true, "top_k": 5}')
    greedy = Decoding(max_new_tokens=40)
    assert decode(load(tmp_path / "penalised"), PROMPTS, [], greedy, "test") == decode(load(plain), PROMPTS, [], greedy, "test")


EXAMPLES = [Example(f"made-{i}", "made", f"Question {i}?", str(i), "number") for i in range(3)]


@pytest.mark.parametrize("samples", [1, 2])
def test_two_steps_continue_each_sample(random_student, samples: int) -> None:
    method = import_module("stages.methods.zero_shot_cot")
    decoding = Decoding(max_new_tokens=6, samples=samples, temperature=1.0 if samples > 1 else 0.0)
    rows = answer_all(load(random_student("llama")), method, method.Settings(), EXAMPLES, "", decoding, "small", "selected")
    assert [(row.example_id, row.sample) for row in rows] == [(f"made-{i}", s) for i in range(3) for s in range(samples)]
    for row in rows:
        assert len(row.prompts) == len(row.texts) == len(row.finish_reasons) == 2
        assert row.prompts[1] == f"{row.prompts[0]}{row.texts[0].rstrip()}\nTherefore, the answer is"
        assert row.usage["out"] <= 12
    if samples > 1:
        assert any(a.texts[0] != b.texts[0] for a, b in zip(rows[::2], rows[1::2], strict=True))
