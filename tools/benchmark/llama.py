"""llama.cpp's server (the package xllamacpp) answers the benchmark's questions, from a GGUF file of the same
weights: as many tokens to each, several requests at once.
"""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tools.benchmark.decoding import TEMPERATURE
from tools.benchmark.decoding_runs import Run
from tools.serve import wait_until_ready

AT_ONCE = (16, 32, 64)
LINES = tuple(f"llama.cpp {at_once} gguf" for at_once in AT_ONCE)


def start(file: Path, run: Run, at_once: int, threads: int) -> tuple[Any, int]:
    """The server, which loads the file in the background, and its port. Raises ValueError without the
    package.
    """
    try:
        import xllamacpp
    except ImportError as error:
        raise ValueError(f"{error}: `pip install -e '.[local]'` brings llama.cpp's server") from error
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    values = xllamacpp.CommonParams()
    values.model.path = str(file)
    values.hostnames = ["127.0.0.1"]
    values.port = port
    values.n_parallel = at_once
    values.n_ctx = at_once * (run.longest + max(run.lengths) + 1)
    values.cpuparams.n_threads = values.cpuparams_batch.n_threads = threads
    values.cache_ram_mib = 0
    return xllamacpp.Server(values), port


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


def answers_of_llama(port: int, run: Run, at_once: int) -> list[list[int]]:
    """The tokens of each answer, in the order of the questions and of their samples."""
    temperature = TEMPERATURE if run.samples > 1 else 0.0
    rows = [(place, sample) for place in range(len(run.prompts)) for sample in range(run.samples)]
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=None, trust_env=False) as client,
        ThreadPoolExecutor(at_once) as callers,
    ):
        return list(
            callers.map(
                lambda row: ask(client, run.prompts[row[0]], run.lengths[row[0]], temperature, row[1]), rows
            )
        )


class Served:
    """The server while it runs: `with Served(...) as port`."""

    def __init__(self, file: Path, run: Run, at_once: int, threads: int) -> None:
        self.server, self.port = start(file, run, at_once, threads)

    def __enter__(self) -> int:
        wait_until_ready(self.port, threading.Event())
        return self.port

    def __exit__(self, *_: object) -> None:
        del self.server
