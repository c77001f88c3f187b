"""What a result was made with (epochs, L_p, subtasks, alpha), what of it departs from the paper's, and which
of several results stands in an item.
"""

from collections.abc import Collection, Sequence
from typing import Any

from stages.config.load import find
from stages.reporting.spec import Made

Result = dict[str, Any]  # axes, settings, and the numbers of a file
Settings = dict[str, Any]  # as `settings_of` writes them; {} where they are unknown
AXES = ("dataset", "split", "teacher", "curation", "method", "student", "target")
# of the method's block, as text: one more name by which results are chosen; "" where unknown or where the
# method has none
ALPHA = "alpha"
# train nothing (LEARNS_FROM), so epochs mean nothing
ASKED = ("bare", "zero_shot", "zero_shot_cot", "few_shot", "few_shot_cot", "cascod_teacher")
LISTS = {  # axis -> the lists of `run` that its names stand in
    **{
        "dataset": ("datasets", "extra_datasets"),
        "split": ("splits",),
        "teacher": ("teachers",),
        "curation": ("curations",),
    },
    **{"method": ("methods", "baselines"), "student": ("students",), "target": ("transfers", "simulators")},
}


def settings_of(params: dict[str, Any]) -> Settings:
    """The blocks of params.yaml that a run's cells were made with, beside the names of the axes. Raises
    ValueError for a name without a block.
    """
    run = find(params, "run")

    def blocks(kind: str, *lists: str) -> dict[str, Any]:
        return {name: find(params, f"{kind}.{name}") for listed in lists for name in run[listed]}

    varied = params["datasets"]
    datasets = [*run["datasets"], *run.get("extra_datasets", [])]
    return {
        "preset": run["preset"],
        "students": blocks("students", "students"),
        "methods": blocks("methods", "methods", "baselines"),
        "decoding": find(params, "decoding"),
        "subtasks": {name: chosen for name in datasets if (chosen := varied.get(name, {}).get("subtasks"))},
        "curations": blocks("curations", "curations"),
    }


def declared(result: Result, run: dict[str, Any]) -> bool:
    """Whether `run` spans this result. One that it does not was left by another run, with settings that
    params.yaml no longer tells.
    """
    return all(
        not result[axis] or any(result[axis] in run.get(listed, []) for listed in lists)
        for axis, lists in LISTS.items()
    )


def with_settings(result: Result, settings: Settings) -> Result:
    alpha = settings.get("methods", {}).get(result["method"], {}).get(ALPHA, "")
    return {**result, "settings": settings, ALPHA: str(alpha)}


def departures(result: Result, paper: Made, trained: bool) -> list[str]:
    """What of a result's settings departs from the paper's, in words; nothing where either is unknown.
    `trained`: its student counts.
    """
    settings = result["settings"]
    student = result["student"]
    epochs = (
        settings.get("students", {}).get(student, {}).get("epochs") if result["method"] not in ASKED else None
    )
    limit = settings.get("decoding", {}).get("max_new_tokens") if student else None
    tasks = settings.get("subtasks", {}).get(result["dataset"])
    found = [
        ("{} of {} subtasks", tasks and len(tasks), paper.subtasks.get(result["dataset"])),
        ("{} of {} other data sets", result.get("n_datasets"), paper.unseen),
        ("{} epochs, not {}", epochs if trained else None, paper.epochs.get(student, paper.epochs.get("*"))),
        ("L_p {}, not {}", limit if trained else None, paper.max_new_tokens),
    ]
    return [
        words.format(ours, theirs)
        for words, ours, theirs in found
        if ours is not None and theirs is not None and ours != theirs
    ]


def rank(result: Result, presets: Collection[str]) -> tuple[bool, bool, str]:
    """Least first: the tree's own cells, kept summaries of the item's presets (small ones too), other kept
    ones; of equals by name.
    """
    preset = result["settings"].get("preset", result.get("kept", ""))
    return "kept" in result, preset.removesuffix("_small") not in presets, result.get("kept", "")


def standing(results: Sequence[Result], presets: Collection[str]) -> list[Result]:
    """Of results on the same axes those that stand in an item, in their order: all of the tree's own (its
    seeds), or one kept summary's.
    """
    least: dict[tuple[str, ...], tuple[bool, bool, str]] = {}
    for one in results:
        place = tuple(one[axis] for axis in AXES)
        least[place] = min(least.get(place, rank(one, presets)), rank(one, presets))
    return [one for one in results if rank(one, presets) == least[tuple(one[axis] for axis in AXES)]]
