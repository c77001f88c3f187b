"""The teacher's side: calls a second against a server that answers after a fixed latency, a `teach` whose
answers are all in the store (SCoTD's scale: 10,000 questions, N = 30), and the store's own puts and gets.
"""

import json
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

from stages.asking.conversation import Wanted
from stages.asking.request import Answer, Request
from stages.asking.store import Store
from stages.config.endpoint import Endpoint, Price
from stages.endpoint import live
from stages.records.example import Example, write_examples
from tools.benchmark.slow_server import serve

CASES = [  # calls at once, seconds of latency, share of calls that are refused, with a budget
    (calls, latency, refused, budget)
    for calls, latency in ((64, 0.05), (256, 0.01))
    for refused in (0.0, 0.05)
    for budget in (False, True)
]
PRICES = {"bench": Price.model_validate({"listed": "2026-01-01", "input": 0.15, "output": 0.6})}
WORDS = (
    "the a number of apples bought sold gives then so there are left each day week has had more than before"
    " total".split()
)


def prose(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words))


def made_up_questions(calls: int) -> list[Wanted]:
    wanted = []
    for number in range(calls):
        prompt = f"Q: {number} {prose(random.Random(number), 45)}\nA: Let's think step by step."
        request = Request("chat", "bench", prompt, max_tokens=128)
        wanted.append(Wanted(request, request.key, [0]))
    return wanted


def ask_live(folder: Path, calls: int, concurrency: int, latency: float, refused: float, budget: bool) -> str:
    """Calls a second, as a share of concurrency / latency, and the client's CPU."""
    wanted = made_up_questions(calls)
    name = f"{concurrency} at {latency * 1000:.0f} ms" + (", with a budget" if budget else "")
    name += f", {refused:.0%} refused" if refused else ""
    with serve(latency, 60, refused) as url:
        given = {"base_url": url, "concurrency": concurrency} | ({"budget": 1e6} if budget else {})
        endpoint = Endpoint.model_validate(given)
        live.fulfil(
            wanted[: 2 * concurrency], Store(folder / f"warm {name}.sqlite"), "bench", endpoint, PRICES
        )
        before = resource.getrusage(resource.RUSAGE_SELF)
        began = time.perf_counter()
        failed = live.fulfil(wanted, Store(folder / f"{name}.sqlite"), "bench", endpoint, PRICES)
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rate = calls / seconds
    ideal = concurrency / latency
    return (
        f"live, {name}: {calls:,} calls, {len(failed)} failed: {rate:,.0f}/s, {rate / ideal:.1%} of"
        f" {ideal:,.0f}/s; client CPU {1000 * cpu / calls:.2f} s/1,000"
    )


def fill_store(folder: Path, questions: int, samples: int) -> Path:
    """A store with few-shot answers to made-up questions, and the questions beside it."""
    rng = random.Random(0)
    store = Store(folder / "cached.sqlite")
    demonstrations = "\n\n".join(
        f"Q: {prose(rng, 40)}?\nA: {prose(rng, 60)}. The answer is {number}." for number in range(7)
    )
    examples = [
        Example(f"bench-{number}", "bench", f"{number}: {prose(rng, 45)}?", "1", "number")
        for number in range(questions)
    ]
    (folder / "demonstrations.txt").write_text(demonstrations)
    write_examples(folder / "examples.jsonl", examples)
    for start in range(0, questions, 100):
        store.put(
            (
                few_shot_request(demonstrations, example),
                {sample: few_shot_answer(rng, sample) for sample in range(samples)},
            )
            for example in examples[start : start + 100]
        )
    return store.path


def few_shot_request(demonstrations: str, example: Example) -> Request:
    """As the teacher of `teach_cached` asks."""
    prompt = f"{demonstrations}\n\nQ: {example.question}\nA:"
    return Request("completions", "bench", prompt, temperature=1.0, max_tokens=256, stop=("\nQ:",))


def few_shot_answer(rng: random.Random, sample: int) -> Answer:
    return Answer(f" {prose(rng, 60)}. The answer is {sample}.", "stop", "", 700, 66)


def teach_cached(folder: Path, questions: int, samples: int) -> str:
    """Seconds and memory of a `teach` that asks nothing."""
    path = fill_store(folder, questions, samples)
    asked = {"samples": samples, "temperature": 1.0, "max_tokens": 256}
    served = {"endpoint": "bench", "model": "bench", "api": "completions"}
    teacher = {"backend": "openai", "method": "few_shot_cot", **served, **asked}
    params = {
        "teachers": {"bench": teacher},
        "endpoints": {"bench": {"base_url": "http://127.0.0.1:9/v1", "mode": "replay"}},
        "methods": {"few_shot_cot": {}},
        "prices": {},
    }
    (folder / "params.yaml").write_text(json.dumps(params))
    files = ["raw", "examples.jsonl", "demonstrations.txt", "out.jsonl", "counts.json"]
    environment = {**os.environ, "COT_STORE": str(path), "PYTHONPATH": str(Path(__file__).parents[2])}
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "stages.teach", "bench", *files], check=True, cwd=folder, env=environment
    )
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    rows = json.loads((folder / "counts.json").read_text())["completions"]
    written = (folder / "out.jsonl").stat().st_size / 2**20
    return (
        f"cached: {rows:,} completions in {seconds:.1f} s, {peak:.2f} GiB at most, {written:.0f} MiB written"
    )


def use_store(folder: Path, rows: int) -> str:
    """Puts, each flushed to the disk, and gets a second; bytes a completion."""
    rng = random.Random(0)
    store = Store(folder / "store.sqlite")
    filed = [
        (
            Request("chat", "bench", f"Q: {number} {prose(rng, 45)}"),
            {0: Answer(prose(rng, 60), "stop", "", 60, 66)},
        )
        for number in range(rows)
    ]
    began = time.perf_counter()
    for row in filed:
        store.put([row])
    puts = rows / (time.perf_counter() - began)
    began = time.perf_counter()
    for request, _ in filed:
        store.answers(request.key)
    gets = rows / (time.perf_counter() - began)
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = store.path.stat().st_size / rows
    text = sum(len(request.body) + len(samples[0].text) for request, samples in filed) / rows
    return (
        f"store: {puts:,.0f} puts/s (one commit each), {gets:,.0f} gets/s, {size:.0f} bytes a completion"
        f" (request and text alone: {text:.0f})"
    )
