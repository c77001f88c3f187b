"""Predictions: a student's rows under the checkpoint that wrote them, each question's samples complete."""

import re
from collections import defaultdict

from stages.records.completion import Completion

# origin of rows by the checkpoint chosen on validation; "epoch <K>" are rows of a kept epoch
SELECTED = "selected"


def check_rows(rows: list[Completion], ids: list[str], what: str) -> None:
    """Raises ValueError unless every id has the same samples 0 .. D-1, once each, and nobody else has any."""
    samples: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        samples[row.example_id].append(row.sample)
    missing = [one for one in ids if one not in samples]
    extra = sorted(samples.keys() - set(ids))
    if missing or extra:
        raise ValueError(
            f"{what}: {len(missing)} test ids without rows {missing[:5]},"
            f" {len(extra)} ids that are no test ids {extra[:5]}"
        )
    wanted = list(range(len(samples[ids[0]])))
    uneven = {one: samples[one] for one in ids if sorted(samples[one]) != wanted}
    if uneven:
        first = dict(list(uneven.items())[:5])
        raise ValueError(f"{what}: samples {first}, wanted {wanted} for every test id")


def by_origin(rows: list[Completion], ids: list[str], what: str) -> dict[str, list[Completion]]:
    """Rows under their origin, each origin complete.

    Raises ValueError for unknown origins and where nothing is selected.
    """
    groups: dict[str, list[Completion]] = {SELECTED: []}
    for row in rows:
        if row.origin != SELECTED and not re.fullmatch(r"epoch \d+", row.origin):
            where = f"{what}: {row.example_id!r}"
            raise ValueError(f"{where} has origin {row.origin!r}, wanted {SELECTED!r} or 'epoch <number>'")
        groups.setdefault(row.origin, []).append(row)
    for origin, group in groups.items():
        check_rows(group, ids, f"{what}, rows {origin!r}")
    return groups
