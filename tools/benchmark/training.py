"""Time one optimizer step of a workload in every layout: building its batches, forward, backward, the norm of
the gradient, AdamW.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import send_to_device

from stages.config.precision import Arithmetic as Arithmetic_
from stages.config.precision import Precision
from stages.students.device import autocast
from stages.training.attention import use_tree_attention
from stages.training.layout import choose_layout
from stages.training.objective import inner_model
from stages.training.steps import Shape
from stages.training.trees import grow_tree
from tools.benchmark.layouts import Layout, others, ours
from tools.benchmark.measure import Spent, spent, summed_up
from tools.benchmark.models import Arithmetic, arithmetic, build, peak_flops
from tools.benchmark.workloads import Workload

NO_CLIP = 1e9
BASELINE = "dynamic"
LINES = [BASELINE, "grouped", "longest", "authors", "one_pass", "unshared", "ours", "shared"]
PATIENCE = 10  # seconds: what takes longer is not repeated, it has averaged enough


@dataclass
class Result:
    loss: float
    norm: float
    tokens: int  # places of the model's rows, padding included


def step(
    model: Any, layout: Layout, optimizer: Any, device: torch.device, arithmetic: Arithmetic_ | None = None
) -> Result:
    """One step that leaves the weights as they are (its learning rate is 0). arithmetic: None: as `autocast`
    has it.
    """
    total = torch.zeros((), device=device)
    tokens = 0
    for batch in layout.batches():
        tokens += (batch["inputs"] if layout.ours else batch)["input_ids"].numel()
        with autocast(device, arithmetic):
            value = layout.loss(model, send_to_device(batch, device))
        value.backward()
        total += value.detach()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), NO_CLIP)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return Result(total.item(), norm.item(), tokens)


def set_attention(model: Any, layout: Layout, rows: str) -> None:
    """Each layout with the attention that is fastest for it: ours as stages/training/layout.py has chosen,
    others' with torch's own.
    """
    inner = inner_model(model)
    if layout.ours and rows in ("tree", "varlen"):
        use_tree_attention(inner)
    else:
        inner.set_attn_implementation("sdpa")


def needed_flops(work: Workload, sums: Arithmetic, shared: bool) -> float:
    """Floating-point operations of a step if neither padding nor a logit without a label is computed: what
    utilisation counts.
    """
    groups: dict[str, list[Any]] = {}
    for place, text in enumerate(work.texts):
        groups.setdefault(text.example_id if shared else str(place), []).append(text.inputs)
    trees = [grow_tree(group) for group in groups.values()]
    pairs = sum(int((tree.depth + 1).sum()) for tree in trees)
    return sums.flops(sum(len(tree.ids) for tree in trees), sum(work.labels.values()), pairs)


def with_rates(
    line: dict[str, Any], work: Workload, sums: Arithmetic, device: torch.device
) -> dict[str, Any]:
    """Add what follows from the seconds: target tokens and texts' tokens a second; on a known GPU, the part
    of its arithmetic that was used.
    """
    shared = line["layout"] in ("shared", "one_pass") or (line["layout"].startswith("ours") and work.cascod)
    peak = peak_flops(device)
    seconds = line["seconds"]
    return line | {
        "target_tokens_per_second": round(sum(work.labels.values()) / seconds, 1),
        "tokens_per_second": round(sum(len(text.inputs) for text in work.texts) / seconds, 1),
        "mfu": round(needed_flops(work, sums, shared) / seconds / peak, 4) if peak else None,
    }


def chosen_shape(model: Any, work: Workload) -> tuple[Shape, str]:
    """How stages/training/layout.py lays out rows for this model, and why."""
    arithmetic: Precision = "bfloat16" if next(model.parameters()).is_cuda else "float32"  # as it is timed
    layout, why = choose_layout(model, max(len(text.inputs) for text in work.texts), arithmetic)
    return Shape(layout, work.tasks, "batch", 0), f"{layout} ({why})"


def warm_up(model: Any, layout: Layout, optimizer: Any, device: torch.device) -> None:
    """A whole step on a GPU, whose allocator and kernels know sizes by having met them; a pass on a CPU."""
    if device.type == "cuda":
        step(model, layout, optimizer, device)
        return
    layout.loss(model, next(iter(layout.batches()))).backward()
    optimizer.zero_grad(set_to_none=True)


def layout_names(work: Workload) -> list[str]:
    """The lines that a workload has."""
    if work.cascod:
        own = {"authors", "one_pass", "unshared"}
    else:
        own = {"longest", "shared"} if work.diversity > 1 else {"longest"}
    return [name for name in LINES if name in {BASELINE, "grouped", "ours"} | own]


def measure(
    name: str,
    work: Workload,
    device: torch.device,
    repetitions: int,
    lines: list[str],
    done: Callable[[], None],
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Lines of a workload, and what holds for all. Repetitions go round, so that a slow moment meets all
    layouts alike.
    """
    model = build(name, device)
    sums = arithmetic(model)
    shape, why = chosen_shape(model, work)
    layouts = [layout for layout in others(work) + ours(work, shape) if layout.name in lines]
    optimizer = torch.optim.AdamW(
        [weights for weights in model.parameters() if weights.requires_grad],
        lr=0.0,
        weight_decay=0.0,
        fused=True,
    )
    times: dict[str, list[Spent]] = {layout.name: [] for layout in layouts}
    results: dict[str, Result] = {}
    for repetition in range(repetitions):
        for place, layout in enumerate(layouts):
            if not (repetition and times[layout.name][0].wall > PATIENCE):
                set_attention(model, layout, shape.layout)
                if not repetition and (device.type == "cuda" or not place):
                    warm_up(model, layout, optimizer, device)
                with spent(device) as found:
                    results[layout.name] = step(model, layout, optimizer, device)
                times[layout.name].append(found)
            done()
    found_lines = []
    for layout in layouts:
        result = results[layout.name]
        told = {"loss": result.loss, "gradient_norm": result.norm, "tokens_in": result.tokens}
        found_lines.append(with_rates(summed_up(layout.name, times[layout.name], **told), work, sums, device))
    about = {"rows": why, "row_tokens": shape.budget, "weights_body": sums.body, "weights_head": sums.head}
    return found_lines, about
