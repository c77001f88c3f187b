"""Page: a run as one page of HTML that needs no network - its grid, curves, funnels, costs, and its texts to
read.

What is in the data is shown as text, never taken for markup or code: it travels as compressed JSON, and the
page's script writes it with `textContent` alone.
"""

import base64
import gzip
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.config.load import block
from stages.config.run import Run
from stages.records.jsonl import write_text
from tools.page.numbers import run_numbers
from tools.page.texts import run_texts
from tools.terminal import checkout

HERE = Path(__file__).parent
SCRIPTS = [f"{name}.js" for name in "elements axes grid charts filters detail rationales start".split()]


def packed(data: Any) -> str:
    """JSON, compressed, in letters that a page can hold; the same bytes for the same data."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def page(data: Any) -> str:
    """The template with its style, its scripts and `data`."""
    scripts = "".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    parts = {
        "/*STYLE*/": (HERE / "page.css").read_text(encoding="utf-8"),
        "/*SCRIPT*/": scripts,
        "/*DATA*/": packed(data),
    }
    text = (HERE / "page.html").read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(name, part, 1)
    return text


def main(
    out: Annotated[Path, typer.Option(help="The page.")] = Path("page.html"),
    limit: Annotated[
        int, typer.Option(min=0, help="At most so many rationales; whole questions are left out.")
    ] = 10_000,
) -> None:
    """Write the run of params.yaml as one page for a browser: numbers, curves, and the texts behind them."""
    checkout()
    run = block("run", Run)
    numbers = run_numbers(run)
    texts = run_texts(run, limit)
    write_text(out, page({"preset": run.preset, **numbers, **texts}))
    shown = len(texts["rows"]["question"])
    size = out.stat().st_size / 2**20
    typer.echo(
        f"{out}: {len(numbers['cells'])} cells, {shown:,} of {texts['found']:,} rationales, {size:.1f} MiB"
    )
    if missing := texts["missing"]:
        some = ", ".join(missing[:2]) + (f" and {len(missing) - 2} more" if len(missing) > 2 else "")
        typer.echo(f"not there, `dvc repro` makes them, `dvc pull` brings them: {some}", err=True)
