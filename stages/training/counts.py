"""The counts of a training, metrics/training: texts, labels, steps, and what chose the epoch."""

from collections.abc import Mapping
from typing import Any

from stages.config.student import Student
from stages.training.fit import Fitted
from stages.training.outline import outline_of
from stages.training.steps import labels_trained, steps_of


def training_counts(
    texts: Mapping[str, Any], questions: int, settings: Student, seed: int, fitted: Fitted
) -> dict[str, Any]:
    """What was trained, as numbers to diff."""
    tasks = labels_trained(texts["train"], settings, seed)
    best = fitted.history[fitted.best - 1]
    cut = sum(outline_of(part).prompts_cut for part in texts.values())
    return {
        "sequences_train": len(texts["train"]),
        "sequences_validation": len(texts["validation"]),
        "questions_train": questions,
        "sequences_truncated": sum(outline_of(part).truncated for part in texts.values()),
        **({"sequences_with_prompt_cut": cut} if settings.max_prompt_tokens else {}),
        "tokens_trained_per_epoch": sum(task["tokens_per_epoch"] for task in tasks.values()),
        "tasks": tasks,
        "normalisation": settings.normalisation,
        **({"distil": settings.distil.model_dump(exclude_none=True)} if settings.distil else {}),
        "layout": fitted.layout,
        "layout_because": fitted.why,
        "steps": steps_of(outline_of(texts["train"]), settings),
        "epochs": len(fitted.history),
        "epoch_selected": fitted.best,
        # and the accuracy, where it chose the epoch
        **{name: value for name, value in best.items() if name.startswith("validation_")},
    }
