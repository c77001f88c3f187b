"""The one objective of every training method: a weighted sum over tasks of a mean of the task's
cross-entropies.

    loss = sum over tasks of weight[task] x sum / denominator[task],
    sum = sum over the task's labels of coefficient x token weight x cross-entropy

`students.NAME.normalisation` says which mean; they differ where texts or tasks differ in length:

    batch     over the task's labels: coefficient 1; denominator: its labels in the whole step (CasCoD's
              released code, Hugging Face's default)
    sequence  over texts, of each text's mean: coefficient 1 / (the task's labels in its text); denominator:
              the step's texts with the task
    tokens    over texts, of each text's sum: coefficient 1; denominator: the step's texts with the task. It
              is what the papers write down: an expectation over (q, r, a) of the negative log-likelihood of
              a whole target (SCoTD section 2; CasCoD eqs. 2 to 7)

Token weights are 1, but where a method gives runs of characters others (stages/records/sequence.py). They
stand in the sum alone: a label that weighs 0, or less, counts in every "its labels" above as any other does,
and a text with such labels alone in every "texts". So halving all weights halves the loss. Under `sequence`
that is EDIT's released loss (src/utils/method_utils.py of C-W-D/CasCoD): each text's weighted sum over all
its labels, the mean over texts.

Under `tokens` a task counts by its length too: a rationale of 100 tokens and an answer of 2, weighed 0.7 and
0.3, are to each other as 70 to 0.6; under the two others as 0.7 to 0.3.

The step is all rows of all processes: a denominator is the sum of their `counts`. No label smoothing; padding
has no label.
Differs: CasCoD eq. 2 sums over a text's tokens; the default is, as in its released code, the mean over the
step's tokens. `tokens` is the equation (difference 28).
Differs: CasCoD's code divides each micro-batch by its own labels, so that its loss depends on how a step is
cut (difference 29).
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel

from stages.training.cross_entropy import label_losses

Batch = dict[str, Any]  # as stages/training/collate.py makes it
Losses = Callable[[torch.Tensor, Batch], torch.Tensor]  # logits [k, vocabulary], their batch -> float[k]


def inner_model(model: torch.nn.Module) -> Any:
    """The `transformers` model inside whatever wraps it (DDP, FSDP, peft, compile)."""
    return next(module for module in model.modules() if isinstance(module, PreTrainedModel))


def logits_at(model: torch.nn.Module, inputs: dict[str, Any], places: torch.Tensor) -> torch.Tensor:
    """Logits [k, vocabulary] at `places` int64[k] of all rows, one after the other; the head sees no others.

    One call of the wrapped model, as DDP and FSDP need it. Where it cannot be told the places, they are taken
    on the way into its head. Raises ValueError if the model does not give k logits: then its head is not
    where it says.
    """
    inner = inner_model(model)
    one_row = inputs.get("decoder_input_ids", inputs["input_ids"]).shape[0] == 1
    if one_row and "logits_to_keep" in inspect.signature(inner.forward).parameters:
        logits = model(**inputs, use_cache=False, logits_to_keep=places).logits
    else:
        taken = inner.get_output_embeddings().register_forward_pre_hook(
            lambda head, states: (states[0].flatten(0, 1).index_select(0, places)[None],)
        )
        try:
            logits = model(**inputs, use_cache=False).logits
        finally:
            taken.remove()
    if logits.shape[:2] != (1, len(places)):
        raise ValueError(
            f"{type(inner).__name__} gave logits of shape {tuple(logits.shape)}, wanted one row of"
            f" {len(places)}"
        )
    picked: torch.Tensor = logits.squeeze(0)
    return picked


def label_logits(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Logits [k, vocabulary] where the labels of a batch of stages/training/collate.py are predicted."""
    inputs = batch["inputs"]
    if inner_model(model).config._attn_implementation == "eager":  # which adds its mask to the scores
        inputs = {
            name: additive(value) if name.endswith("attention_mask") and value.ndim == 4 else value
            for name, value in inputs.items()
        }
    return logits_at(model, inputs, batch["places"])


def by_labels(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The loss of each label without a model that teaches: its cross-entropy."""
    return label_losses(logits, batch["labels"])


def token_losses(model: torch.nn.Module, batch: Batch, losses: Losses = by_labels) -> torch.Tensor:
    """The loss of each label, float[k]; `batch` as stages/training/collate.py makes it, on the model's
    device. losses: what it is, where not its cross-entropy (stages/training/distil.py).
    """
    return losses(label_logits(model, batch), batch)


def additive(mask: torch.Tensor) -> torch.Tensor:
    """0 where a bool mask is true, else the least float."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, torch.finfo(torch.float32).min)


def weighted_loss(
    values: torch.Tensor, batch: dict[str, torch.Tensor], denominators: torch.Tensor
) -> torch.Tensor:
    """One pass's part of the step's loss, a scalar.

    values: float[k], its token_losses; denominators: int64[tasks], the whole step's summed `counts`.
    """
    return (values * (batch["weights"] / denominators[batch["tasks"]])).sum()
