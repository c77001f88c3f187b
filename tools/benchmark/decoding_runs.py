"""What the benchmark of decoding asks: prompts of real length, and how long each answer is."""

import random
from dataclasses import dataclass, replace

from tools.benchmark.lengths import read_lengths
from tools.benchmark.workloads import random_ids

BASELINE = "hf_8_longest"
RUNAWAYS = 0.03  # of the questions
MAX_NEW = 512  # tokens of a run-away
SAMPLES = 8
HEADER = 700  # tokens


@dataclass(frozen=True)
class Run:
    """What a run asks: prompts, and the tokens that each answer to them has, its end included."""

    name: str
    title: str
    prompts: list[list[int]]
    lengths: list[int]
    longest: int  # tokens of the data set's longest prompt
    samples: int = 1
    by_default: tuple[str, ...] = ()  # the lines that are worth their minutes; (): all of them

    @property
    def useful(self) -> int:
        return self.samples * sum(self.lengths)


def runs(questions: int, seed: int = 0) -> list[Run]:
    """The runs: GSM8K's prompts and answers; with run-aways; several samples each; all after one few-shot
    header.
    """
    rng = random.Random(seed)
    found = read_lengths()["gsm8k"]
    parts = [found.parts[place % len(found.parts)] for place in rng.sample(range(questions), questions)]
    prompts = [random_ids(rng, prompt) for prompt, _ in parts]
    lengths = [min(MAX_NEW, answer + 1) for _, answer in parts]
    endless = set(rng.sample(range(questions), max(1, round(RUNAWAYS * questions))))
    few = max(1, questions // 8)
    header = random_ids(rng, HEADER)
    plain = Run("plain", f"{questions} questions, greedy", prompts, lengths, found.longest_prompt)
    runaways = replace(
        plain,
        name="runaways",
        title=f"{questions} questions, {len(endless)} of whose answers run to {MAX_NEW} tokens",
        lengths=[MAX_NEW if place in endless else length for place, length in enumerate(lengths)],
        by_default=(BASELINE, "hf_32_sorted", "batching", "ours_128"),
    )
    samples = replace(
        plain,
        name="samples",
        title=f"{SAMPLES} samples for each of {few} questions",
        prompts=prompts[:few],
        lengths=lengths[:few],
        samples=SAMPLES,
        by_default=("hf_32_sorted", "ours_128"),
    )
    with_header = [header + prompt for prompt in prompts[: max(1, questions * 3 // 10)]]
    headed = replace(
        plain,
        name="header",
        title=f"{len(with_header)} questions after a header of {HEADER} tokens",
        prompts=with_header,
        lengths=lengths[: len(with_header)],
        longest=HEADER + found.longest_prompt,
        by_default=("hf_32_sorted", "ours_128"),
    )
    return [plain, runaways, samples, headed]
