"""A small repository of its own, with the whole line, in which `dvc repro` is run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import ROOT
from ruamel.yaml import YAML

from stages.config.base import base_sha256


def ran_in(said: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", said))


class Project:
    """A checkout in a folder of its own, with its own small parameters, in which `dvc repro` can be run."""

    def __init__(self, folder: Path, student: Path) -> None:
        self.folder = folder
        for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
            shutil.copy(ROOT / name, folder)
        shutil.copytree(ROOT / "stages", folder / "stages", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "local", folder / "local")
        for name in ("kept", "las", "transfers"):
            (folder / "metrics" / name).mkdir(parents=True)  # in Git something stands in each
        shutil.copytree(student, folder / "students" / "small")
        sha256 = base_sha256(student)
        params = YAML(typ="safe").load(ROOT / "params.yaml")
        sizes = {"gen_last_letter": {"words": 2}, "gen_coin_flip": {"people": 2}}
        params["datasets"] = {name: {"questions": 30, "seed": 0, **size} for name, size in sizes.items()}
        params["students"] = {
            "small": {"base": {"path": "students/small", "sha256": sha256}, "epochs": 1, "max_tokens": 512}
        }
        params["decodings"] = {
            "greedy": {"max_new_tokens": 4},
            "drawn": {"max_new_tokens": 4, "temperature": 1.0, "samples": 3},
        }
        params["run"] |= {
            "datasets": list(sizes),
            "splits": ["sample"],
            "curations": ["d1"],
            "baselines": ["zero_shot_cot"],
        }
        params["run"] |= {"students": ["small"], "seeds": [0]}
        self.write(params)
        for command in (["git", "init", "-q"], ["git", "add", "-A"], ["dvc", "init", "-q"]):
            self.call(*command)

    def write(self, params: dict) -> None:
        with (self.folder / "params.yaml").open("w") as file:
            YAML().dump(params, file)

    def change(self, *path: str, to: object) -> None:
        params = YAML(typ="safe").load(self.folder / "params.yaml")
        block = params
        for key in path[:-1]:
            block = block[key]
        block[path[-1]] = to
        self.write(params)

    def like(self, kind: str, name: str, other: str, **values: object) -> None:
        """A block more, which is like another one but for these values."""
        params = YAML(typ="safe").load(self.folder / "params.yaml")
        params[kind][name] = {**params[kind][other], **values}
        self.write(params)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def environment(self, **more: str) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        own = {
            "PATH": path,
            "DVC_NO_ANALYTICS": "1",
            "COT_DEVICE": "cpu",
            "COT_WORK": str(self.folder.parent / "work"),
            "PYTHONPATH": "",
        }
        return {**os.environ, **own, **more}

    def call(self, *command: str, fails: bool = False) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, check=False
        )
        assert (done.returncode != 0) == fails, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout + done.stderr

    def ran(self) -> set[str]:
        """What `dvc repro` runs now."""
        return ran_in(self.call("dvc", "repro"))
