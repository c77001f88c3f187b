"""dvc.yaml and params.yaml, read as text: nothing runs, no data is needed."""

import itertools
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from dvc.repo import Repo
from ruamel.yaml import YAML

from stages.checking.code import closure
from stages.config.run import Run, declared_cells, declared_transfers

STAGES: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PARAMS: dict[str, Any] = YAML(typ="safe").load(ROOT / "params.yaml")


def axis_values(declared: str) -> list[Any]:
    key = re.fullmatch(r"\$\{run\.(\w+)\}", declared).group(1)
    return list(PARAMS["run"][key])


@pytest.mark.parametrize("name", [name for name, stage in STAGES.items() if "matrix" in stage])
def test_cells_have_distinct_names(name: str) -> None:
    axes = [axis_values(declared) for declared in STAGES[name]["matrix"].values()]
    cells = ["-".join(map(str, cell)) for cell in itertools.product(*axes)]
    assert len(set(cells)) == len(cells)  # DVC drops a clash silently
    assert all(re.fullmatch(r"[a-z0-9_]+", str(value)) for value in itertools.chain(*axes))


def test_declared_cells_have_the_names_that_dvc_gives(tmp_path: Path) -> None:
    """Two names on every axis, against DVC's own expansion of dvc.yaml."""
    for file in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / file, tmp_path)
    axes = ("methods", "baselines", "students", "decodings", "transfers", "first_methods", "second_methods")
    axes += ("mentors", "mentored")
    lists = {axis: [f"{axis}_1", f"{axis}_2"] for axis in axes} | {"seeds": [0, 1]}
    params = YAML(typ="safe").load(tmp_path / "params.yaml")
    params["run"] |= lists
    YAML().dump(params, tmp_path / "params.yaml")
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        stages = [stage.name.split("@") for stage in repo.index.stages if "@" in stage.name]
    run = Run.model_validate(params["run"])
    for cells, asked in ((declared_cells(run), "predict"), (declared_transfers(run), "predict_transfer")):
        named = [
            name
            for stage, name in stages
            if stage in {asked, f"{asked}_baseline", f"{asked}_second", f"{asked}_mentored"}
        ]
        assert sorted(cells) == sorted(named)
        assert len(named) == len(set(named))


def test_uncached_outs_stand_only_where_no_run_cache_is_needed() -> None:
    uncached = {
        name
        for name, stage in STAGES.items()
        for out in stage.get("outs", [])
        if isinstance(out, dict) and {"cache": False} in out.values()
    }
    assert uncached == {"summarize", "cost_accuracy", "report"}


@pytest.mark.parametrize(
    "name",
    ["predict_transfer", "predict_transfer_baseline", "predict_transfer_second", "predict_transfer_mentored"],
)
def test_no_student_is_asked_before_its_target_was_looked_at(name: str) -> None:
    ((written, _),) = STAGES["contamination"]["plots"][0].items()
    axes = "${item.dataset}-${item.split}-${item.target}"
    assert "-".join(f"${{item.{axis}}}" for axis in STAGES["contamination"]["matrix"]) == axes
    assert written.replace("${key}", axes) in STAGES[name]["deps"]


def test_no_stage_depends_on_a_device() -> None:
    assert not re.search(r"cuda|--device|--workers|--verbose", (ROOT / "dvc.yaml").read_text())


@pytest.mark.parametrize(
    "name",
    [
        "check",
        "download",
        "prepare",
        "split",
        "contamination",
        "allot",
        "teach",
        "exam",
        "cost",
        "appraise",
        "curate",
        "render",
        "score",
        "las",
        "join",
        "summarize",
        "cost_accuracy",
    ],
)
def test_stages_without_a_model_do_not_import_torch(name: str) -> None:
    """Several seconds a cell: torch and transformers belong to train and predict, and there behind the
    checks.
    """
    files = closure(f"stages.{name}", datasets="gen_coin_flip", teachers="openai", methods="cascod")
    heavy = re.compile(r"^(import|from) (torch|transformers)\b", re.M)
    assert not [file for file, path in files.items() if heavy.search(path.read_text())]


@pytest.mark.parametrize("name", ["train", "predict", "mentor"])
def test_train_and_predict_check_their_block_before_they_import_torch(name: str) -> None:
    assert not re.search(
        r"^(import|from) (torch|transformers|stages\.(students|training\.fit))\b",
        (ROOT / f"stages/{name}.py").read_text(),
        re.M,
    )


def test_gitignore_covers_every_cached_out() -> None:
    """Else DVC writes a .gitignore into each output folder, and that file counts in the folder's hash."""
    assert "/data/*" in (ROOT / ".gitignore").read_text().splitlines()
    for stage in STAGES.values():
        assert all(out.startswith("data/") for out in stage.get("outs", []) if isinstance(out, str))


def test_inits_are_empty() -> None:
    assert [path for path in Path(ROOT / "stages").rglob("__init__.py") if path.read_text()] == []
