"""Base: the weights that a student starts from, or a local teacher answers with."""

from pydantic import model_validator

from stages.config.load import Block


class Base(Block):
    """The weights before fine-tuning: a hub id at a pinned revision, or a local folder of a known sha256."""

    hub: str | None = None  # "openai-community/gpt2"
    revision: str | None = None  # a commit of that hub repository
    path: str | None = None  # a folder with config.json, tokenizer and model.safetensors
    # of that folder's files (stages/students/load.py, base_sha256): DVC does not see the folder, but this
    sha256: str | None = None

    @model_validator(mode="after")
    def one_pinned_place(self) -> "Base":
        if (self.hub is None) == (self.path is None):
            raise ValueError("give either `hub` (with `revision`) or `path` (with `sha256`)")
        if (self.hub and not self.revision) or (self.path and not self.sha256):
            raise ValueError("pin it: `revision` with `hub`, `sha256` with `path`")
        return self
