"""Real lengths for the benchmarks: how many tokens the published questions, rationales and answers have.
Lengths only, no text.

`cot benchmark lengths MIRROR` makes lengths.json anew from the mirror of the public data, in seconds: a
byte-level BPE of 16384 tokens is trained on the zero-shot-CoT logs (Kojima et al. 2022) and
code-davinci-002's outputs on BIG-Bench Hard (Suzgun et al. 2022), and what the methods would render of them
is counted with it. Sampled records stand for the others; the longest is taken over all.
"""

import json
import random
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from stages.methods.cascod import ANSWER, RATIONALE
from stages.parsing.released_logs import parse_log
from stages.records.jsonl import write_text
from stages.text.formats import CASCOD, FORMATS
from tools.benchmark import LENGTHS

LOGS = "github/kojima-takeshi188/zero_shot_cot/*/log/*_zero_shot_cot.log"
OUTPUTS = "github/suzgunmirac/BIG-Bench-Hard/*/code-davinci-002-outputs/code-davinci-002-cot/*.json"
# of the logs
NAMES = {"gsm8k": "gsm8k", "multiarith": "multiarith", "csqa": "commonsensqa", "date": "date_understanding"}
VOCABULARY = 16384
SAMPLE = 128
ASKED = "\nA: Let's think step by step."
CONCLUDED = "So the answer is"


class Lengths(NamedTuple):
    """One data set: tokens of each sampled record's parts, without an end-of-text token, and of the longest
    prompt and text of all records.
    """

    # [prompt, completion]; for CasCoD [prompt, rationale, what asks for the answer, answer]
    parts: list[list[int]]
    longest_prompt: int
    longest: int


def log_parts(path: Path) -> list[list[str]]:
    """Fine-tune-CoT's pairs of one log: prompt, completion."""
    form = FORMATS["paper"]
    records = parse_log(path.read_text(encoding="utf-8"))
    return [
        [
            record.question.strip() + form.question_end,
            f"{record.steps[0][1].strip()}{form.arrow}{record.gold}{form.end}",
        ]
        for record in records
    ]


def bbh_parts(mirror: Path) -> list[list[str]]:
    """CasCoD's parts, of outputs that conclude: prompt, rationale, what asks for the answer, answer."""
    found = []
    for path in sorted(mirror.glob(OUTPUTS)):
        for output in json.loads(path.read_text(encoding="utf-8"))["outputs"]:
            # the task's description, three examples, the question
            task, *_, last = output["input"].removesuffix(ASKED).split("\n\nQ: ")
            rationale, concluded, answer = output["prediction"].rpartition(CONCLUDED)
            if concluded:
                prompt = (
                    CASCOD["released"].question.replace("{question}", f"{task}\n{last}")
                    + RATIONALE["released"]
                )
                found.append([prompt, rationale.rstrip(), ANSWER["released"], answer.rstrip()])
    return found


def published_parts(mirror: Path) -> dict[str, list[list[str]]]:
    """All records' parts by the name of the log or "bbh_cascod". Raises ValueError without the files."""
    found = {
        path.name.removesuffix("_zero_shot_cot.log"): log_parts(path) for path in sorted(mirror.glob(LOGS))
    }
    found["bbh_cascod"] = bbh_parts(mirror)
    if missing := [name for name in [*NAMES.values(), "bbh_cascod"] if not found.get(name)]:
        raise ValueError(
            f"{mirror}: no records of {', '.join(missing)}; wanted a mirror with {LOGS} and {OUTPUTS}"
        )
    return found


def tokenizer(records: dict[str, list[list[str]]]) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters: list[str] = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=letters,
        show_progress=False,
    )
    made.train_from_iterator(
        (part for group in records.values() for parts in group for part in parts), trainer
    )
    return made


def count_tokens(records: dict[str, list[list[str]]]) -> dict[str, dict[str, Any]]:
    bpe = tokenizer(records)
    found = {}
    wanted = {name: records[log] for name, log in NAMES.items()} | {"bbh_cascod": records["bbh_cascod"]}
    for name, group in wanted.items():
        counted = [[len(ids.ids) for ids in bpe.encode_batch(parts)] for parts in group]
        found[name] = {
            "parts": random.Random(name).sample(counted, SAMPLE),
            "longest_prompt": max(parts[0] for parts in counted),
            "longest": max(map(sum, counted)),
            "records": len(counted),
            "means": [round(mean(column), 1) for column in zip(*counted, strict=True)],
        }
    return found


@cache
def read_lengths() -> dict[str, Lengths]:
    """The lengths by data set. "bbh" is CasCoD's without its extra prompt: one completion per question."""
    found = {
        name: Lengths(entry["parts"], entry["longest_prompt"], entry["longest"])
        for name, entry in json.loads(LENGTHS.read_text())["datasets"].items()
    }
    cascod = found["bbh_cascod"]
    return found | {"bbh": cascod._replace(parts=[[prompt, sum(rest)] for prompt, *rest in cascod.parts])}


def write_lengths(mirror: Path, out: Path) -> None:
    """Count the tokens of the published texts."""
    head = {
        "what": (
            "tokens per part: prompt and completion; for bbh_cascod prompt, rationale, what asks for the"
            " answer, answer"
        ),
        "source": [
            "https://github.com/kojima-takeshi188/zero_shot_cot (logs)",
            "https://github.com/suzgunmirac/BIG-Bench-Hard (outputs)",
        ],
        "made": (
            f"cot benchmark lengths MIRROR; a byte-level BPE of {VOCABULARY} tokens trained on the same texts"
        ),
    }
    entries = ",\n".join(
        f'    "{name}": {json.dumps(entry)}' for name, entry in count_tokens(published_parts(mirror)).items()
    )
    lines = ",\n".join(f'  "{name}": {json.dumps(value)}' for name, value in head.items())
    write_text(out, f'{{\n{lines},\n  "datasets": {{\n{entries}\n  }}\n}}\n')
