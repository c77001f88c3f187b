"""`cot benchmark student --gguf`: llama.cpp is asked the same questions for as many tokens as the others."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tools.benchmark.decoding_runs import Run
from tools.benchmark.llama import answers_of_llama
from tools.benchmark.measure import Spent
from tools.benchmark.real import WORKS, decoded, lines_of

ASKED: list[dict[str, Any]] = []


class Echo(BaseHTTPRequestHandler):
    """Says the prompt's last token, as often as it was asked for tokens."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ASKED.append(asked)
        said = json.dumps({"tokens": [asked["prompt"][-1]] * asked["n_predict"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    ASKED.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}", trust_env=False) as found:
            yield found
        server.shutdown()


@pytest.mark.parametrize("samples", [1, 3])
def test_each_answer_has_its_length_and_its_place(client: httpx.Client, samples: int) -> None:
    run = Run("greedy", "", [[1, 2], [3, 4], [5]], [4, 2, 3], longest=2, samples=samples)
    said = answers_of_llama(client, run, at_once=2)
    each = [[2] * 4, [4] * 2, [5] * 3]
    assert said == [answer for answer in each for _ in range(samples)]
    assert {asked["temperature"] > 0 for asked in ASKED} == {samples > 1}
    assert all(asked["ignore_eos"] for asked in ASKED)
    assert sorted(asked["seed"] for asked in ASKED) == sorted([*range(samples)] * 3)


def test_a_short_answer_is_no_line() -> None:
    run = Run("greedy", "", [[1]], [4], longest=1)
    with pytest.raises(ValueError, match="said 3 tokens, wanted 4"):
        decoded(run, "llama.cpp 16", [[7, 7, 7]], Spent())


def test_it_stands_beside_decoding_only() -> None:
    file = Path("weights.gguf")
    assert {work: len(lines_of(work, file)) - len(WORKS[work]) for work in WORKS} == {
        "train": 0,
        "cascod": 0,
        "greedy": 3,
        "samples": 3,
    }
    assert all(lines_of(work, None) == WORKS[work] for work in WORKS)
