"""Chat: a question as its student's own chat template puts it, as tokens.

Only the asking side is rendered, up to where the student begins to speak (the "generation prompt"), and what
is trained follows it. So what is asked is how what was trained begins, whatever a template does to answers:
some trim them, some leave their thoughts out.
"""

from functools import lru_cache
from typing import Any, NamedTuple

from jinja2 import TemplateError

from stages.text.thoughts import TAG, closing_of

USER, SAID = "\ue000", "\ue001"  # of Unicode's private use: stand for texts while a template is looked at
# for templates that write the day: no prompt may change from day to day. A server tells its own
DAY = "{% macro strftime_now(form) %}26 Jul 2024{% endmacro %}"


class Turn(NamedTuple):
    """How a student's turn begins and ends."""

    closing: str  # ends a thought that the template begins for the student: the first thing it says
    end: int  # the token that ends it


def applied(tokenizer: Any, turns: list[tuple[str, str]], asking: bool, **options: Any) -> Any:
    """(role, text) of each turn in the template's words; asking: up to where the student speaks.

    Raises ValueError where there is no template, or it takes no such conversation.
    """
    name = getattr(tokenizer, "name_or_path", "") or "the student"
    if not getattr(tokenizer, "chat_template", None):
        raise ValueError(
            f"{name}: its tokenizer has no chat template, which `format: chat` needs: choose another format"
            " of the method, or a student that is chat-tuned"
        )
    template = tokenizer.get_chat_template()
    if "strftime_now" in template:
        template = DAY + template
    try:
        return tokenizer.apply_chat_template(
            [{"role": role, "content": text} for role, text in turns],
            chat_template=template,
            add_generation_prompt=asking,
            **options,
        )
    except TemplateError as error:
        roles = ", ".join(role for role, _ in turns)
        raise ValueError(f"{name}: its chat template refuses a conversation of {roles}: {error}") from error


def chat_tokens(tokenizer: Any, system: str, question: str) -> list[int]:
    """The prompt of a question: int[n], as a server's chat API has it. Text is text: a control token that it
    spells is its letters.

    Raises ValueError for a student without a chat template, or whose template does not take the system text.
    """
    turns = [("system", system)] * bool(system) + [("user", question)]
    ids = applied(tokenizer, turns, True, return_dict=False, sanitize_control_tokens=True)
    return [int(token) for token in ids]


@lru_cache(maxsize=8)
def turn_of(tokenizer: Any) -> Turn:
    """Its end: the control token that the template writes behind an answer; without one, the end of text."""
    asked = applied(tokenizer, [("user", USER)], True, tokenize=False)
    thoughts = list(TAG.finditer(asked.rpartition(USER)[2]))
    begun = thoughts[-1] if thoughts else None
    closing = f"{closing_of(begun[0])}\n\n" if begun and not any(begun.groups()) else ""
    whole = applied(tokenizer, [("user", USER), ("assistant", SAID)], False, tokenize=False)
    _, said, behind = whole.rpartition(SAID)
    controls = {token.content: n for n, token in tokenizer.added_tokens_decoder.items() if token.special}
    places = [(behind.find(text), n) for text, n in controls.items() if said and text in behind]
    return Turn(closing, min(places)[1] if places else int(tokenizer.eos_token_id))
