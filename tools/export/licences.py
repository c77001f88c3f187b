"""Licences: what stands in the project about data, teachers and bases, for a card."""

import re
from typing import Any

from stages.config.dataset import read_dataset
from stages.config.load import read_params
from stages.config.source import Several

OURS = "that of this repository"  # of generated data sets
UNSTATED = "unstated"
# as the hub names licences
KNOWN = {
    "apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "gpl-3.0",
}  # fmt: skip
NAMES = {"gemma terms of use": "gemma", "llama 2 community license": "llama2"}


def hub_licence(licence: str | None) -> str:
    """The hub's key of a licence: "other" for what it has no key for, "unknown" where none is stated."""
    if licence is None or licence == UNSTATED:
        return "unknown"
    if licence == OURS:
        return "mit"
    key = licence.lower()
    return NAMES.get(key, key if key in KNOWN else "other")


def dataset_line(name: str) -> str:
    """A data set with its page, licence and citation."""
    dataset = read_dataset(name)
    page = dataset.page or ""
    shown = f"[{name}]({page})" if page.startswith("https://") else f"`{name}`"
    licence = dataset.licence or UNSTATED
    told = f"{licence} (MIT)" if licence == OURS else licence
    return f"{shown}: licence {told}" + (f"; {dataset.citation}" if dataset.citation else "")


def dataset_licence(name: str) -> str:
    return read_dataset(name).licence or UNSTATED


def hub_datasets(name: str) -> list[str]:
    """The ids of a data set on the hub, where it comes from there."""
    source = read_dataset(name).source
    parts = source.parts.values() if isinstance(source, Several) else [source]
    return [part.path for part in parts if part.kind == "hub" and re.fullmatch(r"[\w.-]+/[\w.-]+", part.path)]


def base_licence(base: dict[str, Any]) -> str:
    """Of weights, as their block in params.yaml has it."""
    licence = str(base.get("licence") or UNSTATED)
    return f"{licence}; {base['terms']}" if base.get("terms") else licence


def base_of(student: str) -> dict[str, Any]:
    """The `base` of a student's block, with the licence where it is this repository's."""
    base: dict[str, Any] = read_params()["students"][student]["base"]
    ours = str(base.get("path") or "").startswith("students/")  # of this repository
    return {"licence": OURS, **base} if ours else base


def teacher_terms(name: str) -> str:
    """Under which terms a teacher's words came: those of its weights, of its operator, or of the data."""
    params = read_params()
    block = params["teachers"][name]
    backend = block.get("backend")
    if backend == "scripted":
        return "rules of this repository (MIT), no language model"
    if backend == "transformers":
        return f"weights of {model_name(block['base'])}: licence {base_licence(block['base'])}"
    if backend == "openai":
        endpoint = params["endpoints"][block["endpoint"]]
        if served := endpoint.get("serve"):
            return f"weights of {model_name(served)}: licence {base_licence(served)}"
        stated = endpoint.get("terms") or (
            f"not stated here (`endpoints.{block['endpoint']}.terms` of params.yaml): read its operator's"
            " before you publish these texts or train on them"
        )
        return f"asked as {block['model']} at {endpoint['base_url']}; terms of use: {stated}"
    if backend == "human":
        return "rationales that came with the data, under the data's licence"
    return "answers that others published; their licence is that of the data they came with"


def model_name(base: dict[str, Any]) -> str:
    return str(base.get("hub") or base.get("gguf") or base.get("path"))
