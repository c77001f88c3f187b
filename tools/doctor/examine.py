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
    "disk": find_disk,
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


def examine(params: Params, shelf: Shelf) -> tuple[list[Finding], list[Question]]:
    """The findings of one setting, each concern with at least one, and who is asked what. A setting that
    `cot check` refuses is examined no further.
    """
    try:
        checked = check_blocks(params)
        check_grid(params, checked)
    except ValueError as error:
        return [Finding("check", "stops", "params.yaml", str(error))], []
    setting = Setting(params, checked, shelf)
    asked = questions(setting)
    found = [Finding("check", "ok", "", "")]
    for concern, find in CONCERNS.items():
        found += list(find(setting)) or [Finding(concern, "ok", "", "")]
    for concern, find_of in OF_QUESTIONS.items():
        found += list(find_of(setting, asked)) or [Finding(concern, "ok", "", "")]
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
