"""How a tokenizer cuts texts before byte pairs are merged: in llama.cpp code behind a name, which a GGUF file
has, in a tokenizer.json steps. From one to the other.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

# the pattern of Qwen2's and Qwen2.5's published tokenizer.json
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
GPT2 = ("ByteLevel", True)  # with GPT-2's own pattern
Cut = tuple[Any, ...]
NAMES: dict[tuple[Cut, ...], str] = {
    (GPT2,): "gpt-2",
    (("Digits", True), GPT2): "smollm",
    (("Split", QWEN2, "Isolated", False), ("ByteLevel", False)): "qwen2",
}
BYTE_LEVEL = "gpt2"  # what a GGUF file calls a tokenizer of this kind


def cuts_of(part: dict[str, Any] | None) -> Iterator[Cut]:
    """The steps of a pre-tokenizer, each with what decides where it cuts; none where a tokenizer has none."""
    if part is None:
        return
    kind = part["type"]
    if kind == "Sequence":
        for one in part["pretokenizers"]:
            yield from cuts_of(one)
    elif kind == "ByteLevel" and not part["add_prefix_space"]:
        yield kind, part["use_regex"]
    elif kind == "Digits":
        yield kind, part["individual_digits"]
    elif kind == "Split":
        yield kind, part["pattern"].get("Regex"), part["behavior"], part["invert"]
    else:
        yield kind, json.dumps(part, sort_keys=True)


def pre_tokenizer(file: Path) -> str:
    """llama.cpp's name for how this tokenizer.json cuts texts. Raises ValueError where it has none, and for a
    tokenizer that is no byte-level BPE.
    """
    told = json.loads(file.read_text(encoding="utf-8"))
    if told["model"]["type"] != "BPE" or told["model"].get("byte_fallback"):
        raise ValueError(f"{file}: a tokenizer of the kind {told['model']['type']}, wanted byte-level BPE")
    cuts = tuple(cuts_of(told["pre_tokenizer"]))
    normalizer = (told["normalizer"] or {}).get("type")
    name = NAMES.get(cuts)
    if name is None or normalizer not in (None, "NFC" if name == "qwen2" else None):
        steps = ", ".join(str(cut[0]) for cut in cuts)
        raise ValueError(
            f"{file}: llama.cpp has no pre-tokenizer that cuts texts as this one does ({steps}), so a GGUF"
            " file would be asked with other tokens than the student was trained on"
        )
    return name


def cut_as_told(tokenizer: Any, told: dict[str, str], file: Path) -> None:
    """Let a tokenizer that `transformers` read from a GGUF file cut texts as the file says: it knows many
    names, and takes GPT-2's pattern for all others, which keeps the space before a number with it.

    told: the file's `tokenizer.ggml.model` and `.pre`. A name that neither knows is told on stderr.
    """
    name = told.get("pre")
    if told.get("model") != BYTE_LEVEL or name is None:
        return
    backend = tokenizer.backend_tokenizer
    if name == "smollm":
        steps = [Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)]
        backend.pre_tokenizer = Sequence(steps)
    elif tuple(cuts_of(json.loads(backend.to_str())["pre_tokenizer"])) == (GPT2,) and name != NAMES[(GPT2,)]:
        print(
            f"{file}: its pre-tokenizer {name!r} is not known here and GPT-2's is taken: some texts may be"
            " cut into other tokens than the model learned",
            file=sys.stderr,
        )
