"""Generate: prompts in, tokens out, the batch always full. Finished rows leave, waiting prompts join; a
run-away answer holds up nobody.

A prompt is read once for all of its samples, and what all prompts begin with once for all of them. Its last
token (or the decoder's first) is not read but fed as a row's first step, which makes the steps of all rows
alike: no row needs logits before it is in the batch.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import psutil
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import Cache, EncoderDecoderCache
from transformers.cache_utils import DynamicLayer

from stages.students.cache import RowCache, drop
from stages.students.load import Loaded, autocast

READ = 4096  # tokens that are read at once, a matter of memory; one prompt may be longer
ALIKE = 0.8  # prompts are read together if the shortest is at least so long as this part of the longest
HEADER = 16  # tokens that all prompts must begin with before these are read apart
# prompts wait until an eighth of the rows is free: reading a few at once is cheaper than one by one
REFILL = 8


@dataclass(eq=False)
class Row:
    """One answer in the making."""

    place: int  # of its prompt
    sample: int
    prompt: list[int]
    begin: list[int]  # what the model that speaks has read before: the prompt, or a decoder's first token
    room: int  # tokens it may say
    said: list[int] = field(default_factory=list)

    @property
    def cached(self) -> int:
        """Tokens whose keys and values are in the cache: all but the last."""
        return len(self.begin) + len(self.said) - 1

    @property
    def last(self) -> int:
        return self.said[-1] if self.said else self.begin[-1]


# float[rows, vocabulary], the rows -> a token for each
Choose = Callable[[torch.Tensor, list[Row]], list[int]]
Ended = Callable[[Row], bool]  # called after each token: is this answer complete


def beginning(prompts: list[list[int]]) -> list[int]:
    """What all prompts begin with and read on from, if it pays to read that apart."""
    first = min(prompts)
    last = max(prompts)
    shared = [
        token for token, other in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    ]
    shared = shared[: min(map(len, prompts)) - 1]
    return shared if len(prompts) > 1 and len(shared) >= HEADER else []


def check_model(student: Loaded) -> None:
    """Raises ValueError for a model whose rows cannot end in one column."""
    config = student.model.config.get_text_config(decoder=True)
    if student.encoder_decoder and not hasattr(config, "relative_attention_num_buckets"):
        raise ValueError(
            f"encoder-decoder students must be of T5's kind, with relative positions; got {config.model_type}"
        )
    if others := set(getattr(config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}:
        raise ValueError(
            f"students must be plain transformers; {config.model_type} has layers of"
            f" {', '.join(sorted(others))}: serve it instead"
        )


def groups(rows: Iterable[Row], largest: int) -> deque[list[Row]]:
    """Rows of the same prompt together, at most `largest` of them; longest prompts first: the last rows to
    join are then the shortest.
    """
    together: dict[tuple[int, ...], list[Row]] = {}
    for row in rows:
        together.setdefault(tuple(row.prompt), []).append(row)
    parts = [
        group[start : start + largest]
        for group in together.values()
        for start in range(0, len(group), largest)
    ]
    return deque(sorted(parts, key=lambda group: -len(group[0].prompt)))


def next_groups(waiting: deque[list[Row]], free: int) -> list[list[Row]]:
    """Take prompts of about the same length that can be read at once and whose samples find a free row."""
    taken: list[list[Row]] = []
    while waiting and len(waiting[0]) <= free:
        shorter = len(waiting[0][0].prompt)
        longest = len(taken[0][0].prompt) if taken else 0
        if taken and (shorter < ALIKE * longest or (len(taken) + 1) * longest > READ):
            break
        free -= len(waiting[0])
        taken.append(waiting.popleft())
    return taken


def fresh() -> Any:
    """A cache without rows: transformers' own, that grows by copying."""
    return Cache(layer_class_to_replicate=DynamicLayer)


def read(student: Loaded, prompts: list[list[int]], header: Any = None) -> Any:
    """Keys and values of prompts, padded on the right: what a causal model keeps of them after the header, or
    a decoder of the encoder's states.
    """
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    ids = pad_sequence([torch.tensor(prompt, dtype=torch.long) for prompt in prompts], batch_first=True).to(
        student.device
    )
    cache = fresh()
    if student.encoder_decoder:
        mask = torch.arange(ids.shape[1]) < lengths[:, None]
        start = torch.full(
            (len(prompts), 1), student.model.generation_config.decoder_start_token_id, device=student.device
        )
        both = EncoderDecoderCache(fresh(), cache)
        student.model(
            input_ids=ids,
            attention_mask=mask.to(student.device),
            decoder_input_ids=start,
            past_key_values=both,
            use_cache=True,
        )
        return cache
    for place, layer in enumerate(header.layers if header else []):
        cache.update(
            layer.keys.expand(len(prompts), -1, -1, -1), layer.values.expand(len(prompts), -1, -1, -1), place
        )
    if ids.shape[1]:  # no mask: what a token sees lies before it, and what lies behind a prompt is never used
        student.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache


def affordable(student: Loaded, rows: list[Row]) -> int:
    """Rows whose keys and values fit into memory at their longest: four fifths of a GPU's free memory, half
    of the CPU's.
    """
    token: int = sum(
        layer.keys.nbytes + layer.values.nbytes for layer in read(student, [rows[0].prompt[:1]]).layers
    )
    if student.device.type == "cuda":
        unused = torch.cuda.memory_reserved(student.device) - torch.cuda.memory_allocated(student.device)
        budget = (torch.cuda.mem_get_info(student.device)[0] + unused) * 4 // 5
    else:
        budget = psutil.virtual_memory().available // 2
    return max(1, budget // (token * max(len(row.prompt) + row.room for row in rows)))


class Batch:
    """The rows that are answered now, with their caches."""

    def __init__(self, student: Loaded, common: list[int]) -> None:
        self.student, self.rows, self.skip = student, list[Row](), len(common)
        self.header = read(student, [common]) if common else None
        self.cache, self.encoder = RowCache(), RowCache()
        self.both = EncoderDecoderCache(self.cache, self.encoder)

    def join(self, new: list[list[Row]], capacity: int) -> int:
        """Read each group's prompt once and let its rows in. How many tokens were read, padding included."""
        prompts = [group[0].prompt for group in new]
        parts = prompts if self.student.encoder_decoder else [prompt[self.skip : -1] for prompt in prompts]
        found = read(self.student, parts, self.header)
        copies = [len(group) for group in new]
        self.cache.window.capacity = self.encoder.window.capacity = capacity
        if self.student.encoder_decoder:
            self.encoder.join(found, [len(prompt) for prompt in prompts], copies)
            self.cache.join(RowCache(), [0] * len(new), copies)
            self.both.is_updated = dict.fromkeys(range(len(found.layers)), True)
        else:
            self.cache.join(found, [len(prompt) - 1 for prompt in prompts], copies)
        self.rows += [row for group in new for row in group]
        return len(parts) * max(map(len, parts))

    def step(self) -> torch.Tensor:
        """Feed each row's last token; the logits [rows, vocabulary] of what comes after it."""
        model = self.student.model
        where = self.student.device
        cached = torch.tensor([row.cached for row in self.rows])
        last = torch.tensor([[row.last] for row in self.rows]).to(where)
        self.cache.narrow(int(cached.max()))
        mask = shown(cached + 1).to(where)
        if self.student.encoder_decoder:
            lengths = torch.tensor([len(row.prompt) for row in self.rows])
            self.encoder.window.width = int(lengths.max())
            for layer in self.encoder.layers:
                layer.keys, layer.values = layer.views()
            # for its shape: the cache has all there is to it
            states = torch.empty(1, device=where).expand(*lengths.shape, int(lengths.max()), 1)
            out = model(
                encoder_outputs=(states,), attention_mask=shown(lengths).to(where), decoder_input_ids=last, decoder_attention_mask=mask,
                past_key_values=self.both, use_cache=True,
            )  # fmt: skip
        else:
            out = model(
                input_ids=last,
                attention_mask=mask,
                position_ids=cached[:, None].to(where),
                past_key_values=self.cache,
                use_cache=True,
            )
        self.cache.grow()
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def leave(self, left: list[int], capacity: int) -> None:
        for cache in (self.cache, self.encoder):
            cache.window.capacity = capacity
            if cache.window.rows:
                cache.leave(left)
        drop(self.rows, left)


def shown(lengths: torch.Tensor) -> torch.Tensor:
    """bool[rows, longest]: the last lengths[i] columns."""
    longest = int(lengths.max())
    return torch.arange(longest) >= longest - lengths[:, None]


@torch.no_grad()
def generate(student: Loaded, rows: list[Row], choose: Choose, ended: Ended, most: int) -> Counter[str]:
    """Let every row say something until it has ended; at most `most` rows at once.

    Counts what was done: steps (forward passes of one token), slots (rows times steps), reads and read_tokens
    (padding included).
    """
    waiting = groups(rows, max(1, most // 4))
    done = Counter[str]()
    left = len(rows)
    common = [] if student.encoder_decoder else beginning([group[0].prompt for group in waiting])
    with autocast(student.device):
        batch = Batch(student, common)
        while left:
            free = most - len(batch.rows)
            if waiting and (not batch.rows or free >= max(len(waiting[0]), most // REFILL)):
                while new := next_groups(waiting, most - len(batch.rows)):
                    done["read_tokens"] += batch.join(new, min(most, left))
                    done["reads"] += 1
            for row, token in zip(batch.rows, choose(batch.step(), batch.rows), strict=True):
                row.said.append(token)
            done["steps"] += 1
            done["slots"] += len(batch.rows)
            if over := [place for place, row in enumerate(batch.rows) if ended(row)]:
                left -= len(over)
                batch.leave(over, min(most, left))
    return done
