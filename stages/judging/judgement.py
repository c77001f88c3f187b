"""Judgement: two models' rationales for the same questions side by side, without names and answers, and what
judges made of them (SCoTD 3.1.1).

Of each pair the first model's rationale is A or B by chance. A sheet is one judge's answers: {"study",
"rater", "swapped", "answers"}, by the pair's id "A", "B" or "tie"; with `swapped` the judge saw B as A. The
key that tells which is which stays out of what judges see.
"""

import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.types import shortened
from stages.results.statistics import binomial, wilson
from stages.text.answers import is_correct, reading_of
from stages.text.rationale import judged_rationale

SIDES = {"A": "B", "B": "A", "tie": "tie"}  # what a choice means where the judge saw the sides swapped
Sheet = dict[str, Any]
SIDE = r"(?<![\w'])[AB](?![\w'])"
TIE = re.compile(r"(?P<denied>\b(?:not|no|isn't|never)\s+)?\b(?:ties?|tied)\b", re.IGNORECASE)
BUT = re.compile(r"\b(?:but|however|though|although|yet)\b", re.IGNORECASE)  # "they tie on facts, but ..."
DENIED = r"\b(?:not|no|never|hardly|barely|scarcely|neither)\b"
# "A is clearly better than B", "B is worse than A"; "I prefer A over B"
ABOVE = re.compile(
    rf"(?P<first>{SIDE})\W+(?:is|seems|was|reads)\b(?:(?!{DENIED})[\w ,])*?"
    rf"(?:(?P<more>\b(?:better|stronger|clearer|superior)\b)|\b(?:worse|weaker|inferior)\b)"
    rf"[\w ,]*?\b(?:than|to)\b[\w ]*?(?P<last>{SIDE})"
)
PREFERRED = re.compile(
    rf"(?<!not )(?<!n.t )(?<!never )\b(?:prefer|choose|pick)\b[\w ]*?(?P<side>{SIDE})\W*"
    r"(?:over|to|rather|instead)\b"
)


def is_right(row: Completion, example: Example) -> bool:
    return is_correct(reading_of(row, example).strict, example.answer, example.answer_type)


def pair_up(
    first: Mapping[str, Completion],
    second: Mapping[str, Completion],
    examples: Mapping[str, Example],
    n: int,
    seed: int,
) -> dict[str, Any]:
    """`n` pairs drawn by `seed` from the questions that both reason about, differently. Raises ValueError
    where there are none.
    """
    shared = sorted(first.keys() & second.keys())
    texts = {one: (judged_rationale(first[one]), judged_rationale(second[one])) for one in shared}
    usable = [one for one in shared if all(texts[one]) and len(set(texts[one])) == 2]
    if not usable:
        raise ValueError(
            f"{len(shared)} questions in common, none with two different rationales: nothing to compare"
        )
    rng = random.Random(seed)
    pairs = []
    for one in rng.sample(usable, min(n, len(usable))):
        swap = rng.random() < 0.5
        both = is_right(first[one], examples[one]) and is_right(second[one], examples[one])
        a, b = reversed(texts[one]) if swap else texts[one]
        pairs.append(
            {
                "id": one,
                "question": examples[one].question.strip(),
                "A": a,
                "B": b,
                "first": "B" if swap else "A",
                "both_right": both,
            }
        )
    silent = sum(not all(texts[one]) for one in shared)
    left_out = {
        "without_rationale": silent,
        "same_rationale": len(shared) - silent - len(usable),
        "not_drawn": len(usable) - len(pairs),
    }
    return {"study": digest_of_pairs(pairs), "seed": seed, "left_out": left_out, "pairs": pairs}


def digest_of_pairs(pairs: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(pairs, sort_keys=True).encode()).hexdigest()[:16]


def blind(key: Mapping[str, Any]) -> dict[str, Any]:
    """What judges may see of it."""
    return {
        "study": key["study"],
        "pairs": [{name: pair[name] for name in ("id", "question", "A", "B")} for pair in key["pairs"]],
    }


def judge_prompt(pair: Mapping[str, str], swapped: bool) -> str:
    """What a language model is asked: the criteria of SCoTD's crowdworkers (appendix A).
    Differs: own words, and a tie is allowed (difference 45).
    """
    a, b = (pair["B"], pair["A"]) if swapped else (pair["A"], pair["B"])
    return (
        "Two models reasoned about the same question; their final answers were cut off. Which reasoning is"
        " better? What counts most is which one is likelier to lead to the correct answer; then, whose facts"
        " and steps are more fitting and more often right; then, which reads"
        f" better.\n\nQuestion:\n{pair['question']}\n\nReasoning A:\n{a}\n\nReasoning B:\n{b}\n\nReply with"
        " one word: A, B or tie."
    )


def read_choice(reply: str | None) -> str | None:
    """The choice in a judge's words: the only one of "A", "B" and "tie" that they name, the side that they
    set above the other, and "tie" of both sides; None where they name none or several ("not a tie: A").
    """
    words = re.sub(r"\ba (?=tie\b)", "", reply or "", flags=re.IGNORECASE)  # an article
    sides = set(re.findall(SIDE, words))
    if ties := {one["denied"] is None for one in TIE.finditer(words)}:
        return "tie" if ties == {True} and len(sides) != 1 and not BUT.search(words) else None
    if len(sides) == 2:
        sides = {one["first"] if one["more"] else one["last"] for one in ABOVE.finditer(words)}
        sides |= {one["side"] for one in PREFERRED.finditer(words)}
    return sides.pop() if len(sides) == 1 else None


def checked_key(value: dict[str, Any], where: str) -> dict[str, Any]:
    """Raises ValueError for an object that is no key."""
    told = f"{where}: not a key to pairs (`judge pairs` writes it as pairs.json)"
    if missing := {"study", "first", "second", "pairs"} - value.keys():
        raise ValueError(f"{told}: {', '.join(sorted(missing))} missing")
    wanted = {"id", "first", "both_right"}
    if not isinstance(value["pairs"], list):
        raise ValueError(f"{told}: pairs is {shortened(value['pairs'])}, wanted a list")
    for pair in value["pairs"]:
        if not isinstance(pair, dict) or not wanted <= pair.keys():
            raise ValueError(f"{told}: a pair is {shortened(pair)}, wanted {', '.join(sorted(wanted))}")
    return value


def checked_sheet(value: dict[str, Any], where: str) -> Sheet:
    """Raises ValueError for an object that is no sheet."""
    told = f"{where}: not a sheet of answers"
    if missing := {"study", "rater", "swapped", "answers"} - value.keys():
        raise ValueError(f"{told}: {', '.join(sorted(missing))} missing")
    for name, kind in (("rater", str), ("swapped", bool), ("answers", dict)):
        if not isinstance(value[name], kind):
            raise ValueError(f"{told}: {name} is {shortened(value[name])}, wanted {kind.__name__}")
    return value


def check_sheets(key: Mapping[str, Any], sheets: Sequence[Sheet]) -> None:
    """Raises ValueError for a sheet of other pairs, ids and choices that are none, and two sheets of one
    rater in one order.
    """
    known = {pair["id"] for pair in key["pairs"]}
    seen = set()
    for sheet in sheets:
        who = (sheet["rater"], sheet["swapped"])
        if sheet["study"] != key["study"]:
            raise ValueError(
                f"answers of {sheet['rater']!r} belong to the pairs {sheet['study']!r}, wanted"
                f" {key['study']!r}"
            )
        odd = {
            one: choice
            for one, choice in sheet["answers"].items()
            if one not in known or choice not in [*SIDES]
        }
        if odd or who in seen:
            raise ValueError(
                f"answers of {sheet['rater']!r}: "
                + (f"no such pairs or choices: {dict(list(odd.items())[:5])}" if odd else "given twice")
            )
        seen.add(who)


def votes_of(key: Mapping[str, Any], sheet: Sheet) -> dict[str, int]:
    """By pair, 1 for the first model, -1 for the second, 0 for a tie."""
    first = {pair["id"]: pair["first"] for pair in key["pairs"]}
    sides = {one: SIDES[choice] if sheet["swapped"] else choice for one, choice in sheet["answers"].items()}
    return {one: 0 if side == "tie" else 1 if side == first[one] else -1 for one, side in sides.items()}


def tally(verdicts: Sequence[int]) -> dict[str, Any]:
    """Wins of the first model, losses and ties; its share of the decided pairs with Wilson's interval and the
    exact binomial p against one half.
    """
    wins = verdicts.count(1)
    losses = verdicts.count(-1)
    decided = wins + losses
    low, high = wilson(wins, decided) if decided else (None, None)
    counts = {"pairs": len(verdicts), "wins": wins, "losses": losses, "ties": len(verdicts) - decided}
    return {
        **counts,
        "win_rate": wins / decided if decided else None,
        "low": low,
        "high": high,
        "p": binomial(wins, decided),
    }


def in_both_orders(sheets: Sequence[Sheet]) -> tuple[list[Sheet], int]:
    """The sheets, those of a rater in two orders cut to the pairs that both have, and how many answers that
    cuts: one order alone may be position.
    """
    orders: dict[str, list[set[str]]] = {}
    for sheet in sheets:
        orders.setdefault(sheet["rater"], []).append(set(sheet["answers"]))
    kept = [
        {
            one: choice
            for one, choice in sheet["answers"].items()
            if all(one in order for order in orders[sheet["rater"]])
        }
        for sheet in sheets
    ]
    cut = sum(len(sheet["answers"]) - len(answers) for sheet, answers in zip(sheets, kept, strict=True))
    return [{**sheet, "answers": answers} for sheet, answers in zip(sheets, kept, strict=True)], cut


def verdicts_of(pairs: Sequence[Mapping[str, Any]], cast: Sequence[dict[str, int]]) -> dict[str, int]:
    """A pair goes to whom most sheets prefer, else it is a tie; pairs that nobody judged are not in it."""
    found = {}
    for pair in pairs:
        if votes := [sheet[pair["id"]] for sheet in cast if pair["id"] in sheet]:
            found[pair["id"]] = (sum(votes) > 0) - (sum(votes) < 0)
    return found


def agreement(names: Sequence[str], cast: Sequence[dict[str, int]]) -> list[dict[str, Any]]:
    """Of each two sheets, the share of common pairs with the same verdict."""
    found = []
    for (name, sheet), (other, others) in combinations(zip(names, cast, strict=True), 2):
        common = sheet.keys() & others.keys()
        same = sum(sheet[one] == others[one] for one in common)
        share = same / len(common) if common else None
        found.append({"between": [name, other], "pairs": len(common), "agreement": share})
    return found


def judgement_results(key: Mapping[str, Any], sheets: Sequence[Sheet]) -> dict[str, Any]:
    """Over all judged pairs, and over those where both models answered right.

    `raters`: how often each one chose the side shown first; `agreement`: of each two sheets; `one_order`:
    answers left out because the same rater's other order has none.
    """
    check_sheets(key, sheets)
    sheets, one_order = in_both_orders(sheets)
    cast = [votes_of(key, sheet) for sheet in sheets]
    names = [f"{sheet['rater']}{', swapped' if sheet['swapped'] else ''}" for sheet in sheets]
    verdicts = verdicts_of(key["pairs"], cast)
    both_right = {pair["id"] for pair in key["pairs"] if pair["both_right"]}
    raters = []
    for name, votes, sheet in zip(names, cast, sheets, strict=True):
        said_a = sum(choice == "A" for choice in sheet["answers"].values())
        raters.append({"rater": name, **tally([*votes.values()]), "said_A": said_a})
    return {
        "all": tally([*verdicts.values()]),
        "both_right": tally([verdict for one, verdict in verdicts.items() if one in both_right]),
        "raters": raters,
        "agreement": agreement(names, cast),
        "one_order": one_order,
    }
