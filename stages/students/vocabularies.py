"""Vocabularies: whether two tokenizers give each text the same ids, so that two models mean the same."""

from typing import Any

# parts of a tokenizer.json that decide the ids of a text and what they stand for; what is put around texts
# ("post_processor") does not: a teacher reads the student's ids
PARTS = ("normalizer", "pre_tokenizer", "added_tokens")


def merges_of(model: dict[str, Any]) -> list[tuple[str, ...]]:
    """Of a BPE model; older files write a merge as one text."""
    merges = model.get("merges") or []
    return [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in merges]


def tokens_of(model: dict[str, Any]) -> dict[str, int]:
    """Token -> id; a unigram model lists its tokens with their scores."""
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        return vocabulary
    return {token: place for place, (token, _) in enumerate(vocabulary)}


def tokenizers_differ(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Why two tokenizers, each the values of a tokenizer.json, are not the same, in words; "" if they are."""
    one, other = (tokens_of(tokenizer["model"]) for tokenizer in (ours, theirs))
    if one != other:
        places = one.keys() | other.keys()
        apart = sorted(
            (token for token in places if one.get(token) != other.get(token)), key=lambda t: (len(t), t)
        )
        shown = ", ".join(
            f"{token!r} is {one.get(token, 'no token')} and {other.get(token, 'no token')}"
            for token in apart[:3]
        )
        return f"{len(one)} and {len(other)} tokens, {len(apart)} of them apart: {shown}"
    if merges_of(ours["model"]) != merges_of(theirs["model"]):
        return "the same tokens, other merges"
    if ours["model"]["vocab"] != theirs["model"]["vocab"]:
        return "the same tokens, other scores"
    for part in PARTS:
        if ours.get(part) != theirs.get(part):
            return f"the same tokens, another `{part}`"
    return ""
