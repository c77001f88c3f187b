"""dvc.yaml and params.yaml, read as text: nothing runs, no data is needed."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from closure import ROOT, closure
from ruamel.yaml import YAML

STAGES: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PARAMS: dict[str, Any] = YAML(typ="safe").load(ROOT / "params.yaml")
CODE = "stages/"


def names(folder: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / "stages" / folder).glob("*.py") if path.stem != "__init__")


def covered(dep: str, axis_files: dict[str, str]) -> set[str]:
    """The .py files that one entry of `deps` stands for."""
    for axis, file in axis_files.items():
        dep = dep.replace("${item." + axis + "}", file)
    path = ROOT / dep
    return (
        {file.relative_to(ROOT).as_posix() for file in path.rglob("*.py") if file.stem != "__init__"}
        if path.is_dir()
        else {dep}
    )


def plugged(stage: dict[str, Any], values: dict[str, str]) -> set[str]:
    """The plug-ins a cell loads, from the folders and files of stages/ that its deps name."""
    modules = set()
    for dep in stage["deps"]:
        for axis, value in values.items():
            dep = dep.replace("${item." + axis + "}", value)
        for folder in ("datasets", "teachers", "methods"):
            if dep == f"stages/{folder}":
                modules |= {f"stages.{folder}.{name}" for name in names(folder)}
            elif dep.startswith(f"stages/{folder}/") and "/__init__" not in dep:
                modules.add(dep.removesuffix(".py").replace("/", "."))
    return modules


@pytest.mark.parametrize("name", STAGES)
def test_code_deps_are_the_import_closure(name: str) -> None:
    """Missing: a change would not rerun the stage. Superfluous: a change would rerun it for nothing."""
    stage = STAGES[name]
    module = re.search(r"python -m (stages\.\w+)", stage["cmd"]).group(1)
    axes = {"method": names("methods"), "dataset": names("datasets")}
    loops = [
        axis
        for axis in axes
        if any("stages/" in dep and "${item." + axis + "}" in dep for dep in stage["deps"])
    ]
    listed, used = set(), set()
    for values in itertools.product(*(axes[axis] for axis in loops)):
        files = dict(zip(loops, values, strict=True))
        need = closure(module, *plugged(stage, files))
        have = set().union(
            *(covered(dep, files) for dep in stage["deps"] if dep.startswith(CODE) and "prompts" not in dep)
        )
        assert need <= have, f"{name} {files}: missing {sorted(need - have)}"
        listed, used = listed | have, used | need
    assert listed == used, f"{name}: superfluous {sorted(listed - used)}"


def axis_values(declared: str) -> list[Any]:
    key = re.fullmatch(r"\$\{run\.(\w+)\}", declared).group(1)
    return list(PARAMS["run"][key])


@pytest.mark.parametrize("name", [name for name, stage in STAGES.items() if "matrix" in stage])
def test_cells_have_distinct_names(name: str) -> None:
    axes = [axis_values(declared) for declared in STAGES[name]["matrix"].values()]
    cells = ["-".join(map(str, cell)) for cell in itertools.product(*axes)]
    assert len(set(cells)) == len(cells)  # DVC drops a clash silently
    assert all(re.fullmatch(r"[a-z0-9_]+", str(value)) for value in itertools.chain(*axes))


def test_uncached_outs_stand_only_where_no_run_cache_is_needed() -> None:
    uncached = {
        name for name, stage in STAGES.items() for out in stage.get("outs", []) if isinstance(out, dict)
    }
    assert uncached == {"summarize", "cost_accuracy", "report"}


def test_no_stage_depends_on_a_device() -> None:
    assert not re.search(r"cuda|--device|--workers|--verbose", (ROOT / "dvc.yaml").read_text())


@pytest.mark.parametrize(
    "name",
    [
        "check",
        "download",
        "prepare",
        "split",
        "teach",
        "cost",
        "appraise",
        "curate",
        "render",
        "score",
        "las",
        "summarize",
        "cost_accuracy",
    ],
)
def test_stages_without_a_model_do_not_import_torch(name: str) -> None:
    """Several seconds a cell: torch and transformers belong to train and predict, and there behind the
    checks.
    """
    modules = closure(f"stages.{name}")
    heavy = [
        file
        for file in modules
        if re.search(r"^(import|from) (torch|transformers)", (ROOT / file).read_text(), re.M)
    ]
    assert not heavy


@pytest.mark.parametrize("name", ["train", "predict"])
def test_train_and_predict_check_their_block_before_they_import_torch(name: str) -> None:
    assert not re.search(
        r"^(import|from) (torch|transformers|stages\.(student|fit|decode))\b",
        (ROOT / f"stages/{name}.py").read_text(),
        re.M,
    )


def test_gitignore_covers_every_cached_out() -> None:
    """Else DVC writes a .gitignore into each output folder, and that file counts in the folder's hash."""
    assert "/data/" in (ROOT / ".gitignore").read_text().splitlines()
    for stage in STAGES.values():
        assert all(out.startswith("data/") for out in stage.get("outs", []) if isinstance(out, str))


def test_inits_are_empty() -> None:
    assert [path for path in Path(ROOT / "stages").rglob("__init__.py") if path.read_text()] == []
