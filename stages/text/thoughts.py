"""Thoughts: what a reasoning model writes down before it answers, where a server leaves it in the text."""

import re

# <think>, <seed:think>; [THINK] (Mistral); \u25c1think\u25b7 (Kimi); <|begin_of_thought|> (OpenThoughts)
TAG = re.compile(
    r"<(?P<end>/)?(?:\w+:)?(?:think|thinking|thoughts?|reason|reasoning|scratchpad)\s*>"
    r"|(?-i:\[(?P<end2>/)?THINK\])|\u25c1(?P<end3>/)?think\u25b7|<\|(?:begin|(?P<end4>end))_of_thought\|>",
    re.IGNORECASE,
)


def closing_of(tag: str) -> str:
    """The end of a thought that begins so: "</think>", "[/THINK]", "<|end_of_thought|>"."""
    return tag.replace("begin", "end") if "begin_of" in tag else f"{tag[0]}/{tag[1:]}"


def split_thoughts(text: str) -> tuple[str, str]:
    """(what is said, what is thought) of "<think>...</think> The answer is 5.".

    Of a thought that is not ended all that follows is thought; of one that only ends, all that comes before.
    """
    said: list[str] = []
    thoughts: list[str] = []
    thinking = False
    last = 0
    for tag in TAG.finditer(text):
        piece = text[last : tag.start()]
        last = tag.end()
        ends = any(tag.groups())
        if ends and not thinking:  # its beginning stood in the prompt
            thoughts += [*said, piece]
            said = []
        else:
            (thoughts if thinking else said).append(piece)
        thinking = not ends
    (thoughts if thinking else said).append(text[last:])
    return "".join(said), "".join(thoughts).strip()


def spoken(text: str) -> tuple[str, str]:
    """(answer, thoughts) as a chat model's turn has them; a text without thoughts stays as it is."""
    said, thoughts = split_thoughts(text)
    return (text, "") if said == text else (said.lstrip(), thoughts)
