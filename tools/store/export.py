"""Export: chosen answers as JSON lines."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from stages.asking import store_contents as contents
from tools.store.inspection import open_store

Model = Annotated[str | None, typer.Option(help="Only answers of this model, as `stats` names it.")]
Source = Annotated[
    str | None,
    typer.Option(help="Only answers from this source, as `stats` names it: live, batch, local, import FILE."),
]


def export_answers(model: Model = None, source: Source = None) -> None:
    """Print answers with their requests as JSON lines.

    `import` takes them back: cot store export > answers.jsonl
    """
    for key, body, sample, answer in contents.stored_rows(open_store(), contents.Selection(model, source)):
        request = None if body is None else json.loads(body)
        told = asdict(answer)
        del told["prompt_cut"]  # students' answers are in no store
        row = {"key": key, "sample": sample, "request": request, "answer": told}
        sys.stdout.write(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")
