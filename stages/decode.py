"""Decode: what a student says after each prompt, greedy or sampled, batched by length, stopped at a mark."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from transformers import StoppingCriteria

from stages.cli import advance, progress_bar
from stages.config.decoding import Decoding
from stages.student import Loaded, autocast
from stages.tokens import pad, prompt_tokens

ROWS = 64  # answered at once
TAIL = 8  # tokens that are sure to hold a stop mark which has just been completed


@dataclass(frozen=True)
class Answer:
    text: str  # without the stop mark
    finish_reason: str  # "stop" | "length" | "prompt_too_long"
    tokens_in: int
    tokens_out: int


class StopAt(StoppingCriteria):
    """A row is done once one of the marks stands in what it has just said."""

    def __init__(self, tokenizer: Any, marks: list[str], start: int) -> None:
        self.tokenizer, self.marks, self.start = tokenizer, marks, start

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        tails = self.tokenizer.batch_decode(input_ids[:, max(self.start, input_ids.shape[1] - TAIL) :])
        return torch.tensor([any(mark in tail for mark in self.marks) for tail in tails], device=input_ids.device)


def cut(ids: list[int], tokenizer: Any, marks: list[str], prompt_length: int) -> Answer:
    """The text up to the first stop mark or end-of-text token. `ids` may end in padding after a row is done."""
    ended = tokenizer.eos_token_id in ids
    ids = ids[: ids.index(tokenizer.eos_token_id)] if ended else ids
    text = tokenizer.decode(ids, skip_special_tokens=True)
    places = [text.find(mark) for mark in marks if mark in text]
    stopped = ended or bool(places)
    return Answer(text[: min(places)] if places else text, "stop" if stopped else "length", prompt_length, len(ids))


@torch.no_grad()
def answer_batch(student: Loaded, prompts: list[list[int]], marks: list[str], decoding: Decoding) -> list[list[int]]:
    """Token ids after each prompt; `samples` lists a prompt, one after the other. Causal rows are padded on the left."""
    tokenizer, where = student.tokenizer, student.device
    if student.encoder_decoder:
        inputs, mask, start = pad(prompts, tokenizer.pad_token_id), pad([[1] * len(p) for p in prompts], 0), 0
    else:
        inputs = pad([p[::-1] for p in prompts], tokenizer.pad_token_id).flip(1)
        mask = pad([[1] * len(p) for p in prompts], 0).flip(1)
        start = inputs.shape[1]
    room = min(decoding.max_new_tokens, student.positions - inputs.shape[1]) if not student.encoder_decoder else decoding.max_new_tokens
    sampling = {"do_sample": True, "temperature": decoding.temperature, "top_k": 0, "top_p": 1.0} if decoding.temperature else {"do_sample": False}
    with autocast(where):
        out = student.model.generate(
            input_ids=inputs.to(where), attention_mask=mask.to(where), max_new_tokens=room, num_return_sequences=decoding.samples,
            stopping_criteria=[StopAt(tokenizer, marks, start)] if marks else None, pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id, **sampling,
        )  # fmt: skip
    return [row[start + student.encoder_decoder :] for row in out.tolist()]  # a decoder's row begins with its start token


def batches(order: list[int], lengths: list[int], roomy: int) -> Iterator[list[int]]:
    """`order`, shortest first, in batches of at most ROWS. Prompts longer than `roomy` tokens are answered beside their equals only:
    padding would take from the room that is left to a shorter one."""
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) == ROWS or (lengths[i] > roomy and lengths[i] != lengths[batch[0]])):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def decode(student: Loaded, prompts: list[str], marks: list[str], decoding: Decoding, what: str) -> list[list[Answer]]:
    """`samples` answers per prompt, in the order of the prompts. A prompt that leaves no room is answered by its finish reason."""
    student.model.eval()
    torch.manual_seed(decoding.seed)
    ids = [prompt_tokens(student.tokenizer, prompt) for prompt in prompts]
    answers: list[list[Answer]] = [[Answer("", "prompt_too_long", len(row), 0)] * decoding.samples for row in ids]
    fitting = sorted((i for i, row in enumerate(ids) if len(row) < student.positions), key=lambda i: len(ids[i]))
    with progress_bar() as bar:
        task = bar.add_task(what, total=len(fitting), rate="")
        for chosen in batches(fitting, [len(row) for row in ids], student.positions - decoding.max_new_tokens):
            said = answer_batch(student, [ids[i] for i in chosen], marks, decoding)
            for place, i in enumerate(chosen):
                rows = said[place * decoding.samples : (place + 1) * decoding.samples]
                answers[i] = [cut(row, student.tokenizer, marks, len(ids[i])) for row in rows]
                advance(bar, task)
    return answers
