"""Judge: which of two models reasons better - asked of people, on a page, and of language models.

`pairs` writes DIR/pairs.json (the key), DIR/page.html (for people: one file, no network) and, with --judge,
DIR/NAME.json and DIR/NAME-swapped.json (a model's answers to both orders). `read` counts the sheets of
answers, the page's and the models'. Source: SCoTD section 3.1.1.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages.config.load import find, read_params
from stages.judging import consult
from stages.judging.judgement import (
    blind,
    checked_key,
    checked_sheet,
    judge_prompt,
    judgement_results,
    pair_up,
    read_choice,
)
from stages.records.jsonl import read_object, write_json, write_text
from tools.found_rows import completions_of, examples_of
from tools.pages.fill import with_data
from tools.terminal import command_group

ORDERS = (False, True)  # whether the judge sees the sides swapped
Key = dict[str, Any]  # of a study: its pairs, and which model is which
app = command_group()


def prompts(key: Key) -> list[str]:
    """What a model is asked: every pair in one order, then every pair in the other."""
    return [judge_prompt(pair, swapped) for swapped in ORDERS for pair in key["pairs"]]


def model_sheets(judge: str, key: Key) -> list[dict[str, Any]]:
    """A language model's sheet of answers for each order. Where what it says names no choice, the pair is
    missing.
    """
    said = consult.consult(f"judges.{judge}", prompts(key))
    sheets = []
    for swapped in ORDERS:
        texts = said[len(key["pairs"]) * swapped :][: len(key["pairs"])]
        choices = {pair["id"]: read_choice(text) for pair, text in zip(key["pairs"], texts, strict=True)}
        answers = {pair: choice for pair, choice in choices.items() if choice}
        sheets.append({"study": key["study"], "rater": judge, "swapped": swapped, "answers": answers})
    return sheets


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
    elif dry_run:
        raise ValueError("--dry-run says what a model would cost: name it with --judge")
    left = completions_of(first)
    right = completions_of(second)
    drawn = pair_up(left, right, examples_of(left.keys() & right.keys()), n, seed)
    key = {"first": first, "second": second, **drawn}
    if dry_run:
        typer.echo(consult.plan(f"judges.{judge}", prompts(key)))
        return
    write_json(out / "pairs.json", key)
    write_text(out / "page.html", with_data("judge", blind(key)))
    typer.echo(f"{len(key['pairs'])} pairs; left out: {key['left_out']}")
    typer.echo(f"for people: {out / 'page.html'} (pairs.json tells which is which: keep it away)")
    for sheet in model_sheets(judge, key) if judge else []:
        path = out / f"{judge}{'-swapped' * sheet['swapped']}.json"
        write_json(path, sheet)
        typer.echo(f"{path}: {len(sheet['answers'])} answers")


@app.command("read")
def read_sheets(
    answers: Annotated[
        list[Path], typer.Argument(help="Sheets of answers: what the page saved, what `pairs --judge` wrote.")
    ],
    key_file: Annotated[
        Path | None, typer.Option("--pairs", help="The key; by default pairs.json beside the first sheet.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the numbers go too (JSON).")] = None,
) -> None:
    """Count answers: win rate, exact binomial test, agreement.

    Over all pairs, and over those where both models are right.
    """
    sheets = [checked_sheet(read_object(path), str(path)) for path in answers]
    key_file = key_file or answers[0].with_name("pairs.json")
    key = checked_key(read_object(key_file), str(key_file))
    found = judgement_results(key, sheets)
    typer.echo(results_as_markdown(key, found))
    if out:
        write_json(out, {"first": key["first"], "second": key["second"], **found})


def results_as_markdown(key: Key, found: dict[str, Any]) -> str:
    """A table of win rates, then what is to be known of raters and orders."""
    named = [("all", found["all"]), ("both answers right", found["both_right"])]
    named += [(rater["rater"], rater) for rater in found["raters"]]
    rows = [
        f"| {name} | {row['pairs']} | {row['wins']} | {row['losses']} | {row['ties']} | {win_rate(row)} |"
        for name, row in named
    ]
    table = [
        "| | pairs | first better | second better | tie | first's share of decided pairs |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
    ]
    return "\n\n".join([f"First: {key['first']}; second: {key['second']}.", "\n".join(table), *notes(found)])


def win_rate(row: dict[str, Any]) -> str:
    if row["win_rate"] is None:
        return "none decided"
    return f"{row['win_rate']:.1%} ({row['low']:.1%} to {row['high']:.1%}), p {row['p']:.2g}"


def notes(found: dict[str, Any]) -> list[str]:
    """A sentence on each rater's side, on what was left out, and on how far raters and orders agree."""
    sides = [
        f"{row['rater']} chose A in {row['said_A']} of {row['wins'] + row['losses']} decided pairs."
        for row in found["raters"]
    ]
    left_out = "answers left out: their rater answered in two orders, and to these pairs in one only."
    one_order = [f"{found['one_order']} {left_out}"] if found["one_order"] else []
    agreement = [
        f"{' and '.join(row['between'])} agree on {row['agreement']:.1%} of {row['pairs']} pairs."
        for row in found["agreement"]
        if row["pairs"]
    ]
    return [*sides, *one_order, *agreement]
