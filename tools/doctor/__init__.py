"""Doctor: what would stop a run or is worth knowing of it, and what it has to do, before anything is fetched,
asked or trained.
"""

import sys
from collections.abc import Mapping
from typing import Annotated, NamedTuple

import typer
from rich.table import Table

from stages.checking.blocks import Params
from stages.config.load import read_params
from tools.doctor.asked import Question, print_questions
from tools.doctor.cells import print_stages
from tools.doctor.examine import examine, new_shelf, of_all_grids
from tools.doctor.findings import VERDICTS, Finding, cell_text, worst
from tools.doctor.shelf import Shelf
from tools.presets.reading import FULL, preset_names, sizes_of
from tools.presets.writing import preset_params
from tools.tables import console
from tools.terminal import checkout


class Examined(NamedTuple):
    """A preset in a size, or params.yaml as it stands."""

    grids: Mapping[str, Params]
    findings: list[Finding]
    asked: list[Question]


def examine_grids(grids: Mapping[str, Params], shelf: Shelf) -> Examined:
    found, asked = examine(grids, shelf)
    questions = dict.fromkeys(one for there in asked.values() for one in there)
    return Examined(grids, of_all_grids(found), list(questions))


def print_findings(findings: list[Finding]) -> None:
    """The worst first; what is well, without a word, on one line at the end."""
    table = Table("verdict", "concern", "where", "why, and what to do")
    told = [finding for finding in findings if finding.why]
    for finding in sorted(told, key=lambda finding: -VERDICTS.index(finding.verdict)):
        table.add_row(finding.verdict, finding.concern, finding.where, cell_text(finding))
    if told:
        console().print(table)
    spoken = {finding.concern for finding in told}
    quiet = dict.fromkeys(finding.concern for finding in findings if finding.concern not in spoken)
    typer.echo(f"ok: {', '.join(quiet) or 'nothing else'}")


def print_briefly(params: Params) -> None:
    """What stops a run and what is worth a warning, a line each; on stderr, for `cot presets use`."""
    with new_shelf() as shelf:
        findings, _ = examine({"": params}, shelf)
    for finding in findings[""]:
        if finding.verdict != "ok":
            line = f"{finding.verdict}: {finding.concern}, {finding.where}: {cell_text(finding)}"
            print(line, file=sys.stderr)


def table_row(name: str, size: str, findings: list[Finding]) -> str:
    """A line of markdown: a preset in a size, its verdict, and the concerns behind it with their blocks."""
    reasons = []
    for verdict in reversed(VERDICTS[1:]):
        places: dict[str, list[str]] = {}
        for finding in findings:
            if finding.verdict == verdict:
                places.setdefault(finding.concern, []).append(finding.where)
        told = [f"{concern} ({', '.join(where)})" for concern, where in places.items()]
        reasons += [f"{verdict}: {', '.join(told)}"] if told else []
    return f"| {name} | {size} | {worst(findings)} | {'; '.join(reasons)} |"


def print_all() -> bool:
    """Every preset in every size; whether one is stopped."""
    typer.echo("| preset | size | verdict | reasons |\n| --- | --- | --- | --- |")
    stopped = False
    with new_shelf() as shelf:
        for name in preset_names():
            for size in sizes_of(name):
                findings = examine_grids(preset_params(name, size), shelf).findings
                stopped |= worst(findings) == "stops"
                typer.echo(table_row(name, size, findings))
    return stopped


def main(
    preset: Annotated[
        str | None, typer.Argument(metavar="PRESET", help="A file of presets/. [params.yaml as it stands]")
    ] = None,
    size: Annotated[str | None, typer.Option(help="tiny, smol or full. [of a preset: full]")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every preset in every size, a line each.")] = False,
) -> None:
    """Say what would stop a run, what is worth a warning, and what the run has to do.

    Status 1 if it would stop. Nothing is fetched, asked or trained, and no server elsewhere is called.
    """
    checkout()
    if every and (preset or size):
        raise ValueError(f"--all is every preset in every size: drop it, or {preset or f'--size {size}'}")
    if size and not preset:
        raise ValueError(f"--size {size} is of a preset, and none is named: cot doctor PRESET --size {size}")
    if every:
        raise typer.Exit(int(print_all()))
    grids = preset_params(preset, size or FULL) if preset else {"": read_params()}
    with new_shelf() as shelf:
        examined = examine_grids(grids, shelf)
    print_findings(examined.findings)
    print_stages(examined.grids.values())
    print_questions(examined.asked)
    raise typer.Exit(int(worst(examined.findings) == "stops"))
