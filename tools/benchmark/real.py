"""A real student against the same student in others' code: published texts, its own tokenizer, float32 and
bfloat16; each line in a process of its own, whose peak of memory is the line's.

train      MultiArith's rationales: `padded` (batches of 8, Hugging Face's loss) and `ours`
cascod     BBH: two padded passes, and ours in one
greedy     MultiArith's questions, answers as long as the published ones: `generate N` (N rows at once, sorted
           by length), `ours`, and with a GGUF file of the same weights `llama.cpp N` (N requests at once)
samples    8 answers to each of an eighth of the questions
"""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from stages.config.decoding import Decoding
from stages.config.precision import Arithmetic
from stages.students.decode import ROWS
from stages.students.generate import generate
from stages.students.load import Loaded, load
from stages.students.sampling import token_chooser
from stages.students.schedule import AnswerRow
from tools.benchmark.decoding import TEMPERATURE, decoding_rows, generate_batches
from tools.benchmark.decoding_runs import MAX_NEW, SAMPLES, Run
from tools.benchmark.layouts import others, ours
from tools.benchmark.lengths import published_parts
from tools.benchmark.llama import LINES as LLAMA
from tools.benchmark.llama import answers_of_llama, room
from tools.benchmark.measure import set_up, spent, with_ratios
from tools.benchmark.training import chosen_shape, set_attention, step
from tools.benchmark.workloads import EOS, Workload, cascod_pair, causal_text
from tools.serve import served

BATCHES = (8, 32, 64, 128)
WORKS: dict[str, list[str]] = {
    "train": ["ours float32", "padded float32", "padded bfloat16", "ours bfloat16"],
    "cascod": ["padded bfloat16", "ours bfloat16"],
    "greedy": [
        "generate 64 float32", *(f"generate {n} bfloat16" for n in BATCHES), "ours float32", "ours bfloat16"
    ],
    "samples": ["generate 64 bfloat16", "generate 128 bfloat16", "ours bfloat16"],
}  # fmt: skip

Encode = Callable[[str], list[int]]


def real_work(name: str, parts: dict[str, list[list[str]]], encode: Encode, texts: int) -> Workload:
    """A step of training: a data set's first texts in seeded order."""
    cascod = name == "cascod"
    rows = random.Random(0).sample(parts["bbh_cascod" if cascod else "multiarith"], texts)
    ids = [[encode(part) for part in row] for row in rows]
    if cascod:
        made = [text for place, row in enumerate(ids) for text in cascod_pair(place, row)]
    else:
        made = [
            causal_text(place, 0, prompt, answer, "cot", 1.0) for place, (prompt, answer) in enumerate(ids)
        ]
    return Workload(name, made, max(len(text.inputs) for text in made) + 1, 1, cascod)


def real_run(name: str, parts: dict[str, list[list[str]]], encode: Encode, questions: int) -> Run:
    """Questions, and answers of the published ones' lengths."""
    samples = SAMPLES if name == "samples" else 1
    rows = random.Random(0).sample(parts["multiarith"], max(1, questions // samples))
    prompts = [encode(question) for question, _ in rows]
    lengths = [min(MAX_NEW, len(encode(answer)) + 1) for _, answer in rows]
    return Run(name, name, prompts, lengths, max(map(len, prompts)), samples)


def train_line(student: Loaded, work: Workload, way: str, arithmetic: Arithmetic) -> dict[str, Any]:
    """One optimizer step over all texts, with the weights left as they are."""
    model = student.model.train()
    shape, why = chosen_shape(model, work)
    layouts = {layout.name: layout for layout in others(work) + ours(work, shape)}
    layout = layouts["ours" if way == "ours" else "dynamic"]
    set_attention(model, layout, shape.layout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, weight_decay=0.0, fused=True)
    with spent(student.device) as found:
        result = step(model, layout, optimizer, student.device, arithmetic)
    rate = sum(len(text.inputs) for text in work.texts) / found.wall
    return {
        "loss": result.loss,
        "gradient_norm": result.norm,
        "tokens_in": result.tokens,
        "tokens_per_second": round(rate, 1),
        "rows": why,
        **took(found),
    }


def took(found: Any) -> dict[str, Any]:
    return {
        "seconds": round(found.wall, 4),
        "cpu_seconds": round(found.cpu, 4),
        "peak_memory": found.peak,
    }


def answers_of_ours(student: Loaded, run: Run) -> list[list[int]]:
    temperature = TEMPERATURE if run.samples > 1 else 0.0
    decoding = Decoding(samples=run.samples, temperature=temperature, max_new_tokens=MAX_NEW)
    drawn = token_chooser(decoding)

    def choose(logits: torch.Tensor, rows: list[AnswerRow]) -> list[int]:
        logits[:, EOS] = -torch.inf  # as FixedLengths forbids it to `generate`
        return drawn(logits, rows)

    rows = decoding_rows(run)
    generate(student, rows, choose, lambda row: len(row.tokens) == row.max_tokens, ROWS)
    return [row.tokens for row in rows]


def answers_of_generate(student: Loaded, run: Run, at_once: int) -> list[list[int]]:
    said: list[list[int]] = [[]] * (len(run.prompts) * run.samples)
    for places, out in generate_batches(student, run, at_once, by_length=True):
        rows = [place * run.samples + sample for place in places for sample in range(run.samples)]
        for row, tokens in zip(rows, out.tolist(), strict=True):
            said[row] = tokens[: run.lengths[row // run.samples]]
    return said


def decode_line(student: Loaded, run: Run, way: str) -> dict[str, Any]:
    student.model.eval()
    with spent(student.device) as found:
        if way == "ours":
            said = answers_of_ours(student, run)
        else:
            said = answers_of_generate(student, run, int(way.split()[1]))
    return decoded(run, way, said, found)


def llama_line(file: Path, run: Run, way: str) -> dict[str, Any]:
    """Its server computes in this process; loading is not counted, as of no other line."""
    at_once = int(way.split()[1])
    threads = torch.get_num_threads()
    with served(file, threads, at_once, room(run)) as client, spent(torch.device("cpu")) as found:
        said = answers_of_llama(client, run, at_once)
    return decoded(run, way, said, found)


def decoded(run: Run, way: str, said: list[list[int]], found: Any) -> dict[str, Any]:
    """A line of decoding. Raises ValueError for answers of other lengths than the run's."""
    if (count := sum(map(len, said))) != run.useful:
        raise ValueError(f"{run.name}, {way}: said {count} tokens, wanted {run.useful}")
    return {
        "tokens_out": count,
        "tokens_per_second": round(count / found.wall, 1),
        "said": [tokens[:-1] for tokens in said],  # the last is the end's
        **took(found),
    }


def measure_line(
    folder: Path, mirror: Path, work: str, line: str, size: int, gguf: Path | None = None
) -> dict[str, Any]:
    """A line in this process."""
    way, _, arithmetic = line.rpartition(" ")
    precision: Any = arithmetic
    parts = published_parts(mirror)
    if line in LLAMA and gguf:  # of the folder its tokenizer alone
        return llama_line(
            gguf, real_run(work, parts, encoder(AutoTokenizer.from_pretrained(folder)), size), way
        )
    training = work in ("train", "cascod")
    where = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    student = load(folder, where=where, precision="float32" if training else precision)
    encode = encoder(student.tokenizer)
    if training:
        return train_line(student, real_work(work, parts, encode, size), way, precision)
    student.model.to(getattr(torch, arithmetic))  # also where the CPU is slow in it
    return decode_line(student, real_run(work, parts, encode, size), way)


def encoder(tokenizer: Any) -> Encode:
    def encode(text: str) -> list[int]:
        found: list[int] = tokenizer(text, add_special_tokens=False).input_ids
        return found

    return encode


def lines_of(work: str, gguf: Path | None) -> list[str]:
    """A work's lines, llama.cpp's last, where there is a file for it."""
    return WORKS[work] + (list(LLAMA) if gguf and work in ("greedy", "samples") else [])


def measure_work(
    folder: Path,
    mirror: Path,
    work: str,
    size: int,
    threads: int,
    done: Callable[[], None],
    gguf: Path | None = None,
) -> list[dict[str, Any]]:
    """The lines of a work, each from a process of its own; decoding's with the share of the answers that are
    the first line's, word for word.
    """
    lines: list[dict[str, Any]] = []
    for line in lines_of(work, gguf):
        at_once = int(line.split()[1]) if line.startswith("generate") else 0
        if at_once <= size or work == "samples" or not lines:  # more rows than answers are no other way
            command = [folder, mirror, work, line, size, threads, *([gguf] if gguf else [])]
            made = subprocess.run(
                [sys.executable, "-m", "tools.benchmark.real", *map(str, command)],
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            if made.returncode:
                raise ValueError(f"{work}, {line}: ended with {made.returncode}, its words stand above")
            lines.append({"layout": line, **json.loads(made.stdout.splitlines()[-1])})
        done()
    answers = [found.pop("said", []) for found in lines]
    if work == "greedy":
        for found, said in zip(lines, answers, strict=True):
            equal = [one == other for one, other in zip(said, answers[0], strict=True)]
            found["equal_texts"] = round(sum(equal) / len(equal), 4)
    return with_ratios(lines, lines[0]["layout"])


if __name__ == "__main__":
    folder, mirror, work, line, size, threads, *gguf = sys.argv[1:]
    set_up(int(threads), "")
    file = Path(gguf[0]) if gguf else None
    print(json.dumps(measure_line(Path(folder), Path(mirror), work, line, int(size), file)))
