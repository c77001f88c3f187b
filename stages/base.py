"""Base: the weights that a student starts from, as a folder that `transformers` loads.

In: `students.NAME.base` of params.yaml. Out: data/bases/NAME. A GGUF file is fetched and dequantised; a hub
id or a folder of yours stays where it is, and base.json points to it; a student at OpenAI leaves a note.
"""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from stages.config.base import Base, write_pointer
from stages.config.cli import run
from stages.config.load import check, find, read_params
from stages.records.jsonl import write_json


def main(
    name: Annotated[str, typer.Argument(metavar="STUDENT", help="A block under `students` in params.yaml.")],
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="data/bases/STUDENT")],
) -> None:
    """Bring a student's base: fetch and convert it, or point to it."""
    values = find(read_params(), f"students.{name}")
    if "base" not in values:
        shutil.rmtree(out, ignore_errors=True)
        return write_json(out / "hosted.json", {"endpoint": values["endpoint"], "model": values["model"]})
    base = check(f"students.{name}.base", values["base"], Base)
    if base.gguf:
        from stages.students.gguf import convert  # torch takes seconds, and only this kind needs it

        return convert(base, out)
    shutil.rmtree(out, ignore_errors=True)
    write_pointer(base, out)


if __name__ == "__main__":
    run(main)
