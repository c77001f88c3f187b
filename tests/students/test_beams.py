"""Beam search against `transformers` on one prompt at a time, and against all texts there are."""

import random
from collections import Counter
from typing import Any

import pytest
import torch
from test_decode import PROMPTS, lively, rows_of  # noqa: F401  # a fixture

from stages.config.decoding import Decoding
from stages.predict import student_asking, who_answers
from stages.students.beams import search
from stages.students.chat import chat_tokens
from stages.students.decode import decode
from stages.students.load import Loaded, load
from stages.students.stopping import StopMarks
from stages.students.tokens import prompt_tokens

FAMILIES = ["gpt2", "opt", "llama", "qwen2", "t5", "neox", "mistral"]


def theirs(student: Loaded, prompt: list[int], beams: int, tokens: int, **more: Any) -> list[int]:
    """What `generate` says after one prompt, without what fills it up."""
    found = student.model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        num_beams=beams,
        do_sample=False,
        max_new_tokens=tokens,
        **more,
    )[0]
    return found[1 if student.encoder_decoder else len(prompt) :].tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_transformers_beam_search(family: str, lively) -> None:  # noqa: F811
    """Prompts of unlike lengths in one batch, in batches of one, and with half of them unfinished."""
    student = lively(family)
    beams = 3
    rng = random.Random(family)
    prompts = [[rng.randrange(2, 258) for _ in range(rng.choice([1, 3, 9, 25]))] for _ in range(7)]
    wanted = [theirs(student, prompt, beams, 12) for prompt in prompts]
    # a token that some answers hold ends them
    ends = {1, wanted[0][4]}
    ended = [theirs(student, prompt, beams, 12, eos_token_id=sorted(ends)) for prompt in prompts]
    greedy = [theirs(student, prompt, 1, 12) for prompt in prompts]
    assert wanted != greedy
    for most in (1, 2 * beams, 1000):
        for these, expected in (({1}, wanted), (ends, ended)):
            rows = rows_of(student, prompts)
            for row in rows:
                row.max_tokens = 12
            search(
                student,
                beams,
                StopMarks(student.tokenizer, []),
                these,
                rows,
                lambda row, these=these: row.tokens[-1] in these or len(row.tokens) == 12,
                most,
            )
            for row, said in zip(rows, expected, strict=True):
                assert row.tokens == said[: len(row.tokens)]
                assert set(said[len(row.tokens) :]) <= {0}  # padding


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_with_all_beams_it_finds_the_best_text(family: str, lively) -> None:  # noqa: F811
    """Of every text of up to two tokens, the one with the largest mean log-likelihood per token."""
    student = lively(family)
    prompt = prompt_tokens(student.tokenizer, PROMPTS[2], not student.encoder_decoder)
    width = 258

    def log_probs(said: list[list[int]]) -> torch.Tensor:
        rows = torch.tensor(said, dtype=torch.long)
        asked = torch.tensor([prompt] * len(said))
        if student.encoder_decoder:
            begun = torch.cat([torch.zeros(len(said), 1, dtype=torch.long), rows], 1)
            logits = student.model(input_ids=asked, decoder_input_ids=begun).logits
        else:
            logits = student.model(input_ids=torch.cat([asked, rows], 1)).logits
        return logits[:, -1].log_softmax(-1)

    with torch.no_grad():
        first = log_probs([[]])[0]
        second = log_probs([[token] for token in range(width)])
    scores = {(1,): first[1].item()} | {
        (one, two): ((first[one] + second[one, two]) / 2).item()
        for one in range(width)
        if one != 1
        for two in range(width)
    }
    best = max(scores, key=lambda text: scores[text])
    rows = rows_of(student, [prompt])
    rows[0].max_tokens = 2
    done = lambda row: row.tokens[-1] == 1 or len(row.tokens) == 2  # noqa: E731
    search(student, width, StopMarks(student.tokenizer, []), {1}, rows, done, width)
    assert tuple(rows[0].tokens) == best


@pytest.mark.parametrize("family", ["opt", "t5"])
def test_a_stop_mark_ends_a_beam(family: str, lively) -> None:  # noqa: F811
    """As the end-of-text token does; and the mark is cut off, as in every answer."""
    student = lively(family)
    decoding = Decoding(beams=4, max_new_tokens=16)
    free = decode(student, PROMPTS, [], Decoding(max_new_tokens=16), "test")
    letters = Counter(letter for (answer,) in free for letter in answer.text if letter.isascii())
    reasons = Counter[str]()
    for mark, _ in letters.most_common(8):
        (token,) = student.tokenizer(mark).input_ids  # a byte
        for prompt, (answer,) in zip(
            PROMPTS, decode(student, PROMPTS, [mark], decoding, "test"), strict=True
        ):
            ids = prompt_tokens(student.tokenizer, prompt, not student.encoder_decoder)
            said = theirs(student, ids, 4, 16, eos_token_id=[1, token])
            end = next((place for place, one in enumerate(said) if one in (1, token)), len(said))
            assert answer.text == student.tokenizer.decode(said[:end], skip_special_tokens=True)
            reasons[answer.finish_reason] += 1
    assert reasons["length"] > 0
    if family == "opt":  # what the random T5 says goes on for long: no beam that a mark ends is the best
        assert reasons["stop"] > 0


def test_a_chat_student(random_student) -> None:
    student = load(random_student("llama"))
    student.tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    found = decode(
        student, ["How many?"], [], Decoding(beams=3, max_new_tokens=8), "test", system="Be short."
    )
    ids = chat_tokens(student.tokenizer, "Be short.", "How many?")
    said = theirs(student, ids, 3, 8)
    assert (found[0][0].text, found[0][0].tokens_in) == (
        student.tokenizer.decode(said, skip_special_tokens=True),
        len(ids),
    )


def test_out_of_memory_goes_on_with_fewer_beams(lively, monkeypatch, capsys) -> None:  # noqa: F811
    student = lively("llama")
    decoding = Decoding(beams=2, max_new_tokens=6)
    wanted = decode(student, PROMPTS, [], decoding, "test")
    generate = student.model.generate

    def small(ids: Any, **more: Any) -> Any:
        if len(ids) > 1:
            raise torch.OutOfMemoryError("made up")
        return generate(ids, **more)

    monkeypatch.setattr(student.model, "generate", small)
    assert decode(student, PROMPTS, [], decoding, "test") == wanted
    assert "out of memory: on with" in capsys.readouterr().err


@pytest.mark.parametrize("values", [{"temperature": 0.7}, {"temperature": 0.7, "samples": 2}])
def test_beams_and_draws_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="beam search gives one answer and draws nothing"):
        Decoding(beams=2, **values)


def test_an_endpoint_has_no_beam_search() -> None:
    from stages.methods import fine_tune_cot

    place = {"api": "completions", "model": "m", "endpoint": "local", "salt": ""}
    decoding = Decoding(beams=2)
    asking = student_asking(place, fine_tune_cot, fine_tune_cot.Settings(), "", decoding)
    with pytest.raises(ValueError, match="`beams: 2` at the endpoint 'local': the API has no beam search"):
        who_answers(place, asking, [], decoding, "test")
