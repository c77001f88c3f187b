"""Findings: what stands in the way of a run, what is worth knowing, and what is well."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

Verdict = Literal["ok", "warning", "stops"]
VERDICTS: tuple[Verdict, ...] = ("ok", "warning", "stops")  # from best to worst


class Finding(NamedTuple):
    concern: str  # "demonstrations"
    verdict: Verdict
    where: str  # the block or pair it is about: "teachers.served"
    why: str
    remedy: str = ""  # what to do about it


def worst(findings: Iterable[Finding]) -> Verdict:
    return max((finding.verdict for finding in findings), key=VERDICTS.index, default="ok")


def cell_text(finding: Finding) -> str:
    """A finding's reason and remedy on one line."""
    return " ".join(f"{finding.why}{f'; {finding.remedy}' if finding.remedy else ''}".split())
