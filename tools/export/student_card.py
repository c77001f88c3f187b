"""The card of an exported student: what it scored, what it learned from, and what nobody tested."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from tools.export.asking import Exported, asking_lines, gguf_lines, use_lines
from tools.export.citations import Citations, card_text, table
from tools.export.licences import (
    base_licence,
    base_of,
    dataset_line,
    hub_datasets,
    hub_licence,
    model_name,
    teacher_terms,
)
from tools.export.provenance import Origin, told_origin
from tools.show import funnel_of

SCORES = {
    "accuracy": "accuracy, by the method's reader",
    "accuracy_low": "its 95 % interval, from",
    "accuracy_high": "to",
    "majority_accuracy": "accuracy of the majority of its samples",
    "lenient_accuracy": "accuracy, read more loosely",
    "no_answer_rate": "answers without an answer in them",
    "completion_rate": "answers that were not cut off",
    "n": "test questions",
    "chance": "a guess is right in",
    "train_most_frequent": "always the most frequent train answer is right in",
    "teacher_accuracy": "its teacher, on the same questions",
    "teacher_rationalised": "of the teacher's answers to them, given with the gold answer in view",
}
TRAINED = (
    "epochs",
    "epoch_selected",
    "validation_loss",
    "questions_train",
    "sequences_train",
    "sequences_truncated",
)


def header(
    told: Exported, scores: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]
) -> ModelCardData:
    """What the hub reads; the scores as its model index."""
    base = base_of(told.at["student"])
    licence = base_licence(base)
    key = hub_licence(base.get("licence"))
    named: dict[str, Any] = {"license": key} | ({"license_name": licence} if key == "other" else {})
    if base.get("hub"):
        named["base_model"] = base["hub"]
        named["base_model_relation"] = "adapter" if told.adapter else "finetune"
    if used := hub_datasets(told.at["dataset"]):
        named["datasets"] = used
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=dataset,
            dataset_name=f"{dataset}, split {told.at['split']}",
            dataset_split="test",
            metric_type="accuracy",
            metric_name=f"accuracy ({one['reader']}), decoding {told.at['decoding']}",
            metric_value=one["accuracy"],
        )
        for dataset, one in ({told.at["dataset"]: scores} | dict(others)).items()
    ]
    return ModelCardData(
        **named,
        library_name="peft" if told.adapter else "transformers",
        pipeline_tag="text-generation",
        tags=["chain-of-thought", "distillation", "cot-distill", told.at["method"]],
        model_name=told.cell,
        eval_results=results,
    )


def score_lines(path: Path, scores: Mapping[str, Any], citations: Citations) -> list[str]:
    shown: list[tuple[str, ...]] = [
        (what, citations.cited(scores[key], path))
        for key, what in SCORES.items()
        if scores.get(key) is not None
    ]
    return table(("", told_of(scores)), shown)


def told_of(scores: Mapping[str, Any]) -> str:
    return f"`{scores['target'] or scores['dataset']}`, test part"


def transfers(told: Exported, citations: Citations) -> dict[str, dict[str, Any]]:
    """Target -> the scores of the student on another data set."""
    paths = sorted(Path("metrics/transfers").glob(f"{told.cell}-*.json"))
    read = [(citations.read(path) or {}) for path in paths]
    return {one["target"]: one for one in read if one["target"] != told.at["dataset"]}


def learned_lines(told: Exported, citations: Citations) -> list[str]:
    """What it was trained on, and how far."""
    at = told.at
    path = Path(f"metrics/training/{told.source.name}.json")
    training = citations.read(path) or {}
    lines = [f"- questions: {dataset_line(at['dataset'])}; cut by the split `{at['split']}`"]
    if at["teacher"]:
        lines += [
            f"- rationales: the teacher `{at['teacher']}`, {teacher_terms(at['teacher'])}",
            f"- kept of them: what the curation `{at['curation']}` keeps",
            *rationalised_lines(told, citations),
        ]
    if at["mentor"]:
        lines.append(f"- and rationales of the student `{at['mentor']}`")
    if at["first"]:
        lines.append(f"- it had been trained by the method `{at['first']}` before")
    lines += ["", *table(("training", ""), [
        (key, citations.cited(training[key], path)) for key in TRAINED if training.get(key) is not None
    ])]  # fmt: skip
    return lines


def rationalised_lines(told: Exported, citations: Citations) -> list[str]:
    """Whether teachers had been shown the gold answers of what was learned."""
    path = funnel_of(told.at)
    funnel = citations.read(path) or {}
    shown = funnel.get("train", {}).get("rationalised")
    if not shown:
        return []
    return [
        f"- **rationalised**: of {citations.cited(shown, path)} rationales the teacher had been shown the"
        " gold answer: that they state it proves nothing about them"
    ]


def limit_lines(told: Exported, others: Mapping[str, Any], citations: Citations) -> list[str]:
    """What the scores do not say."""
    at = told.at
    path = Path(f"metrics/splits/{at['dataset']}-{at['split']}.json")
    split = citations.read(path) or {}
    seen = split.get("test_seen_in_train", {}).get("template_rows")
    lines = [
        f"- One student, seed {at['seed']}: another seed gives other scores.",
        "- Nobody tested whether its rationales lead to its answers, whether what it says is safe, or what it"
        " says to anything but such questions.",
    ]
    if seen:
        lines.append(f"- {citations.cited(seen, path)} test questions have a phrasing that training shows.")
    if not others:
        lines.append("- No other data set was asked.")
    if told.changed:
        lines.append(
            "- **The scores are those of the float32 weights**; the ones here are rounded to bfloat16."
        )
    if told.adapter:
        lines.append("- The scores are those of the adapters merged into their base.")
    return lines


def student_card(told: Exported, made: tuple[Origin, list[str]], citations: Citations) -> str:
    """README.md. `made`: where, and the stages that dvc.lock records otherwise."""
    path = Path(f"metrics/cells/{told.cell}.json")
    scores = citations.read(path) or {}
    others = transfers(told, citations)
    base = base_of(told.at["student"])
    at, stale = made
    what = "LoRA adapters" if told.adapter else f"weights in {told.dtype}"
    lines = [
        f"# {told.cell}",
        "",
        f"The student `{told.at['student']}` after training by the method `{told.at['method']}`: {what}. Its"
        f" base is {model_name(base)}, licence {base_licence(base)}.",
        "",
        "## Asking it",
        "",
        *asking_lines(told),
        *use_lines(told),
        "## What it scored",
        "",
        *score_lines(path, scores, citations),
    ]
    for target, one in others.items():
        lines += score_lines(Path(f"metrics/transfers/{told.cell}-{target}.json"), one, citations)
    lines += gguf_lines(citations)
    lines += ["## What it learned from", "", *learned_lines(told, citations)]
    lines += ["## What was not tested", "", *limit_lines(told, others, citations), ""]
    lines += ["## Where it is from", "", *told_origin(at, told.at, stale)]
    return card_text(header(told, scores, others), lines)
