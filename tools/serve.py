"""Serve: a teacher's model on this machine, by llama.cpp's own server (the package xllamacpp).

`endpoints.NAME.serve` says which file; to whoever asks, it is an ordinary endpoint. It listens on this
machine alone.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import typer
from gguf import GGMLQuantizationType
from ruamel.yaml import YAML

from stages.config.endpoint import Endpoint
from stages.config.load import check, find, read_params
from stages.config.method import read_method
from stages.fetching.model_file import model_file
from stages.teachers.openai import Settings, answer_tokens

PROMPT_TOKENS = 512  # a few demonstrations and a question
LOADED_SECONDS = 600.0  # by then a model is loaded or never
LOOPBACK = ("127.0.0.1", "localhost")


def read_served(teacher: str) -> tuple[Settings, Endpoint]:
    """A teacher and its endpoint. Raises ValueError where `cot serve` has nothing to serve there."""
    params = read_params()
    values = find(params, f"teachers.{teacher}")
    if "endpoint" not in values:
        raise ValueError(f"teachers.{teacher}: no `endpoint`, so nobody would ask a server for it")
    settings = check(f"teachers.{teacher}", values, Settings)
    where = f"endpoints.{settings.endpoint}"
    endpoint = check(where, find(params, where), Endpoint)
    if not endpoint.serve or not endpoint.serve.gguf:
        raise ValueError(f"{where}: no `serve`, wanted the model's file there: {{gguf, sha256, sources}}")
    if urlsplit(endpoint.base_url).hostname not in LOOPBACK or not urlsplit(endpoint.base_url).port:
        raise ValueError(f"{where}.base_url: got {endpoint.base_url}, wanted http://127.0.0.1:PORT/v1")
    return settings, endpoint


def check_port(port: int) -> None:
    """Raises ValueError for a port that another program has."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError as error:
            raise ValueError(
                f"port {port} is taken ({error.strerror}): is this model served already? Else give the"
                " endpoint's `base_url` another one"
            ) from error


def start(file: Path, settings: Settings, port: int, threads: int, parallel: int, prompt_tokens: int) -> Any:
    """The server of a teacher's model."""
    method, *_ = read_method(settings.method)
    context = prompt_tokens + (answer_tokens(settings, method) or PROMPT_TOKENS)
    return start_server(file, settings.model, port, threads, parallel, context)


def start_server(
    file: Path, name: str, port: int, threads: int, parallel: int, context: int, exact: bool = False
) -> Any:
    """llama.cpp's server, which loads the file in the background, with so many tokens for each of `parallel`
    answers; exact: with keys and values in float32, not in its float16, and without its log. Raises
    ValueError without the package.
    """
    try:
        import xllamacpp
    except ImportError as error:
        raise ValueError(f"{error}: `pip install -e '.[local]'` brings llama.cpp's server") from error
    values = xllamacpp.CommonParams()
    values.model.path = str(file)
    values.model_alias = {name}
    values.hostnames = ["127.0.0.1"]
    values.port = port
    values.n_parallel = parallel
    values.n_ctx = parallel * context
    values.cpuparams.n_threads = values.cpuparams_batch.n_threads = threads
    values.cache_ram_mib = 0  # no prompt comes twice
    if exact:
        values.verbosity = 0
        values.cache_type_k = values.cache_type_v = int(GGMLQuantizationType.F32)
    return xllamacpp.Server(values)


@contextmanager
def served(
    file: Path, threads: int, parallel: int, context: int, exact: bool = False
) -> Iterator[httpx.Client]:
    """A client of a model's file, served at a port that nobody has, as `start_server` says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    server = start_server(file, file.stem, port, threads, parallel, context, exact)
    try:
        wait_until_ready(port, threading.Event())
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=None, trust_env=False) as client:
            yield client
    finally:
        del server


def wait_until_ready(port: int, stopped: threading.Event) -> None:
    """Until it no longer says 503, "Loading model". Raises ValueError if that takes too long."""
    deadline = time.monotonic() + LOADED_SECONDS
    while not stopped.wait(0.2):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise ValueError(f"the model is not loaded after {LOADED_SECONDS:.0f} s")


def main(
    teacher: Annotated[str, typer.Argument(help="A block under `teachers` in params.yaml.")],
    threads: Annotated[int, typer.Option(min=1, help="Cores that compute.")] = os.cpu_count() or 1,
    parallel: Annotated[int, typer.Option(min=1, help="Answers that are written at once.")] = 64,
    prompt_tokens: Annotated[
        int, typer.Option(min=1, help="Room for the longest prompt; an answer's tokens come on top.")
    ] = PROMPT_TOKENS,
) -> None:
    """Fetch a teacher's model and serve it until Ctrl-C; in another terminal, `dvc repro` asks it."""
    settings, endpoint = read_served(teacher)
    assert endpoint.serve  # read_served has seen to it
    port = int(urlsplit(endpoint.base_url).port or 0)
    check_port(port)
    file = model_file(endpoint.serve)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    server = start(file, settings, port, threads, parallel, prompt_tokens)
    wait_until_ready(port, stopped)
    if not stopped.is_set():
        shown = endpoint.model_dump(exclude_defaults=True, exclude={"serve"})
        typer.echo(f"{settings.model} answers at {endpoint.base_url}; its block in params.yaml:\n")
        YAML().dump({"endpoints": {settings.endpoint: shown}}, sys.stdout)
        typer.echo("\n`dvc repro` asks it. Ctrl-C ends it: the answers that came are kept.")
        stopped.wait()
    del server
