"""Judge: which of two models reasons better - asked of people, on a page, and of language models (SCoTD
section 3.1.1).

`pairs` writes DIR/pairs.json (the key), DIR/page.html (for people: one file, no network) and, with --judge,
DIR/NAME.json and DIR/NAME-swapped.json (a model's answers to both orders). `read` counts the sheets of
answers, the page's and the models'.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.config.cli import fail_plainly
from stages.config.load import find, read_params
from stages.judging.consult import consult, plan
from stages.judging.judgement import blind, chosen, pair_up, prompt, results
from stages.records.jsonl import write_json, write_text
from stages.text.rationale import examples_of, rows_of
from tools.pages.fill import with_data

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Which of two models reasons better: ask people or models.",
)


def sheets_of(name: str, key: dict[str, Any]) -> list[dict[str, Any]]:
    """A language model's answers to every pair in both orders; what it says that names no choice is left out,
    and is missing from `pairs` then.
    """
    orders = (False, True)
    said = consult(f"judges.{name}", [prompt(pair, swapped) for swapped in orders for pair in key["pairs"]])
    found = []
    for swapped in orders:
        texts = said[len(key["pairs"]) * swapped :][: len(key["pairs"])]
        answers = {
            pair["id"]: choice
            for pair, text in zip(key["pairs"], texts, strict=True)
            if (choice := chosen(text))
        }
        found.append({"study": key["study"], "rater": name, "swapped": swapped, "answers": answers})
    return found


@app.command()
def pairs(
    first: Annotated[str, typer.Argument(help="A cell, DATASET-TEACHER, or a file of completions.")],
    second: Annotated[str, typer.Argument(help="What it is compared with.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    n: Annotated[int, typer.Option(min=1, help="How many pairs, at most.")] = 300,
    seed: Annotated[int, typer.Option(help="Which pairs, and which side is A.")] = 0,
    judge: Annotated[
        str | None, typer.Option(help="A block under `judges` in params.yaml: ask this model too.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what the judge would be asked and what it would cost.")
    ] = False,
) -> None:
    """Draw pairs, write the page for people, and ask a model."""
    if judge:
        find(read_params(), f"judges.{judge}")  # before anything is written
    left = rows_of(first)
    right = rows_of(second)
    key = {
        "first": first,
        "second": second,
        **pair_up(left, right, examples_of(left.keys() & right.keys()), n, seed),
    }
    if dry_run:
        typer.echo(
            plan(
                f"judges.{judge}",
                [prompt(pair, swapped) for swapped in (False, True) for pair in key["pairs"]],
            )
            if judge
            else "no judge named"
        )
        return
    write_json(out / "pairs.json", key)
    write_text(out / "page.html", with_data("judge", blind(key)))
    typer.echo(
        f"{len(key['pairs'])} pairs; left out: {key['left_out']}\nfor people: {out / 'page.html'} (pairs.json"
        " tells which is which: keep it away)"
    )
    for sheet in sheets_of(judge, key) if judge else []:
        path = out / f"{judge}{'-swapped' * sheet['swapped']}.json"
        write_json(path, sheet)
        typer.echo(f"{path}: {len(sheet['answers'])} answers")


def percent(found: dict[str, Any]) -> str:
    if found["win_rate"] is None:
        return "none decided"
    return f"{found['win_rate']:.1%} ({found['low']:.1%} to {found['high']:.1%}), p {found['p']:.2g}"


def table(key: dict[str, Any], found: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = [
        f"First: {key['first']}; second: {key['second']}.",
        "",
        "| | pairs | first better | second better | tie | first's share of decided pairs |",
    ]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    rows = [
        ("all", found["all"]),
        ("both answers right", found["both_right"]),
        *((one["rater"], one) for one in found["raters"]),
    ]
    lines += [
        f"| {name} | {row['pairs']} | {row['wins']} | {row['losses']} | {row['ties']} | {percent(row)} |"
        for name, row in rows
    ]
    for row in found["raters"]:
        lines.append(
            f"\n{row['rater']} chose A in {row['said_A']} of {row['wins'] + row['losses']} decided pairs."
        )
    if found["one_order"]:
        lines.append(
            f"\n{found['one_order']} answers left out: their rater answered in two orders, and to these pairs"
            " in one only."
        )
    for row in found["agreement"]:
        if row["pairs"]:
            lines.append(
                f"\n{' and '.join(row['between'])} agree on {row['agreement']:.1%} of {row['pairs']} pairs."
            )
    return "\n".join(lines)


@app.command()
def read(
    answers: Annotated[
        list[Path], typer.Argument(help="Sheets of answers: what the page saved, what `pairs --judge` wrote.")
    ],
    key_file: Annotated[
        Path | None, typer.Option("--pairs", help="The key; by default pairs.json beside the first sheet.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the numbers go too (JSON).")] = None,
) -> None:
    """Count answers: win rate, exact binomial test, agreement; over all pairs and over those where both
    models are right.
    """
    sheets = [parsed(path) for path in answers]
    key = parsed(key_file or answers[0].with_name("pairs.json"))
    found = results(key, sheets)
    typer.echo(table(key, found))
    if out:
        write_json(out, {"first": key["first"], "second": key["second"], **found})


def parsed(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: got {type(value).__name__}, wanted an object")
    return value


if __name__ == "__main__":
    fail_plainly(app)
