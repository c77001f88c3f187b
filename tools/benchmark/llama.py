"""llama.cpp's server (the package xllamacpp) answers the benchmark's questions, from a GGUF file of the same
weights: as many tokens to each, several requests at once.
"""

from concurrent.futures import ThreadPoolExecutor

import httpx

from tools.benchmark.decoding import TEMPERATURE
from tools.benchmark.decoding_runs import Run

AT_ONCE = (16, 32, 64)
LINES = tuple(f"llama.cpp {at_once} gguf" for at_once in AT_ONCE)


def room(run: Run) -> int:
    """Tokens of the longest prompt and answer, and one more."""
    return run.longest + max(run.lengths) + 1


def ask(client: httpx.Client, prompt: list[int], tokens: int, temperature: float, seed: int) -> list[int]:
    """So many tokens that follow a prompt."""
    asked = {
        "prompt": prompt,
        "n_predict": tokens,
        "ignore_eos": True,
        "temperature": temperature,
        "seed": seed,
        "return_tokens": True,
    }
    said = client.post("/completion", json=asked)
    said.raise_for_status()
    found: list[int] = said.json()["tokens"]
    return found


def answers_of_llama(client: httpx.Client, run: Run, at_once: int) -> list[list[int]]:
    """The tokens of each answer, in the order of the questions and of their samples."""
    temperature = TEMPERATURE if run.samples > 1 else 0.0
    rows = [(place, sample) for place in range(len(run.prompts)) for sample in range(run.samples)]

    def answer(row: tuple[int, int]) -> list[int]:
        place, sample = row
        return ask(client, run.prompts[place], run.lengths[place], temperature, sample)

    with ThreadPoolExecutor(at_once) as callers:
        return list(callers.map(answer, rows))
