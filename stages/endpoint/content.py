"""Content: what servers write in place of a text, and of the reason why it ended; in one form each."""

import json
from typing import Any

# Of other servers and APIs, in small letters and without Google's "FINISH_REASON_"
STOPPED = """eos eos_token eos_token_id eot_id end end_turn end_of_turn stop_sequence stop_token complete
    completed finish finished done"""
CUT = """max_tokens max_new_tokens max_output_tokens max_length model_length length_limit token_limit limit
    context_length model_context_window_exceeded"""
FILTERED = "safety safety_filter content_filtered recitation prohibited_content blocklist spii"
FINISH_REASONS = {
    **dict.fromkeys(STOPPED.split(), "stop"),
    **dict.fromkeys(CUT.split(), "length"),
    **dict.fromkeys(FILTERED.split(), "content_filter"),
}
# the provider's failure, whatever text there is by then: asked again, and no answer
FAILED = set(
    """error failed abort aborted cancelled canceled timeout internal_error server_error network_error
    insufficient_system_resource malformed_function_call""".split()
)
THOUGHTS = ("thinking", "reasoning", "thought", "summary")  # where a part of a content holds thoughts
LONGEST_NAME = 200  # characters of a model's name and the like


class Malformed(ValueError):
    """A response without the fields that the API promises."""


def as_text(value: Any) -> str:
    """A part of a body for people."""
    try:
        return value if isinstance(value, str) else json.dumps(value)
    except RecursionError:
        return "nested too deep to be shown"


def finish_reason(given: Any) -> str:
    """In OpenAI's words: other servers say "eos", "end_turn", "MAX_TOKENS"."""
    said = name_of(given).lower().removeprefix("finish_reason_") or "unknown"
    return FINISH_REASONS.get(said, said)


def name_of(given: Any) -> str:
    """What stands where a name is wanted; "" for none, and for what is nested."""
    return str(given)[:LONGEST_NAME] if given and isinstance(given, str | int) else ""


def joined_parts(content: Any) -> tuple[Any, str]:
    """(text, thoughts) of a content that is a list of parts, or one part; another content as it is."""
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return content, ""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif not isinstance(part, dict):
            raise Malformed(f"a part of the content is {as_text(part)}")
        elif part.get("type") in THOUGHTS or any(part.get(name) for name in THOUGHTS):
            thoughts.append(
                text_of(next((part[name] for name in (*THOUGHTS, "text") if is_told(part, name)), ""))
            )
        else:
            texts.append(
                text_of(next((part[name] for name in ("text", "content") if is_told(part, name)), ""))
            )
    return "".join(texts), "".join(thoughts)


def is_told(part: dict[str, Any], name: str) -> bool:
    """Whether a part holds text there: Google's `thought: true` only says of what kind its `text` is."""
    return isinstance(part.get(name), str | list | dict)


def text_of(value: Any) -> str:
    """The text of a part: as it is, as {"value": ...}, or in parts of its own."""
    if isinstance(value, dict) and isinstance(value.get("value"), str):
        return str(value["value"])
    return str(joined_parts(value)[0])


def refused_parts(content: Any) -> str:
    """What the parts of a content say of why there is no answer."""
    parts = content if isinstance(content, list) else []
    return "".join(
        part["refusal"] for part in parts if isinstance(part, dict) and isinstance(part.get("refusal"), str)
    )
