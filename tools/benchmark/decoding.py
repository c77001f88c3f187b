"""Time answers of known lengths, in others' ways and in ours (stages/students/decode.py): what evaluation
costs when some answers never stop.

hf_8_longest: `generate` in batches of 8, all padded to the data set's longest prompt (reasoning-teacher); the
baseline
hf_32: batches of 32, padded to the batch's longest
hf_32_sorted, hf_128_sorted: the same with prompts of like length together
batching: `transformers`' continuous batching (stages/students/continuous.py)
ours_32, ours_128, ours_256: our loop with so many rows at once

All of them are told when an answer is over, greedy ones by the token that ends it; no text is made of tokens.
"""

import os
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from transformers import GenerationConfig, LogitsProcessor

from stages.config.decoding import Decoding
from stages.students.continuous import decode_by_batching
from stages.students.decode import decode_in_loop
from stages.students.device import autocast
from stages.students.load import Loaded
from stages.students.schedule import AnswerRow
from tools.benchmark.decoding_runs import BASELINE, MAX_NEW, Run
from tools.benchmark.measure import Spent, spent, summed_up, with_ratios
from tools.benchmark.models import build
from tools.benchmark.workloads import EOS

# rows at once, sorted
HF = {BASELINE: (8, False), "hf_32": (32, False), "hf_32_sorted": (32, True), "hf_128_sorted": (128, True)}
OURS = {"ours_32": 32, "ours_128": 128, "ours_256": 256}
LINES = [*HF, "batching", *OURS]
TEMPERATURE = 0.7


class FixedLengths(LogitsProcessor):
    """Lets row i end with its lengths[i]-th token, and not before."""

    def __init__(self, lengths: list[int], prompt: int, device: torch.device) -> None:
        self.lengths = torch.tensor(lengths, device=device)
        self.prompt = prompt

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        over = input_ids.shape[1] - self.prompt + 1 >= self.lengths
        scores = scores.clone()
        scores[:, EOS] = -1e9
        scores[over] = -1e9
        scores[over, EOS] = 0.0
        return scores


def padded_left(prompts: list[list[int]], width: int, device: torch.device) -> dict[str, torch.Tensor]:
    """input_ids, attention_mask int64[prompts, width]."""
    gaps = [[0] * (width - len(prompt)) for prompt in prompts]
    inputs = [gap + prompt for gap, prompt in zip(gaps, prompts, strict=True)]
    mask = [gap + [1] * len(prompt) for gap, prompt in zip(gaps, prompts, strict=True)]
    return {
        "input_ids": torch.tensor(inputs, device=device),
        "attention_mask": torch.tensor(mask, device=device),
    }


def generate_batches(
    student: Loaded, run: Run, at_once: int, by_length: bool, width: int = 0
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """`generate` in batches: places of prompts, int64[rows, tokens] of what was said to them.

    width: tokens that prompts are padded to; 0: the batch's longest.
    """
    order = list(range(len(run.prompts)))
    if by_length:
        order.sort(key=lambda place: len(run.prompts[place]))
    size = max(1, at_once // run.samples)
    sampling: dict[str, Any] = {"do_sample": False}
    if run.samples > 1:
        sampling = {"do_sample": True, "temperature": TEMPERATURE, "top_k": 0}
    settings = GenerationConfig(
        max_new_tokens=max(run.lengths),
        eos_token_id=EOS,
        pad_token_id=0,
        num_return_sequences=run.samples,
        **sampling,
    )
    for start in range(0, len(order), size):
        places = order[start : start + size]
        prompts = [run.prompts[place] for place in places]
        columns = width or max(map(len, prompts))
        lengths = [run.lengths[place] for place in places for _ in range(run.samples)]
        force = FixedLengths(lengths, columns, student.device)
        inputs = padded_left(prompts, columns, student.device)
        with autocast(student.device):
            out = student.model.generate(**inputs, generation_config=settings, logits_processor=[force])
        yield places, out[:, columns:]


def hugging_face(student: Loaded, run: Run, name: str) -> tuple[int, int]:
    """Useful tokens that were said, and forward passes."""
    at_once, by_length = HF[name]
    said = 0
    steps = 0
    for _, out in generate_batches(student, run, at_once, by_length, run.longest if name == BASELINE else 0):
        said += int(((out == EOS).int().argmax(1) + 1).sum())
        steps += out.shape[1]
    return said, steps


def decoding_rows(run: Run) -> list[AnswerRow]:
    return [
        AnswerRow(place, sample, prompt, prompt, length)
        for place, (prompt, length) in enumerate(zip(run.prompts, run.lengths, strict=True))
        for sample in range(run.samples)
    ]


def ours(student: Loaded, run: Run, name: str) -> tuple[int, int | None]:
    """As hugging_face; continuous batching does not say how often it went forward."""
    rows = decoding_rows(run)
    decoding = Decoding(
        samples=run.samples, temperature=TEMPERATURE if run.samples > 1 else 0.0, max_new_tokens=MAX_NEW
    )

    def is_over(row: AnswerRow) -> bool:
        return len(row.tokens) == row.max_tokens

    if name == "batching":
        decode_by_batching(student, rows, decoding, is_over)
        return sum(len(row.tokens) for row in rows), None
    with patch.dict(os.environ, COT_DECODE_ROWS=str(OURS[name])):
        counts = decode_in_loop(student, rows, decoding, is_over)
    return sum(len(row.tokens) for row in rows), counts["steps"] + counts["reads"]


def measure(
    model: Any, device: torch.device, run: Run, lines: list[str], repetitions: int, done: Callable[[], None]
) -> list[dict[str, Any]]:
    """The lines of a run. Raises ValueError if one did not say what was asked for."""
    student = Loaded(model, SimpleNamespace(eos_token_id=None, pad_token_id=0), device)
    times: dict[str, list[Spent]] = {name: [] for name in lines}
    steps: dict[str, int | None] = {}
    for _ in range(repetitions):
        for name in lines:
            model.set_attn_implementation("sdpa")  # continuous batching leaves its own
            with spent(device) as found:
                said, steps[name] = (hugging_face if name in HF else ours)(student, run, name)
            if said != run.useful:
                raise ValueError(f"{run.name}, {name}: said {said} tokens, wanted {run.useful}")
            times[name].append(found)
            done()
    found_lines = [summed_up(name, times[name], steps=steps[name], tokens_out=run.useful) for name in lines]
    for line in found_lines:
        line["tokens_per_second"] = round(run.useful / line["seconds"], 1)
    return with_ratios(
        found_lines, next((name for name in (BASELINE, "hf_32_sorted") if name in lines), lines[0])
    )


def student_model(name: str, device: torch.device) -> Any:
    return build(name, device).eval()
