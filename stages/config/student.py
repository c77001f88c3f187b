"""A student's block in params.yaml: which weights it starts from and how it is fine-tuned (`students.<name>`)."""

from pydantic import Field, model_validator

from stages.config.load import Block


class Base(Block):
    """The weights before fine-tuning: a hub id at a pinned revision, or a local folder whose weights have a known sha256."""

    hub: str | None = None  # "openai-community/gpt2"
    revision: str | None = None  # a commit of that hub repository
    path: str | None = None  # a folder with config.json, tokenizer and model.safetensors
    sha256: str | None = None  # of that folder's files (stages/student.py, `content`): DVC cannot see the folder, but it sees this

    @model_validator(mode="after")
    def one_pinned_place(self) -> "Base":
        if (self.hub is None) == (self.path is None):
            raise ValueError("give either `hub` (with `revision`) or `path` (with `sha256`)")
        if (self.hub and not self.revision) or (self.path and not self.sha256):
            raise ValueError("pin it: `revision` with `hub`, `sha256` with `path`")
        return self


class Student(Block):
    """Fine-tune-CoT appendix A, open students: full fine-tuning, lr 3e-4, batch 8, at most 20 epochs."""

    base: Base
    lr: float = Field(3e-4, gt=0)
    batch_size: int = Field(8, ge=1)  # sequences a step, over all micro-batches
    epochs: int = Field(20, ge=1)
    weight_decay: float = Field(0.0, ge=0)
    clip: float = Field(1.0, gt=0)  # largest norm of a step's gradient
    max_tokens: int = Field(1024, ge=2)  # longer texts are cut and counted
    keep_epochs: bool = False  # keep every epoch's weights, for the paper's best-epoch-on-test column
