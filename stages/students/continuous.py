"""The other way to decode causal students: `transformers`' continuous batching, with its paged cache and CUDA
graphs ($COT_DECODER=batching).

Differs: samples are seeded together, not each by itself: which ones come depends on what stands in the batch
(difference 41).
"""

import copy
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.utils import WorkloadHints

from stages.config.decoding import Decoding
from stages.students.generate import AfterToken
from stages.students.load import Loaded
from stages.students.schedule import AnswerRow

NEVER = -1  # an end-of-text token that no model says
ROWS = 32  # on a CPU: the longest rows that the cache holds
PAGE = 32  # on a CPU: tokens a page


def decode_by_batching(
    student: Loaded, rows: list[AnswerRow], decoding: Decoding, after_token: AfterToken
) -> None:
    """Answer every row; `after_token` is called for each token, and a row that is complete is cancelled.

    Raises ValueError if the batch breaks down.
    """
    model = student.model
    if student.device.type == "cuda":  # autocast does not reach the thread that decodes
        model = copy.deepcopy(model).to(torch.bfloat16)
    eos = student.tokenizer.eos_token_id
    sampling = (
        {"do_sample": True} | {name: getattr(decoding, name) for name in ("temperature", "top_k", "top_p")}
        if decoding.temperature
        else {"do_sample": False}
    )
    settings = GenerationConfig(
        eos_token_id=NEVER if eos is None else eos,
        pad_token_id=student.tokenizer.pad_token_id,
        max_new_tokens=decoding.max_new_tokens,
        **sampling,
    )
    longest = max(len(row.prompt) for row in rows)
    hints = WorkloadHints(longest, decoding.max_new_tokens, len(rows))
    # a GPU's are found by the memory that is free; a CPU's would be most of the machine's
    sizes: dict[str, Any] = {}
    if student.device.type == "cpu":
        sizes = {
            "page_size": PAGE,
            "num_blocks": ROWS * (1 + (longest + decoding.max_new_tokens) // PAGE),
            "max_batch_tokens": 512,
        }
    options = ContinuousBatchingConfig(seed=decoding.seed, **sizes)
    with model.continuous_batching_context_manager(
        settings, continuous_batching_config=options, workload_hints=hints
    ) as manager:
        open_rows = {f"{row.place}/{row.sample}": row for row in rows}
        for name, one in open_rows.items():
            manager.add_request(one.prompt, request_id=name, max_new_tokens=one.max_tokens, streaming=True)
        while open_rows:
            result = manager.get_result(timeout=1)
            if result is None:
                if not manager.is_running():
                    raise ValueError(
                        "continuous batching broke down (its log says why); COT_DECODER=loop decodes"
                        " without it"
                    )
                continue
            if (row := open_rows.get(result.request_id)) is None:
                continue  # said after its end, before it was cancelled
            if result.error:
                raise ValueError(f"continuous batching: {result.error}; COT_DECODER=loop decodes without it")
            for token in result.generated_tokens[len(row.tokens) :]:
                row.tokens.append(token)
                if after_token(row):
                    del open_rows[result.request_id]
                    if not result.is_finished():
                        manager.cancel_request(result.request_id)
                    break
