"""The card of an exported corpus: what it holds, how it was made and is read, under which licences."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCardData

from stages.records.example import LEARNED
from tools.export.citations import Citations, card_text, table
from tools.export.licences import dataset_licence, dataset_line, hub_datasets, hub_licence, teacher_terms
from tools.export.provenance import Origin, told_origin
from tools.show import funnel_of

Rows = Mapping[str, Mapping[str, list[dict[str, Any]]]]
WHAT = {
    "prompt_completion": "a text of the method as `prompt` and `completion`",
    "messages": "the same as a conversation, `messages`; an assistant's turn of weight 1 is learned",
    "corpus": "one completion of the teacher that was kept",
}


def configs(rows: Rows) -> list[dict[str, Any]]:
    """Which files are which configuration, as the hub and `load_dataset` read it."""
    first = next(iter(rows))
    return [
        {
            "config_name": name,
            **({"default": True} if name == first else {}),
            "data_files": [
                {"split": part, "path": f"{name}/{part}.parquet"} for part in LEARNED if parts[part]
            ],
        }
        for name, parts in rows.items()
    ]


def header(axes: Mapping[str, Any], rows: Rows) -> DatasetCardData:
    licence = dataset_licence(axes["dataset"])
    key = hub_licence(licence)
    named: dict[str, Any] = {"license": key} | ({"license_name": licence} if key == "other" else {})
    return DatasetCardData(
        **named,
        source_datasets=hub_datasets(axes["dataset"]) or ["original"],
        task_categories=["question-answering", "text-generation"],
        tags=["chain-of-thought", "distillation", "cot-distill"],
        configs=configs(rows),
    )


def funnel_lines(path: Path, citations: Citations) -> list[str]:
    """What became of the completions, part by part."""
    funnel = citations.read(path)
    if funnel is None:
        return [f"There is no {path}: what was left out is not known.", ""]
    shown: list[tuple[str, ...]] = []
    for part in LEARNED:
        one = funnel[part]
        removed = {f"left out: {reason}": count for reason, count in one["removed"].items() if count}
        counts = {
            "questions": one["questions_in"],
            "completions": one["rows_in"],
            **removed,
            "kept": one["rows_out"],
            "questions with a kept one": one["questions_out"],
        }
        if one.get("rationalised"):
            counts["kept, and the teacher had been shown the gold answer"] = one["rationalised"]
        shown += [(part, what, citations.cited(count, path)) for what, count in counts.items()]
    lines = table(("part", "what", "rows"), shown)
    right = funnel.get("teacher_accuracy_train")
    if right is not None:
        lines += [
            f"Of all that the teacher said to train questions {citations.cited(right, path)} is right.",
            "",
        ]
    return lines


def mark_lines(rows: Rows) -> list[str]:
    """What a reader must know of the rows before trusting them."""
    kept = [row for part in LEARNED for row in rows["corpus"][part]]
    shown = sum(row["rationalised"] for row in kept)
    lines = [
        f"- `rationalised` is true in {shown:,} of {len(kept):,} rows"
        + (
            ": their teacher had been shown the gold answer, so that they state it proves nothing."
            if shown
            else ": no teacher had been shown the gold answer, as far as its source tells."
        ),
        "- An answer was compared with the gold one; nobody looked whether the rationale leads to it.",
        "- No test question is among the rows. What its test part is, the split in params.json decides.",
    ]
    texts = [
        row for name, parts in rows.items() if name != "corpus" for part in LEARNED for row in parts[part]
    ]
    if any(row["weight"] != 1 for row in texts):
        lines.append(
            "- **The method weighs its tasks** (`task`, `weight`; empty: several in one text). A trainer that"
            " takes each text alike trains another loss than the method's."
        )
    if any(row.get("sample") is None for row in texts):
        lines.append("- Texts without a `sample` show other questions too, or come from no one completion.")
    return lines


def use_lines(axes: Mapping[str, Any], rows: Rows, place: str, lost: tuple[str | None, int]) -> list[str]:
    """How trainers read it, and this project again."""
    first = next(iter(rows))
    why, count = lost
    lines = [
        "```python",
        "from datasets import load_dataset",
        "from trl import SFTTrainer",
        "",
        f'rows = load_dataset("{place}", "{first}", split="train")',
        'SFTTrainer("MODEL", train_dataset=rows).train()',
        "```",
        "",
        "LLaMA-Factory: `dataset_dir` is this folder, dataset_info.json names its data sets. It puts its"
        " `template` around `prompt`; the method trains the text as it stands, so `template: empty` there.",
        "",
    ]
    if why:
        return [*lines, f"cot-distill does not import it again: {why}.", ""]
    lines += [
        "cot-distill: copy import.yaml to stages/datasets/NAME.yaml and put NAME into `run.datasets`,"
        " `responses` into `run.teachers`, `unfiltered` into `run.curations`.",
        "",
    ]
    if count:
        lines += [
            f"{count:,} rows have no `response` and are not imported: they would be read otherwise.",
            "",
        ]
    return lines


def corpus_card(
    name: str,
    axes: Mapping[str, Any],
    rows: Rows,
    lost: tuple[str | None, int],
    made: tuple[Origin, list[str]],
    citations: Citations,
    place: str,
) -> str:
    """README.md. `lost`: why it is no data set of this project again, and rows that are not read back;
    `made`: where, and stages that dvc.lock records otherwise; `place`: the folder or the hub id.
    """
    counts = [
        (f"`{folder}`", WHAT[folder], *(f"{len(parts[part]):,}" for part in LEARNED))
        for folder, parts in rows.items()
    ]
    asked = Path(f"metrics/teachers/{axes['dataset']}-{axes['teacher']}.json")
    teacher = citations.read(asked) or {}
    models = ", ".join(
        f"{model} ({citations.cited(n, asked)})" for model, n in teacher.get("models", {}).items()
    )
    at, stale = made
    mentor = f" and of the student `{axes['mentor']}`, its mentor," if axes["mentor"] else ""
    lines = [
        f"# {name}",
        "",
        f"Rationales of the teacher `{axes['teacher']}`{mentor} to questions of `{axes['dataset']}`, as the"
        f" curation `{axes['curation']}` keeps them; the texts are those of the method `{axes['method']}`.",
        "",
        *table(("files", "a row is", *LEARNED), counts),
        f"## What became of the {'mentor' if mentor else 'teacher'}'s completions",
        "",
        *funnel_lines(funnel_of(axes), citations),
        "## What to mind",
        "",
        *mark_lines(rows),
        "",
        "## Reading it",
        "",
        *use_lines(axes, rows, place, lost),
        "## Licences and terms",
        "",
        f"- questions: {dataset_line(axes['dataset'])}",
        f"- rationales: {teacher_terms(axes['teacher'])}",
        *([f"- models, with completions asked of each: {models}"] if models else []),
        "",
        "## Where it is from",
        "",
        *told_origin(at, axes, stale),
    ]
    return card_text(header(axes, rows), lines)
