"""Hedges: two values that are offered side by side, of which none is the answer; and one beside which another
is merely mentioned.

"(B) cinema or (D) theatre", "B or possibly D", "between 5 and 6" are no answer. "B, though D is possible" is
B, "B, because A or C would be too far" is B.
"""

# ruff: noqa: RUF001  # quotes of all kinds are what is looked for

import re

WORDS = 6  # of a value that stand before what joins: "(B) going out to the cinema or (D)"
OPENING = r"[\s\"'“‘*_(\[$€£]*"
CLOSING = r"[\s\"'”’*_)\].,]*"
DOUBT = r"(?:possibly|perhaps|maybe|probably|even|also|less likely|more likely)"
FILLERS = rf"(?:[\s,]|\b{DOUBT}\b)*(?:(?:option|choice|the|an?|to|with|in|at|on)\s+)*{OPENING}$"
OR = r"(?:or|nor|and/or|possibly|perhaps|maybe|but also)"
# nothing but what joins the two
JOINED = re.compile(
    rf"^{CLOSING}(?:{OR}\b|(?:and|as well as|along with|plus)\b|[/&,;?|+]){FILLERS}", re.IGNORECASE
)
# some words of the first value, and then what joins
WORDED = re.compile(
    rf"^{CLOSING}(?P<words>[^.;:!?\n]*?)\b(?:(?P<either>{OR})|and|as well as|to){FILLERS}", re.IGNORECASE
)
# what begins another clause: its values are no second answer
CLAUSE = re.compile(
    r"\b(?:because|since|as|for|while|whereas|though|although|but|not|if|when|which|who|that|so|is|are|was|were"
    r"|has|have|had|would|could|can|does|do|rather|instead|unlike|than|neither)\b|n['’]t\b",
    re.IGNORECASE,
)
# before a value that is mentioned beside the answer, or behind it
BESIDE = re.compile(
    r"\b(?:though|although|while|whereas|even if|despite|unlike|over|opposed to)\s[^.;:!?\n]{0,20}$",
    re.IGNORECASE,
)
POSSIBLE = re.compile(
    r"^[\s\"'*_)\].,]*(?:\w+\s+)?(?:is|are|was|were|seems?|could|might|may|would)\b[^.;]*"
    r"\b(?:possible|plausible|tempting|close|likely|similar|reasonable|conceivable)\b",
    re.IGNORECASE,
)


def side_by_side(between: str) -> bool:
    """Whether what stands between two options offers both."""
    return bool(JOINED.match(between)) or words_before(between) is not None


def words_before(between: str, either: bool = False) -> str | None:
    """What still belongs to the first of two values before what joins them, None where they stand in two
    clauses, or apart; `either`: by an "or" alone.
    """
    worded = WORDED.match(between)
    if not worded or (either and not worded["either"]):
        return None
    words = worded["words"].strip()
    return None if len(words.split()) > WORDS or CLAUSE.search(words) else words
