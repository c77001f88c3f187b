"""Agreement: does llama.cpp, with an exported GGUF file, say what the student said here?

It is asked the first prompts of the cell's test questions, greedily, as texts that its own tokenizer reads.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
from transformers import AutoTokenizer

from stages.config.cli import progress
from stages.config.decoding import Decoding
from stages.records.completion import Completion
from tools.serve import served

PARALLEL = 8


def can_ask() -> bool:
    """Whether llama.cpp's server is installed."""
    return find_spec("xllamacpp") is not None


@dataclass(frozen=True)
class Server:
    """llama.cpp with a file, while it runs."""

    client: httpx.Client

    def ask(self, path: str, **body: Any) -> dict[str, Any]:
        found = self.client.post(path, json=body)
        found.raise_for_status()
        told: dict[str, Any] = found.json()
        return told

    def tokens(self, text: str) -> list[int]:
        """With the marks that a prompt gets."""
        found: list[int] = self.ask("/tokenize", content=text, add_special=True, parse_special=False)[
            "tokens"
        ]
        return found

    def answer(self, prompt: str, most: int, stops: list[str]) -> str:
        """Greedy, cut before a stop mark."""
        body = {"prompt": prompt, "n_predict": most, "stop": stops, "temperature": 0.0, "cache_prompt": False}
        return str(self.ask("/completion", **body)["content"])


@contextmanager
def asked(file: Path, context: int) -> Iterator[Server]:
    threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    with served(file, threads, PARALLEL, context, exact=True) as client:
        yield Server(client)


def agreement(
    file: Path, folder: Path, rows: list[Completion], decoding: Decoding, stops: list[str]
) -> dict[str, int]:
    """Questions, prompts of the same tokens, and answers of the same text and with the same result behind the
    method's mark. `folder` has the tokenizer; `rows` are the student's own greedy answers.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompts = [row.prompts[0] for row in rows]
    ids = [tokenizer(prompt).input_ids for prompt in prompts]
    longest = max(map(len, ids)) + decoding.max_new_tokens + 8
    with asked(file, longest) as server, ThreadPoolExecutor(PARALLEL) as callers:
        same = [list(known) == server.tokens(prompt) for known, prompt in zip(ids, prompts, strict=True)]
        answers = callers.map(lambda prompt: server.answer(prompt, decoding.max_new_tokens, stops), prompts)
        said = list(progress(answers, "llama.cpp, answers", len(prompts)))
    ends = [(text, row.texts[0], row.answer_prefix) for text, row in zip(said, rows, strict=True)]
    return {
        "questions": len(rows),
        "prompts_of_the_same_tokens": sum(same),
        "answers_of_the_same_text": sum(text == own for text, own, _ in ends),
        "answers_with_the_same_result": sum(
            result(text, mark) == result(own, mark) for text, own, mark in ends
        ),
    }


def result(text: str, mark: str) -> str:
    """What stands behind the last answer mark; the whole text without one."""
    return (text.rpartition(mark)[2] if mark else text).strip()
