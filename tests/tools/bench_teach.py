"""Benchmark of the teacher's side, not a test: python tests/tools/bench_teach.py [live] [cached] [store]
(figures in the README).

live: calls a second against a local server that answers after a fixed latency, as a share of concurrency /
latency. cached: a `teach` whose 300,000 completions (SCoTD's scale: 10,000 questions, N = 30) are all in the
store. store: puts and gets a second, bytes a completion.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from api_server import serve  # noqa: E402

from stages.asking.conversation import Wanted  # noqa: E402
from stages.asking.request import Answer, Request  # noqa: E402
from stages.asking.store import Store  # noqa: E402
from stages.config.endpoint import Endpoint  # noqa: E402
from stages.endpoint import live  # noqa: E402
from stages.records.example import Example, write_examples  # noqa: E402

LATENCY, CONCURRENCY, CALLS = 0.05, 64, 12_000
QUESTIONS, SAMPLES = 10_000, 30
WORDS = (
    "the a number of apples bought sold gives then so there are left each day week has had more than before"
    " total".split()
)


def prose(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words))


def bench_live(folder: Path) -> None:
    wanted = []
    for i in range(CALLS):
        request = Request(
            "chat",
            "bench",
            f"Q: {i} {prose(random.Random(i), 45)}\nA: Let's think step by step.",
            max_tokens=128,
        )
        wanted.append(Wanted(request, request.key, [0]))
    with serve(latency=LATENCY, words=60) as server:
        endpoint = Endpoint(base_url=server.url, concurrency=CONCURRENCY)
        live.fulfil(wanted[: 2 * CONCURRENCY], Store(folder / "warm.sqlite"), "bench", endpoint, {})
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        failed = live.fulfil(wanted, Store(folder / "live.sqlite"), "bench", endpoint, {})
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rate, ideal = CALLS / seconds, CONCURRENCY / LATENCY
    print(
        f"live: {CALLS} calls, {len(failed)} failed: {rate:.0f}/s, {rate / ideal:.1%} of {ideal:.0f}/s;"
        f" client CPU {1000 * cpu / CALLS:.2f} s/1,000"
    )


def fill(folder: Path) -> tuple[Path, list[Example]]:
    """A store with the greedy-free one-step answers of 10,000 questions, and the questions."""
    rng, store = random.Random(0), Store(folder / "cached.sqlite")
    examples = [
        Example(f"bench-{i}", "bench", f"{i}: {prose(rng, 45)}?", "1", "number") for i in range(QUESTIONS)
    ]
    shown = "\n\n".join(f"Q: {prose(rng, 40)}?\nA: {prose(rng, 60)}. The answer is {i}." for i in range(7))
    (folder / "shown.txt").write_text(shown)
    write_examples(folder / "examples.jsonl", examples)
    began = time.perf_counter()
    for start in range(0, QUESTIONS, 100):
        store.put(
            (
                Request(
                    "completions",
                    "bench",
                    f"{shown}\n\nQ: {example.question}\nA:",
                    temperature=1.0,
                    max_tokens=256,
                    stop=("\nQ:",),
                ),
                {
                    s: Answer(f" {prose(rng, 60)}. The answer is {s}.", "stop", "", 700, 66)
                    for s in range(SAMPLES)
                },
            )
            for example in examples[start : start + 100]
        )
    print(f"store filled with {QUESTIONS * SAMPLES:,} answers in {time.perf_counter() - began:.1f} s")
    return store.path, examples


def bench_cached(folder: Path) -> None:
    path, _ = fill(folder)
    block = {
        "backend": "openai",
        "endpoint": "bench",
        "model": "bench",
        "api": "completions",
        "method": "few_shot_cot",
        "samples": SAMPLES,
    }
    block |= {"temperature": 1.0, "max_tokens": 256}
    params = {
        "teachers": {"bench": block},
        "endpoints": {"bench": {"base_url": "http://127.0.0.1:9/v1", "mode": "replay"}},
        "methods": {"few_shot_cot": {}},
    }
    (folder / "params.yaml").write_text(json.dumps(params | {"prices": {}}))
    command = [
        sys.executable,
        "-m",
        "stages.teach",
        "bench",
        "raw",
        "examples.jsonl",
        "shown.txt",
        "out.jsonl",
        "counts.json",
    ]
    began = time.perf_counter()
    subprocess.run(
        command, check=True, cwd=folder, env={**os.environ, "COT_STORE": str(path), "PYTHONPATH": str(ROOT)}
    )
    seconds, peak = (
        time.perf_counter() - began,
        resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20,
    )
    rows = json.loads((folder / "counts.json").read_text())["completions"]
    print(
        f"cached: {rows:,} completions in {seconds:.1f} s, {peak:.2f} GiB at most,"
        f" {(folder / 'out.jsonl').stat().st_size / 2**20:.0f} MiB written"
    )


def bench_store(folder: Path) -> None:
    rng, store, count = random.Random(0), Store(folder / "store.sqlite"), 5_000
    rows = [
        (
            Request("chat", "bench", f"Q: {i} {prose(rng, 45)}"),
            {0: Answer(prose(rng, 60), "stop", "", 60, 66)},
        )
        for i in range(count)
    ]
    began = time.perf_counter()
    for row in rows:
        store.put([row])
    puts = count / (time.perf_counter() - began)
    began = time.perf_counter()
    for request, _ in rows:
        store.answers(request.key)
    gets = count / (time.perf_counter() - began)
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = store.path.stat().st_size / count
    text = sum(len(request.body) + len(samples[0].text) for request, samples in rows) / count
    print(
        f"store: {puts:,.0f} puts/s (one commit each), {gets:,.0f} gets/s, {size:.0f} bytes a completion"
        f" (request and text alone: {text:.0f})"
    )


if __name__ == "__main__":
    benches = {"live": bench_live, "cached": bench_cached, "store": bench_store}
    for name in sys.argv[1:] or benches:
        with tempfile.TemporaryDirectory() as scratch:
            benches[name](Path(scratch))
