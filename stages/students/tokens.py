"""From sequences to token ids, with a label wherever a segment has a task."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from stages.records.sequence import END, Segment, Sequence
from stages.students.chat import chat_tokens, turn_of
from stages.students.token_weights import token_weights


@dataclass(frozen=True, eq=False)
class Target:
    """What one task learns from a stretch of a text: the tokens that follow the inputs from `start` on."""

    start: int
    labels: np.ndarray  # int32[n]
    task: str
    weight: float  # weight[task] of the loss
    token_weights: np.ndarray | None = None  # float64[n], each label's own beside it; None: 1 each


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """What a model that teaches says at each of a text's n labels: its k likeliest tokens."""

    ids: np.ndarray  # int32[n, k]
    log_p: np.ndarray  # float16[n, k + 1], natural logarithms; the last one: of all other tokens together


@dataclass(frozen=True, eq=False)
class Tokens:
    """One sequence as tokens: one path through a tree (stages/training/trees.py).

    The last token of a text is a label and never an input: nothing comes after it.
    """

    example_id: str
    unit: str  # texts of one example with the same unit are trained in the same step
    draw: bool  # of an example's texts with draw, one is drawn per epoch
    context: np.ndarray  # int32[c], what an encoder reads; empty for causal models
    inputs: np.ndarray  # int32[n], what the (causal or decoder) model reads
    targets: list[Target]
    truncated: bool
    prompt_cut: bool = False  # at `max_prompt_tokens`
    soft: SoftLabels | None = None  # in the order of the targets' labels

    def counts(self) -> dict[str, int]:
        """Labels per task."""
        counts = Counter[str]()
        for target in self.targets:
            counts[target.task] += len(target.labels)
        return dict(counts)


def tokenize(
    sequence: Sequence,
    tokenizer: Any,
    start: int | None,
    max_tokens: int,
    prompts: Callable[..., list[int]] | None = None,
    max_prompt_tokens: int | None = None,
) -> Tokens:
    """Tokens of one sequence. What does not fit in `max_tokens` is cut off its end, be it all of its targets;
    before that a prompt, as `cut_prompt` cuts it.

    start: the token a decoder begins with (`decoder_start_token_id`), None for causal models. prompts:
    `prompt_tokens` with a memory.

    The context before the first task is tokenised alone, as it is when it is asked: a token never spans the
    boundary. A label of weight 0 is no label. A text's first token has no label without a token before it
    (prompt loss, no mark at the beginning). Raises ValueError for an encoder-decoder without a context.
    """
    tasks = [segment.task for segment in sequence.segments]
    first_task = next((place for place, task in enumerate(tasks) if task), len(tasks))
    prompt = "".join(segment.text for segment in sequence.segments[:first_task])
    if start is not None and not prompt:
        raise ValueError(
            f"{sequence.example_id}: an encoder-decoder needs segments without a task before the first one"
            " with a task, got none"
        )
    whole = (prompts or prompt_tokens)(tokenizer, prompt, start is None, sequence.system)
    context = cut_prompt(whole, max_prompt_tokens, tokenizer, sequence.system)
    closing, end = turn_marks(tokenizer, sequence.system)
    ids = context[:] if start is None else [start]
    spans = []
    for place, segment in enumerate(sequence.segments[first_task:], first_task):
        text = closing * (place == first_task) + segment.text
        tokens = text_tokens(tokenizer, text)
        # an end of text behind it weighs 0
        weights = None if segment.runs is None else [*token_weights(tokenizer, text, segment), 0.0]
        if segment.end or place == len(sequence.segments) - 1:
            tokens.append(end)
        if segment.task and segment.weight:
            unseen = 0 if ids else 1
            own = None if weights is None else weights[unseen:]
            spans.append((len(ids) + unseen, len(ids) + len(tokens), segment, own))
        ids += tokens
    room = max_tokens if start is None else max_tokens + 1
    truncated = len(ids) > room or (start is not None and len(context) > max_tokens)
    ids = ids[:room]
    targets = [
        target_of(ids, first, last, segment, weights)
        for first, last, segment, weights in spans
        if first < len(ids)
    ]
    encoder = np.array(context[:max_tokens] if start is not None else [], np.int32)
    return Tokens(
        sequence.example_id,
        sequence.unit,
        sequence.draw,
        encoder,
        np.array(ids[:-1], np.int32),
        targets,
        truncated,
        context is not whole,
    )


def target_of(ids: list[int], first: int, last: int, segment: Segment, weights: list[float] | None) -> Target:
    """A segment's labels ids[first:last], those that were not cut off. `weights`: of each, and more."""
    labels = np.array(ids[first:last], np.int32)
    own = None if weights is None else np.array(weights[: len(labels)])
    return Target(first - 1, labels, segment.task or "", segment.weight, own)


def text_tokens(tokenizer: Any, text: str, marks: bool = False) -> list[int]:
    """A text as text: a control token that is written out in it ("<|im_end|>") is its letters.

    marks: with those that the tokenizer puts around texts.
    """
    return list(tokenizer(text, add_special_tokens=marks, split_special_tokens=True).input_ids)


def turn_marks(tokenizer: Any, system: str | None) -> tuple[str, int]:
    """(what a student says before its answer, the token that ends it)."""
    if system is None:
        return "", tokenizer.eos_token_id
    return turn_of(tokenizer)


def prompt_tokens(tokenizer: Any, text: str, causal: bool, system: str | None = None) -> list[int]:
    """A prompt as the model expects one, with the marks that its tokenizer puts around texts. A causal model
    goes on, so for it an end-of-text token behind the prompt is dropped.

    system: not None: in the words of the chat template, as a conversation under this text.
    END becomes the end-of-text token: All-Aligned's second step reads one.
    """
    if system is not None:
        return chat_tokens(tokenizer, system, text)
    first, *rest = text.split(END)
    ids = text_tokens(tokenizer, first, marks=True)
    if causal and ids[-1:] == [tokenizer.eos_token_id]:
        ids.pop()
    for piece in rest:
        ids += [tokenizer.eos_token_id, *text_tokens(tokenizer, piece)]
    return ids


def cut_prompt(ids: list[int], most: int | None, tokenizer: Any, system: str | None) -> list[int]:
    """The first `most` tokens of a prompt (None: all), what the tokenizer puts before and behind it included,
    as SCoTD's released code cuts it (models/automodel.py, MAX_INPUT_LENGTH: 700). The same list if it fits.

    Differs: that code cuts what it trains and asks whole prompts; here what is asked begins what was trained
    (difference 49).
    Raises ValueError for a chat's prompt, which without its end is no question to its template.
    """
    if most is None or len(ids) <= most:
        return ids
    if system is not None:
        raise ValueError(
            f"a chat's prompt of {len(ids)} tokens cannot be cut to `max_prompt_tokens`, {most}: leave that"
            " out of the student's block, or drop the question"
        )
    end = ids[-1:] if ids[-1] == tokenizer.eos_token_id else []
    return ids[: most - len(end)] + end


def pad(rows: list[list[int]], value: int) -> torch.Tensor:
    """int64[rows, longest], filled up on the right; no column where all are empty."""
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows], dtype=torch.long)
