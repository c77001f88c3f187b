"""`cot serve`: llama.cpp's own server with a made model, asked as a teacher; what it refuses in one line."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import ROOT
from made_models import write_gguf
from ruamel.yaml import YAML

from stages.records.files import sha256_of
from tools import serve

# In place of the package: a server that loads for a second and then answers.
STAND_IN = """
import threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

class CommonParams(SimpleNamespace):
    def __init__(self):
        parts = ("model", "cpuparams", "cpuparams_batch")
        super().__init__(**{name: SimpleNamespace() for name in parts})

class Server:
    def __init__(self, values):
        print("asked for", values, flush=True)
        begun = time.monotonic()
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if time.monotonic() > begun + 1 else 503)
                self.end_headers()
            def log_message(self, *_):
                pass
        self.http = ThreadingHTTPServer((values.hostnames[0], values.port), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
    def __del__(self):
        print("ended", flush=True)
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def place(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a made model, a teacher and its endpoint."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_gguf(Path("made.gguf"))
    write_params(port)
    return tmp_path


def write_params(port: int, teacher: dict[str, Any] | None = None, **endpoint: Any) -> None:
    served = {"gguf": "made.gguf", "sha256": sha256_of(Path("made.gguf")), "sources": [{"folder": "."}]}
    here = {"base_url": f"http://127.0.0.1:{port}/v1", "samples_per_request": 4, "serve": served, **endpoint}
    asked = {"backend": "openai", "endpoint": "here", "model": "made", "max_tokens": 88, **(teacher or {})}
    blocks = {"teachers": {"t": asked, "s": {"backend": "scripted"}}, "endpoints": {"here": here}}
    YAML().dump({**blocks, "methods": {"zero_shot_cot": {}}}, Path("params.yaml"))


@pytest.fixture
def started(place: Path) -> Iterator[Any]:
    """`cot serve t` as a process."""
    children = []

    def start(**environment: str) -> subprocess.Popen[str]:
        path = os.pathsep.join([environment.pop("PYTHONPATH", ""), str(ROOT)])
        command = [sys.executable, "-m", "tools", "serve", "t", "--threads", "1", "--parallel", "4"]
        with Path("said").open("w") as out:
            child = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONPATH": path, **environment},
                stdout=out,
                stderr=out,
                text=True,
            )
        children.append(child)
        deadline = time.monotonic() + 60
        while "Ctrl-C ends it" not in Path("said").read_text() and time.monotonic() < deadline:
            assert child.poll() is None, Path("said").read_text()
            time.sleep(0.05)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_waits_until_the_model_is_loaded_says_how_to_ask_and_ends_cleanly(
    started: Any, place: Path, port: int, number: int
) -> None:
    Path("stand_in").mkdir()
    Path("stand_in/xllamacpp.py").write_text(STAND_IN)
    begun = time.monotonic()
    child = started(PYTHONPATH=str(place / "stand_in"))
    assert time.monotonic() - begun > 1
    assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    said = Path("said").read_text()
    for part in (
        f"port={port}", "n_parallel=4", f"n_ctx={4 * (512 + 88)}", "n_threads=1", "model_alias={'made'}",
        "cache_ram_mib=0", "hostnames=['127.0.0.1']", f"path='{Path('made.gguf')}'",
    ):  # fmt: skip
        assert part in said
    shown = said.partition("params.yaml:\n")[2].partition("\n`dvc repro`")[0]
    block = {"base_url": f"http://127.0.0.1:{port}/v1", "samples_per_request": 4}
    assert YAML(typ="safe").load(shown) == {"endpoints": {"here": block}}
    child.send_signal(number)
    assert child.wait(timeout=30) == 0
    assert Path("said").read_text().endswith("ended\n")


@pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="no xllamacpp: pip install -e '.[local]'"
)
def test_the_real_server_answers_as_many_samples_as_are_asked(started: Any, port: int) -> None:
    child = started()
    body = {"model": "made", "prompt": "2 + 3 =", "max_tokens": 5, "temperature": 1.0, "n": 4}
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/completions", json=body, timeout=60).json()
    assert len(answer["choices"]) == 4
    assert answer["model"] == "made"
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=30) == 0


def test_without_the_package_it_says_what_to_install(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ValueError, match=r"xllamacpp.*`pip install -e '\.\[local\]'`"):
        serve.main("t")


def test_a_taken_port_is_told_before_anything_is_fetched(place: Path, port: int) -> None:
    Path("made.gguf").unlink()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(ValueError, match=rf"^port {port} is taken \(Address already in use\)"):
            serve.main("t")
    with pytest.raises(ValueError, match=r"made\.gguf .* cannot be had"):
        serve.main("t")


def test_what_cannot_be_served_is_named(place: Path, port: int) -> None:
    with pytest.raises(ValueError, match=r"no block `teachers\.nobody`; teachers has: t, s"):
        serve.main("nobody")
    with pytest.raises(ValueError, match=r"^teachers\.s: no `endpoint`"):
        serve.main("s")
    for serving in (None, {"hub": "owner/name", "revision": "0a1b"}):
        write_params(port, serve=serving)
        with pytest.raises(ValueError, match=r"^endpoints\.here: no `serve`, wanted the model's file"):
            serve.main("t")
    for address in ("https://api.example.org/v1", "http://127.0.0.1/v1", "http://10.0.0.7:8000/v1"):
        write_params(port, base_url=address)
        with pytest.raises(
            ValueError, match=rf"^endpoints\.here\.base_url: got {address}, wanted http://127"
        ):
            serve.main("t")
