"""Decoding: a batch that rows leave and join against one prompt at a time without a cache; stop marks,
samples, room, memory.
"""

import copy
import math
import random
import shutil
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import shapes
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    GenerationConfig,
    GPTNeoXConfig,
    MistralConfig,
    Qwen3Config,
)

from stages.config.decoding import Decoding
from stages.students import cache as cache_module
from stages.students import decode as decode_module
from stages.students import generate as generate_module
from stages.students import schedule as schedule_module
from stages.students.cache import drop_rows
from stages.students.decode import decode
from stages.students.generate import check_model, generate
from stages.students.load import Loaded, load
from stages.students.sampling import token_chooser
from stages.students.schedule import HEADER, AnswerRow, common_header, group_rows, next_groups
from stages.students.stopping import StopMarks, continuation

WIDE: dict[str, Any] = {
    "vocab_size": 258,
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": 0,
    "hidden_size": 16,
    "num_hidden_layers": 2,
}
WIDE |= {"num_attention_heads": 2, "max_position_embeddings": 512, "intermediate_size": 32}
FAMILIES: dict[str, Callable[[], Any]] = {
    **shapes(),
    "qwen3": lambda: Qwen3Config(**WIDE, num_key_value_heads=1, head_dim=8),
    "neox": lambda: GPTNeoXConfig(**WIDE),
    # shorter than the texts
    "mistral": lambda: MistralConfig(**WIDE, num_key_value_heads=1, sliding_window=8),
}
PROMPTS = ["a", "a much longer prompt, so that rows are padded", "bc", "the third\nwith a line break"]


@pytest.fixture(scope="module")
def lively(byte_tokenizer: Any) -> Callable[[str], Loaded]:
    """A random student in float64 whose weights are large enough for its greedy texts to depend on all that
    they should depend on.
    """
    made: dict[str, Loaded] = {}

    def make(family: str) -> Loaded:
        if family not in made:
            torch.manual_seed(1)
            config = FAMILIES[family]()
            model = (
                (AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM)
                .from_config(config)
                .double()
                .eval()
            )
            with torch.no_grad():
                for weights in model.parameters():
                    if weights.dim() > 1:
                        weights.mul_(2.0 if config.is_encoder_decoder else 12.0)
            start = config.decoder_start_token_id if config.is_encoder_decoder else None
            model.generation_config = GenerationConfig(
                eos_token_id=1, pad_token_id=0, decoder_start_token_id=start
            )
            made[family] = Loaded(model, byte_tokenizer, torch.device("cpu"))
        return made[family]

    return make


@torch.no_grad()
def alone(student: Loaded, prompt: list[int], tokens: int) -> list[int]:
    """The definition: the likeliest token after everything before it, read anew each time."""
    said: list[int] = []
    for _ in range(tokens):
        if student.encoder_decoder:
            start = student.model.generation_config.decoder_start_token_id
            out = student.model(
                input_ids=torch.tensor([prompt]),
                decoder_input_ids=torch.tensor([[start, *said]]),
                use_cache=False,
            )
        else:
            out = student.model(input_ids=torch.tensor([prompt + said]), use_cache=False)
        said.append(int(out.logits[0, -1].argmax()))
    return said


def rows_of(student: Loaded, prompts: list[list[int]], samples: int = 1) -> list[AnswerRow]:
    begin = [student.model.generation_config.decoder_start_token_id] if student.encoder_decoder else None
    return [
        AnswerRow(place, sample, prompt, begin or prompt, 1000)
        for place, prompt in enumerate(prompts)
        for sample in range(samples)
    ]


def told(student: Loaded, rows: list[AnswerRow], lengths: list[int], most: int) -> Counter[str]:
    """Let each row say a given number of tokens, greedily."""
    return generate(
        student, rows, token_chooser(Decoding()), lambda row: len(row.tokens) == lengths[row.place], most
    )


@pytest.fixture(scope="module")
def expected(lively) -> Callable[[str, int], tuple[list[list[int]], list[int], list[list[int]]]]:
    """Prompts that begin with `header` common tokens, how long each answer is to be, the answers."""
    found: dict[tuple[str, int], tuple[list[list[int]], list[int], list[list[int]]]] = {}

    def find(family: str, header: int) -> tuple[list[list[int]], list[int], list[list[int]]]:
        if (family, header) not in found:
            rng = random.Random(family)
            common = [rng.randrange(2, 258) for _ in range(header)]
            prompts = [
                common + [rng.randrange(2, 258) for _ in range(rng.choice([1, 2, 3, 9, 12, 12, 25]))]
                for _ in range(13)
            ]
            lengths = [rng.choice([1, 2, 5, 8, 13, 30]) for _ in prompts]
            found[family, header] = (
                prompts,
                lengths,
                [alone(lively(family), *pair) for pair in zip(prompts, lengths, strict=True)],
            )
        return found[family, header]

    return find


@pytest.mark.parametrize(
    ("most", "header", "samples", "room"),
    [(64, 0, 1, 64), (4, 0, 1, 64), (4, 0, 1, 1), (1, 0, 1, 4), (8, 0, 2, 2), (4, 40, 1, 64), (5, 40, 3, 2)],
    ids=["one wave", "refilled", "reallocated", "one row", "samples", "header", "header and samples"],
)
@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_batch_says_what_each_row_says_alone(
    family: str,
    most: int,
    header: int,
    samples: int,
    room: int,
    lively,
    expected,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Token for token. With few rows at once, every prompt but the first ones joins rows that are in the
    middle of something.
    """
    monkeypatch.setattr(cache_module, "ROOM", room)
    prompts, lengths, answers = expected(family, header)
    student = lively(family)
    rows = rows_of(student, prompts, samples)
    counts = told(student, rows, lengths, most)
    assert [row.tokens for row in rows] == [answer for answer in answers for _ in range(samples)]
    assert len({tuple(answer) for answer in answers}) > 6
    assert counts["slots"] == samples * sum(lengths)  # nobody says a token after its last
    assert max(lengths) <= counts["steps"] <= counts["slots"]
    if most == 64:
        assert counts["steps"] == max(lengths)
    if most == 1:
        assert counts["steps"] == counts["slots"]


def test_a_run_away_holds_up_nobody(lively) -> None:
    """19 short answers pass beside one long one: as many steps as the long one has tokens."""
    student = lively("llama")
    rows = rows_of(student, [[7, place + 2] for place in range(20)])
    counts = told(student, rows, [100, *[5] * 19], 2)
    assert counts["steps"] == 100
    assert counts["slots"] == 100 + 19 * 5


def test_prompts_are_read_once(lively) -> None:
    student, common = lively("gpt2"), list(range(2, 2 + HEADER))
    lone = told(student, rows_of(student, [[5, 6, 7, 8]], samples=9), [3], 64)
    assert (lone["reads"], lone["read_tokens"]) == (1, 3)
    repeated = told(student, rows_of(student, [[5, 6, 7, 8]] * 9), [3] * 9, 64)
    assert repeated == lone  # the same prompt nine times is no other thing
    headed = told(
        student, rows_of(student, [[*common, 30, 9], [*common, 31, 9], [*common, 32, 9]]), [3] * 3, 64
    )
    assert headed["read_tokens"] == 3
    short = told(student, rows_of(student, [[*common[1:], 30, 9], [*common[1:], 31, 9]]), [3] * 2, 64)
    assert short["read_tokens"] == 2 * HEADER


@pytest.mark.parametrize(
    ("prompts", "found"),
    [
        ([[*range(20), 1], [*range(20), 2]], 20),
        ([[*range(20)], [*range(20), 2]], 19),  # a prompt's last token is its first step
        ([[*range(15), 1], [*range(15), 2]], 0),
        ([[*range(20)]], 0),
        ([[1, *range(20)], [2, *range(20)]], 0),
    ],
)
def test_beginning(prompts: list[list[int]], found: int) -> None:
    assert common_header(prompts) == list(range(found))


def test_groups_are_read_together_while_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule_module, "READ", 300)
    lengths = [100, 50, 90, 80, 79, 100, 100]
    waiting = group_rows(
        [AnswerRow(i, s, [i] * n, [i] * n, 9) for i, n in enumerate(lengths) for s in range(3)], 2
    )
    taken = []
    while new := next_groups(waiting, 5):
        assert sum(map(len, new)) <= 5
        taken.append([len(group[0].prompt) for group in new])
    assert not waiting
    # three samples: a group of two and one of one
    assert [length for part in taken for length in part] == sorted(2 * lengths, reverse=True)
    assert all(max(part) * len(part) <= 300 and min(part) >= 0.8 * max(part) for part in taken)
    # not before there is room for all
    assert next_groups(group_rows([AnswerRow(0, s, [1], [1], 9) for s in range(4)], 4), 3) == []


def test_drop_moves_few() -> None:
    rng = random.Random(0)
    for _ in range(300):
        rows = list(range(rng.randrange(1, 12)))
        left = [row for row in rows if rng.random() < rng.random()]
        stay = [row for row in rows if row not in left]
        drop_rows(rows, left)
        assert sorted(rows) == stay
        assert all(rows[row] == row for row in stay if row < len(stay))


@pytest.mark.parametrize("family", list(shapes()))
def test_a_batch_answers_as_one_at_a_time(family: str, lively, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same through decode, texts cut at marks and at the end-of-text token, whose places the free texts
    give.
    """
    student = lively(family)
    said = [alone(student, student.tokenizer(prompt).input_ids, 40) for prompt in PROMPTS]
    free = [
        student.tokenizer.decode(row[: row.index(1)] if 1 in row else row, skip_special_tokens=True)
        for row in said
    ]
    marks = [text[9:12] for text in free[:2] if text[9:12].isprintable()]
    monkeypatch.setenv("COT_DECODE_ROWS", "2")
    together = decode(student, PROMPTS, marks, Decoding(max_new_tokens=40), "test")
    for row, text, (answer,) in zip(said, free, together, strict=True):
        places = [text.index(mark) for mark in marks if mark in text]
        assert answer.text == (text[: min(places)] if places else text)
        assert answer.finish_reason == ("stop" if places or 1 in row else "length")
    for prompt, answers in zip(PROMPTS, together, strict=True):
        assert decode(student, [prompt], marks, Decoding(max_new_tokens=40), "test") == [answers]


def test_the_end_of_text_token_ends_a_row(lively) -> None:
    student = lively("gpt2")
    said = alone(student, student.tokenizer("abc").input_ids, 30)
    last = next(token for token in said[5:] if token not in said[:5])
    tokenizer = copy.deepcopy(student.tokenizer)
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(last)
    answer = decode(
        Loaded(student.model, tokenizer, student.device), ["abc"], [], Decoding(max_new_tokens=30), "test"
    )[0][0]
    assert answer.text == tokenizer.decode(said[: said.index(last)])
    assert (answer.finish_reason, answer.tokens_in, answer.tokens_out) == ("stop", 3, said.index(last))


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
def test_a_continuation_ends_at_its_first_mark(
    byte_tokenizer, said: str, ended: bool, text: str, reason: str
) -> None:
    tokens = ids(byte_tokenizer, said) + (
        [byte_tokenizer.eos_token_id, *ids(byte_tokenizer, "junk"), byte_tokenizer.pad_token_id]
        if ended
        else []
    )
    answer = continuation(tokens, byte_tokenizer, ["END", "\nQ:"], 3, {byte_tokenizer.eos_token_id})
    assert (answer.text, answer.finish_reason, answer.tokens_in) == (text, reason, 3)


@pytest.mark.parametrize(
    "marks",
    [["END"], ["\nQ:", "END"], ["a mark of more than eight bytes"], ["½"], ["é½"], ["Q: "], ["日本語です"]],
)
@pytest.mark.parametrize("tiny", [False, True], ids=["bytes", "subwords"])
def test_a_mark_is_found_with_its_last_token(byte_tokenizer, marks: list[str], tiny: bool) -> None:
    """Against decoding everything after every token; marks within tokens, over several tokens, of several
    bytes a letter.
    """
    from conftest import ROOT

    tokenizer = load(ROOT / "students" / "tiny").tokenizer if tiny else byte_tokenizer
    found = StopMarks(tokenizer, marks)
    for text in [
        f"so far {marks[0]}",
        f"x{marks[-1][:-1]} {marks[-1]}",
        f"ENX END. ½é {marks[0][0]}{marks[0]} and on\nQ",
        "Q:\nQ Q: ENDED é½½ 日本語",
    ]:
        said = ids(tokenizer, text)
        for end in range(1, len(said) + 1):
            seen = tokenizer.decode(said[:end])
            assert found.completed_by_last(said[:end]) == any(mark in seen for mark in marks)
            if any(mark in seen for mark in marks):
                break


def test_generation_stops_with_the_mark(random_student) -> None:
    """A mark that the greedy text holds ends the row with the token that completes it."""
    student = load(random_student("gpt2"))
    free = decode(student, ["abc"], [], Decoding(max_new_tokens=200), "test")[0][0]
    mark = free.text[3:5]
    stopped = decode(student, ["abc"], [mark], Decoding(max_new_tokens=200), "test")[0][0]
    assert stopped.text == free.text[: free.text.index(mark)]
    assert stopped.finish_reason == "stop"
    assert stopped.tokens_out < 20 < free.tokens_out


SAMPLED = Decoding(max_new_tokens=10, temperature=1.0, samples=3)


def test_samples_are_seeded_and_differ(random_student) -> None:
    student = load(random_student("gpt2"))
    first = decode(student, ["abc", "d"], [], SAMPLED, "test")
    again = decode(student, ["abc", "d"], [], SAMPLED, "test")
    other = decode(student, ["abc", "d"], [], SAMPLED.model_copy(update={"seed": 1}), "test")
    assert first == again != other
    assert len({answer.text for answers in first for answer in answers}) == 6


def test_equal_prompts_get_different_samples_and_steps_different_draws(lively) -> None:
    student, once = lively("gpt2"), SAMPLED.model_copy(update={"samples": 1})
    assert len({answers[0].text for answers in decode(student, ["abc"] * 5, [], once, "test")}) == 5
    flat, choose = torch.zeros(1, 1000), token_chooser(once)
    # a later step of a method asks another prompt
    assert choose(flat, [AnswerRow(0, 0, [1], [1], 9)]) != choose(flat, [AnswerRow(0, 0, [1, 2], [1, 2], 9)])


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_samples_do_not_depend_on_the_batch(family: str, lively, monkeypatch: pytest.MonkeyPatch) -> None:
    student = lively(family)
    together = decode(student, PROMPTS, [], SAMPLED, "test")
    monkeypatch.setenv("COT_DECODE_ROWS", "2")
    assert decode(student, PROMPTS, [], SAMPLED, "test") == together
    assert decode(student, PROMPTS[:2], [], SAMPLED, "test") == together[:2]
    fewer = SAMPLED.model_copy(update={"samples": 1})
    assert [answers[:1] for answers in together] == decode(student, PROMPTS, [], fewer, "test")


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_samples_follow_the_distribution(temperature: float) -> None:
    """Frequencies of 20000 first tokens, within five standard errors; a token of probability zero never
    comes.
    """
    logits = torch.tensor([1.0, 0.0, -float("inf"), 2.0, -1.0])
    wanted = torch.softmax(logits / temperature, -1)
    rows = [AnswerRow(place, 0, [1], [1], 9) for place in range(20000)]
    drawn = token_chooser(Decoding(temperature=temperature))(logits.expand(len(rows), -1), rows)
    found = torch.bincount(torch.tensor(drawn), minlength=5) / len(rows)
    assert found[2] == 0
    assert (found - wanted).abs().le(5 * (wanted * (1 - wanted) / len(rows)).sqrt()).all()


def likeliest(logits: list[float], top_k: int, top_p: float) -> list[float]:
    """The distribution that is left, one token at a time: the top_k likeliest, of these the fewest with a
    share of top_p.
    """
    weights = [math.exp(logit) for logit in logits]
    order = sorted(range(len(weights)), key=lambda token: -weights[token])[: top_k or None]
    all_of_them = sum(weights[token] for token in order)
    kept: list[int] = []
    while sum(weights[token] for token in kept) / all_of_them < top_p and len(kept) < len(order):
        kept.append(order[len(kept)])
    share = sum(weights[token] for token in kept)
    return [weights[token] / share if token in kept else 0.0 for token in range(len(weights))]


@pytest.mark.parametrize(
    ("top_k", "top_p", "left"),
    [(0, 0.7, 2), (2, 1.0, 2), (1, 1.0, 1), (0, 0.05, 1), (3, 0.8, 2), (0, 0.95, 4)],
)
def test_top_k_and_top_p_leave_the_likeliest(top_k: int, top_p: float, left: int) -> None:
    """Against the definition: which tokens ever come, and how often."""
    logits, temperature = [0.9, 0.1, -1.2, 1.7, -0.3], 0.8
    wanted = torch.tensor(likeliest([logit / temperature for logit in logits], top_k, top_p))
    assert int((wanted > 0).sum()) == left
    rows = [AnswerRow(place, 0, [1], [1], 9) for place in range(20000)]
    decoding = Decoding(temperature=temperature, top_k=top_k, top_p=top_p)
    drawn = token_chooser(decoding)(torch.tensor(logits).expand(len(rows), -1), rows)
    found = torch.bincount(torch.tensor(drawn), minlength=5) / len(rows)
    assert (found > 0).tolist() == (wanted > 0).tolist()
    assert (found - wanted).abs().le(5 * (wanted * (1 - wanted) / len(rows)).sqrt() + 1e-9).all()


@pytest.mark.parametrize(
    "values", [{"samples": 2}, {"top_k": 5}, {"top_p": 0.9}, {"samples": 2, "top_k": 5, "top_p": 0.9}]
)
def test_greedy_samples_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give a temperature"):
        Decoding(**values)


def test_a_prompt_without_room_is_answered_by_its_reason(random_student) -> None:
    student = load(random_student("gpt2"))  # 512 positions
    long, short = decode(student, ["x" * 600, "x" * 500], [], Decoding(max_new_tokens=50), "test")
    assert (long[0].text, long[0].finish_reason) == ("", "prompt_too_long")
    assert short[0].tokens_out <= 12
    assert decode(student, ["x" * 600], [], Decoding(), "test") == [long]


@pytest.mark.parametrize("family", list(shapes()))
def test_an_empty_prompt_is_refused(family: str, lively) -> None:
    with pytest.raises(ValueError, match="prompt 2 has no token"):
        decode(lively(family), ["a", ""], [], Decoding(), "test")


def test_no_prompts_no_answers(random_student) -> None:
    assert decode(load(random_student("gpt2")), [], [], Decoding(), "test") == []


def test_a_long_prompt_takes_no_room_from_a_short_one(random_student) -> None:
    student = load(random_student("gpt2"))
    greedy = Decoding(max_new_tokens=100)
    together = decode(student, ["ab", "x" * 500], [], greedy, "test")
    assert together[0] == decode(student, ["ab"], [], greedy, "test")[0]
    assert together[0][0].tokens_out > 12 >= together[1][0].tokens_out


def test_greedy_is_greedy_whatever_the_model_s_own_settings_say(random_student, tmp_path) -> None:
    plain = random_student("gpt2")
    shutil.copytree(plain, tmp_path / "penalised")
    (tmp_path / "penalised" / "generation_config.json").write_text(
        '{"repetition_penalty": 3.0, "do_sample": true, "top_k": 5}'
    )
    greedy = Decoding(max_new_tokens=40)
    assert decode(load(tmp_path / "penalised"), PROMPTS, [], greedy, "test") == decode(
        load(plain), PROMPTS, [], greedy, "test"
    )


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_halves_the_rows_and_goes_on(
    error: RuntimeError, lively, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """What was complete is kept, what was not begins anew and says the same."""
    student, decoding = lively("llama"), Decoding(max_new_tokens=20, temperature=1.0)
    prompts = [f"{place} and on" for place in range(12)]
    whole = decode(student, prompts, ["e"], decoding, "test")
    real, widths = generate_module.Batch.step, []

    def step(batch: generate_module.Batch) -> torch.Tensor:
        if len(batch.rows) > 3 and any(len(row.tokens) > 2 for row in batch.rows):
            raise error
        widths.append(len(batch.rows))
        return real(batch)

    monkeypatch.setattr(generate_module.Batch, "step", step)
    monkeypatch.setenv("COT_DECODE_ROWS", "8")
    assert decode(student, prompts, ["e"], decoding, "test") == whole
    assert max(widths) == 8
    assert widths[-1] <= 3
    told = [
        int(line.split()[5])
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("out of memory")
    ]
    assert told == [4, 2]


def test_too_little_memory_for_one_row_names_the_settings(
    random_student, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(batch: generate_module.Batch) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(generate_module.Batch, "step", step)
    with pytest.raises(ValueError, match=r"one answer at a time, of 2 tokens.*`max_new_tokens` \(9\)"):
        decode(load(random_student("t5")), ["ab", "cd"], [], Decoding(max_new_tokens=9), "test")


def test_other_errors_are_not_taken_for_it(random_student, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(batch: generate_module.Batch) -> torch.Tensor:
        raise RuntimeError("something else")

    monkeypatch.setattr(generate_module.Batch, "step", step)
    with pytest.raises(RuntimeError, match="something else"):
        decode(load(random_student("gpt2")), ["ab"], [], Decoding(max_new_tokens=9), "test")


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_memory_bounds_the_rows(family: str, lively, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 layers x keys and values x d numbers of 8 bytes a token; 20 tokens a row at most; half of what is
    free.
    """
    student = lively(family)
    rows = [AnswerRow(0, 0, [1] * 8, [1] * 8, 12), AnswerRow(1, 0, [1] * 4, [1] * 4, 12)]
    # llama's two heads share one of keys and values
    a_row = 2 * 2 * (8 if family == "llama" else 16) * 8 * 20
    free = type("free", (), {"available": 2 * 7 * a_row + 1})
    monkeypatch.setattr(generate_module.psutil, "virtual_memory", free)
    assert decode_module.rows_at_once(student, rows) == 7
    monkeypatch.setattr(free, "available", 10**12)
    assert decode_module.rows_at_once(student, rows) == decode_module.ROWS
    monkeypatch.setattr(free, "available", 1)
    assert decode_module.rows_at_once(student, rows) == 1
    monkeypatch.setenv("COT_DECODE_ROWS", "300")
    assert decode_module.rows_at_once(student, rows) == 300


@pytest.mark.parametrize(
    ("name", "value"), [("COT_DECODE_ROWS", "0"), ("COT_DECODE_ROWS", "many"), ("COT_DECODER", "vllm")]
)
def test_settings_that_are_none(
    name: str, value: str, random_student, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=rf"\${name} is '{value}'"):
        decode(load(random_student("gpt2")), ["ab"], [], Decoding(), "test")


def test_models_that_cannot_be_batched_so_are_refused(lively) -> None:
    from transformers import BartConfig, FalconH1Config

    student = lively("gpt2")
    for config, message in ((BartConfig(), "relative positions"), (FalconH1Config(), "serve it instead")):
        model = type("model", (), {"config": config})()
        with pytest.raises(ValueError, match=message):
            check_model(Loaded(model, student.tokenizer, student.device))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_continuous_batching_says_the_same(family: str, lively, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers' own batching against the loop: texts, reasons and counts, with a mark and the ends of
    rows.
    """
    model = copy.deepcopy(lively(family).model).float()
    student = Loaded(model, lively(family).tokenizer, torch.device("cpu"))
    decoding = Decoding(max_new_tokens=16)
    mark = next(
        letter for letter in decode(student, PROMPTS, [], decoding, "test")[1][0].text[4:] if letter.isascii()
    )
    monkeypatch.setenv("COT_DECODER", "loop")
    loop = decode(student, PROMPTS, [mark], decoding, "test")
    monkeypatch.setenv("COT_DECODER", "batching")
    assert decode(student, PROMPTS, [mark], decoding, "test") == loop
    assert loop[1][0].finish_reason == "stop"
