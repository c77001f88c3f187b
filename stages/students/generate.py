"""Generate: prompts in, tokens out, the batch always full. Finished rows leave, waiting prompts join; a
run-away answer holds up nobody.

A prompt is read once for all of its samples, and what all prompts begin with once for all of them. Its last
token (or the decoder's first) is not read but fed as a row's first step, which makes the steps of all rows
alike: no row needs logits before it is in the batch.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import psutil
import torch
from transformers import Cache, EncoderDecoderCache
from transformers.cache_utils import DynamicLayer

from stages.students.cache import RowCache, drop_rows
from stages.students.device import autocast
from stages.students.load import Loaded
from stages.students.schedule import AnswerRow, common_header, group_rows, next_groups
from stages.students.step_attention import fast_steps
from stages.students.tokens import pad

# prompts wait until an eighth of the rows is free: reading a few at once is cheaper than one by one
REFILL = 8

# float[rows, vocabulary], the rows -> a token for each
Choose = Callable[[torch.Tensor, list[AnswerRow]], list[int]]
AfterToken = Callable[[AnswerRow], bool]  # called after each token of a row: is its answer complete?


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


def empty_cache() -> Any:
    """A cache without rows: transformers' own, which grows by copying."""
    return Cache(layer_class_to_replicate=DynamicLayer)


def read_prompts(student: Loaded, prompts: list[list[int]], header: Any = None) -> Any:
    """Keys and values of prompts, padded on the right: what a causal model keeps of them after the header, or
    a decoder of the encoder's states.
    """
    if student.encoder_decoder:
        return read_encoded(student, prompts)
    cache = empty_cache()
    for place, layer in enumerate(header.layers if header else []):
        keys, values = (states.expand(len(prompts), -1, -1, -1) for states in (layer.keys, layer.values))
        cache.update(keys, values, place)
    ids = pad(prompts, 0).to(student.device)
    # no mask: what a token sees lies before it, and what lies behind a prompt is never used
    if ids.shape[1]:
        student.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache


def read_encoded(student: Loaded, prompts: list[list[int]]) -> Any:
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    ids = pad(prompts, 0)
    mask = torch.arange(ids.shape[1]) < lengths[:, None]
    start = torch.full((len(prompts), 1), student.model.generation_config.decoder_start_token_id)
    cache = empty_cache()
    student.model(
        input_ids=ids.to(student.device),
        attention_mask=mask.to(student.device),
        decoder_input_ids=start.to(student.device),
        past_key_values=EncoderDecoderCache(empty_cache(), cache),
        use_cache=True,
    )
    return cache


def affordable_rows(student: Loaded, rows: list[AnswerRow]) -> int:
    """Rows whose keys and values fit at their longest into four fifths of a GPU's free memory, or into half
    of the CPU's.
    """
    layers = read_prompts(student, [rows[0].prompt[:1]]).layers
    token: int = sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)
    if student.device.type == "cuda":
        unused = torch.cuda.memory_reserved(student.device) - torch.cuda.memory_allocated(student.device)
        budget = (torch.cuda.mem_get_info(student.device)[0] + unused) * 4 // 5
    else:
        budget = psutil.virtual_memory().available // 2
    return max(1, budget // (token * max(len(row.prompt) + row.max_tokens for row in rows)))


class Batch:
    """The rows that are answered now, with their caches."""

    def __init__(self, student: Loaded, common: list[int]) -> None:
        self.student = student
        self.rows: list[AnswerRow] = []
        self.skip = len(common)
        self.header = read_prompts(student, [common]) if common else None
        self.cache = RowCache()
        self.encoder = RowCache()
        self.both = EncoderDecoderCache(self.cache, self.encoder)

    def join(self, new: list[list[AnswerRow]], capacity: int) -> int:
        """Read each group's prompt once and let its rows in. How many tokens were read, padding included."""
        prompts = [group[0].prompt for group in new]
        parts = prompts if self.student.encoder_decoder else [prompt[self.skip : -1] for prompt in prompts]
        found = read_prompts(self.student, parts, self.header)
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
        mask = last_columns(cached + 1).to(where)
        if self.student.encoder_decoder:
            lengths = torch.tensor([len(row.prompt) for row in self.rows])
            self.encoder.window.width = int(lengths.max())
            for layer in self.encoder.layers:
                layer.keys, layer.values = layer.views()
            # for its shape: the cache has all there is to it
            states = torch.empty(1, device=where).expand(*lengths.shape, int(lengths.max()), 1)
            out = model(
                encoder_outputs=(states,),
                attention_mask=last_columns(lengths).to(where),
                decoder_input_ids=last,
                decoder_attention_mask=mask,
                past_key_values=self.both,
                use_cache=True,
            )
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
        drop_rows(self.rows, left)


def last_columns(lengths: torch.Tensor) -> torch.Tensor:
    """bool[rows, longest]: true in the last lengths[i] columns of row i."""
    longest = int(lengths.max())
    return torch.arange(longest) >= longest - lengths[:, None]


@torch.no_grad()
def generate(
    student: Loaded, rows: list[AnswerRow], choose: Choose, after_token: AfterToken, most: int
) -> Counter[str]:
    """Let every row say something until its answer is complete; at most `most` rows at once.

    Counts what was done: steps (forward passes of one token), slots (rows times steps), reads and read_tokens
    (padding included).
    """
    waiting = group_rows(rows, max(1, most // 4))
    done = Counter[str]()
    left = len(rows)
    common = [] if student.encoder_decoder else common_header([group[0].prompt for group in waiting])
    with autocast(student.device), fast_steps(student):
        batch = Batch(student, common)
        while left:
            free = most - len(batch.rows)
            if waiting and (not batch.rows or free >= max(len(waiting[0]), most // REFILL)):
                while new := next_groups(waiting, most - len(batch.rows)):
                    done["read_tokens"] += batch.join(new, min(most, left))
                    done["reads"] += 1
            for row, token in zip(batch.rows, choose(batch.step(), batch.rows), strict=True):
                row.tokens.append(token)
            done["steps"] += 1
            done["slots"] += len(batch.rows)
            if over := [place for place, row in enumerate(batch.rows) if after_token(row)]:
                left -= len(over)
                batch.leave(over, min(most, left))
    return done
