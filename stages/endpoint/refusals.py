"""Refusals: which errors are about one prompt, and not about the account, the model or the request's form.

Servers word them in their own ways, and no status tells them apart: 400, 403, 413, 422 and 451 stand for
both. What is recognised here costs this prompt only; for the rest see `Live.goes_on`.
"""

import re

ONE_PROMPT = (400, 403, 413, 422, 451, 500)  # statuses that an error about one prompt comes with

# the answer to it: the prompt counts as missing
TOO_LONG = re.compile(
    r"context[ _-]?(?:length|size|window|limit)|(?:input|prompt|sequence) length|tokens limit exceeded|长度超"
    r"|maximum (?:model|context|input) length|string_above_max_length"
    r"|(?:prompt|input|request|message)s?[^.]{0,60} too (?:long|large)|longer than the (?:maximum )?model"
    r"|token count[^.]{0,40} exceeds|exceeds the (?:maximum|available)|must have less than \d+ tokens"
    r"|tokens[`'\" ]*\+[`'\" ]*max_(?:new_)?tokens|reduce the length|entity too large|too many tokens",
    re.IGNORECASE,
)
REFUSED = re.compile(
    r"moderation|flagged|content[ _-]?(?:policy|filter|exists risk|violat)"
    r"|violat\w*[^.]{0,40} (?:policy|guideline|terms)|llama[ _-]?guard|toxic|self[ -]harm|\brecitation\b"
    r"|(?:usage|safety|guardrail)\w* (?:policy|policies|guideline)|guardrail|safety[_ -]check|safety system"
    r"|inappropriate|data_inspection|invalid_prompt|harmful|unsafe|responsible ai|legal reasons|prohibited"
    r"|sensitive content|不安全|敏感|违规|不当",
    re.IGNORECASE,
)
# who asks, whatever it is reproached with
ACCOUNT = re.compile(
    r"\b(?:your|this|the) (?:account|organi[sz]ation|project|(?:api )?key)\b|suspended|deactivated|banned",
    re.IGNORECASE,
)
# the account, the model or the form of the request: no other call will succeed either
FOR_ALL = re.compile(
    r"parameter|unsupported|not support|does not (?:exist|allow)|no endpoints?|unknown model|model_not_found"
    r"|temperature|max_(?:completion_)?tokens|top_p|api key|permission|organi[sz]ation|billing|account"
    r"|(?:have|has|no) access|invalid model|extra (?:fields|inputs)|unrecogni[sz]ed|credits?\b|quota"
    r"|(?:completion|choice|candidate)s? (?:is|are)|\bn\b",
    re.IGNORECASE,
)


def about_one_prompt(status: int, text: str) -> str | None:
    """ "too_long" or "refused", for an error that concerns its prompt alone; None for another one."""
    if status not in ONE_PROMPT:
        return None
    if status == 413 or TOO_LONG.search(text):
        return "too_long"
    refused = status == 451 or (status != 500 and REFUSED.search(text) and not ACCOUNT.search(text))
    return "refused" if refused else None


def nobody_knows(status: int, text: str) -> bool:
    """Whether an error may be about its prompt or about everything, for all that it says."""
    return status in ONE_PROMPT and status < 500 and not FOR_ALL.search(text)
