"""Examine: every concern of a setting. One function a concern: a setting -> findings, none where all is well.

Nothing outside this machine is called; what cannot be known without is said to be unknown.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from stages.checking.blocks import Params, check_blocks
from stages.checking.grid import check_grid
from tools.doctor.asked import Question, find_keys, find_placeholders, find_servers, questions
from tools.doctor.curations import find_curations, find_packages
from tools.doctor.demonstrations import find_demonstrations
from tools.doctor.findings import Finding
from tools.doctor.hours import find_hours
from tools.doctor.money import find_costs, find_prices
from tools.doctor.rows import find_rationalised, find_rows
from tools.doctor.setting import Setting
from tools.doctor.shelf import Shelf
from tools.doctor.weights import find_disk, find_memory, find_weights

CONCERNS = {
    "demonstrations": find_demonstrations,
    "rows": find_rows,
    "rationalised": find_rationalised,
    "curations": find_curations,
    "packages": find_packages,
    "weights": find_weights,
    "memory": find_memory,
    "hours": find_hours,
}
OF_QUESTIONS = {  # of what teachers at endpoints are asked
    "placeholders": find_placeholders,
    "keys": find_keys,
    "servers": find_servers,
    "prices": find_prices,
    "costs": find_costs,
}


@contextmanager
def new_shelf(new: bool = False) -> Iterator[Shelf]:
    with TemporaryDirectory() as place:
        yield Shelf(place, new)


def examine(
    grids: Mapping[str, Params], shelf: Shelf
) -> tuple[dict[str, list[Finding]], dict[str, list[Question]]]:
    """Grid -> its findings, each concern with at least one; grid -> who is asked what. What is asked and what
    a disk holds is counted over all grids. One that `cot check` refuses is examined no further.
    """
    found: dict[str, list[Finding]] = {}
    settings = {}
    for grid, params in grids.items():
        try:
            checked = check_blocks(params)
            check_grid(params, checked)
        except ValueError as error:
            found[grid] = [Finding("check", "stops", "params.yaml", str(error))]
        else:
            settings[grid] = Setting(params, checked, shelf)
    asked = {grid: questions(setting) for grid, setting in settings.items()}
    of_all = list(dict.fromkeys(one for there in asked.values() for one in there))
    disk = list(find_disk(list(settings.values())))
    for grid, setting in settings.items():
        found[grid] = [Finding("check", "ok", "", ""), *disk]
        for concern, find in CONCERNS.items():
            found[grid] += list(find(setting)) or [Finding(concern, "ok", "", "")]
        for concern, find_of in OF_QUESTIONS.items():
            there = of_all if find_of is find_costs else asked[grid]
            found[grid] += list(find_of(setting, there)) or [Finding(concern, "ok", "", "")]
    return found, asked


def of_all_grids(found: Mapping[str, list[Finding]]) -> list[Finding]:
    """The findings of a preset's grids: what all have once, what some have with the grid's name."""
    often = Counter(finding for findings in found.values() for finding in dict.fromkeys(findings))
    told = []
    for grid, findings in found.items():
        for finding in findings:
            own = often[finding] < len(found) and finding.why
            told.append(finding._replace(where=f"{grid}: {finding.where}") if own else finding)
    return list(dict.fromkeys(told))
