"""A student's block in params.yaml (`students.<name>`): which weights it starts from and how it is
fine-tuned, here or at OpenAI.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from stages.config.base import Base
from stages.config.distil import Distil
from stages.config.load import Block, check, find, read_params
from stages.config.normalisation import Normalisation
from stages.config.precision import Precision

# OpenAI's base models that can be fine-tuned; its "gpt-" models answer under chat
COMPLETIONS_ONLY = ("babbage-002", "davinci-002")


class Lora(Block):
    """Low-rank adapters instead of full fine-tuning.

    CasCoD Table 7: rank 64, alpha 32, dropout 0.05, q_proj and v_proj.
    """

    r: int = Field(64, ge=1)
    alpha: int = Field(32, ge=1)  # the adapters' product is scaled by alpha / r
    dropout: float = Field(0.05, ge=0, lt=1)
    # names of linear layers: q and v in T5, c_attn in GPT-2
    targets: list[str] = Field(["q_proj", "v_proj"], min_length=1)
    # true: into the weights that are saved; else the student is its adapters and a pointer to the base
    merge: bool = False


class Student(Block):
    """Fine-tune-CoT appendix A, open students: full fine-tuning, lr 3e-4, batch 8, at most 20 epochs.

    AdamW with betas 0.9 and 0.999.
    """

    kind: Literal["local"] = "local"
    base: Base
    lr: float = Field(3e-4, gt=0)
    # of lr. linear, cosine: down to 0; step: x 0.95 per epoch (CasCoD Table 7)
    schedule: Literal["constant", "linear", "cosine", "step"] = "constant"
    warmup_steps: int = Field(0, ge=0)  # before that, lr grows from 0 over so many steps
    # units a step, over all rows and processes: sequences, but those of one completion (CasCoD's two) are one
    batch_size: int = Field(8, ge=1)
    epochs: int = Field(20, ge=1)
    # optimizer steps in place of epochs: as many epochs as they take, the last one cut (SCoTD's 20,000)
    max_steps: int | None = Field(None, ge=1)
    weight_decay: float = Field(0.0, ge=0)
    eps: float = Field(1e-8, gt=0)  # AdamW's
    clip: float = Field(1.0, gt=0)  # largest norm of a step's gradient
    normalisation: Normalisation = "batch"  # a task's loss over a step
    # completions of one question that stand in the same step, to share its computation: for large batches
    group_size: int = Field(1, ge=1)
    max_tokens: int = Field(1024, ge=2)  # longer texts are cut and counted
    # the most tokens of a prompt: a longer one loses its end, trained and asked, and is counted
    max_prompt_tokens: int | None = Field(None, ge=1)
    # in bfloat16 the weights that are trained stay float32, the student is saved in bfloat16
    precision: Precision = "auto"
    # the epoch whose weights stay: that of the least validation loss, or the one that answers most questions
    # of the validation part, asked as those of the test part are
    select: Literal["loss", "accuracy"] = "loss"
    keep_epochs: bool = False  # keep every epoch's weights, for the paper's best-epoch-on-test column
    lora: Lora | None = None
    # train adapters on a base of 4-bit numbers (bitsandbytes, on CUDA); they are used with the full one
    four_bit: bool = False
    # learn what another model says at each label, too: soft labels (stages/training/distil.py)
    distil: Distil | None = None

    @model_validator(mode="after")
    def settings_agree(self) -> "Student":
        if self.schedule == "step" and self.warmup_steps:
            raise ValueError(
                "`schedule: step` has no warm-up: drop `warmup_steps`, or take linear, cosine or constant"
            )
        if self.max_prompt_tokens and self.max_prompt_tokens >= self.max_tokens:
            raise ValueError(
                f"`max_prompt_tokens` is {self.max_prompt_tokens}, `max_tokens` {self.max_tokens}: no room"
                " for an answer"
            )
        if self.four_bit and not self.lora:
            raise ValueError("4-bit weights cannot be trained themselves: give `lora` with `four_bit`")
        return self


class HostedStudent(Block):
    """Fine-tune-CoT appendix A.4, students at OpenAI: 4 epochs, a batch of 0.2 % of the examples but at most
    256, prompt-loss weight 0.01.

    Differs: a learning rate multiplier of 0.05, 0.1 or 0.2 "depending on the batch size" cannot be had:
    nobody published where it changes (difference 34).
    Differs: no prompt-loss weight by default: today's API has none (the retired /fine-tunes had); one that is
    given is sent all the same (difference 35).
    """

    kind: Literal["openai"]
    endpoint: str  # a block under `endpoints`
    model: str  # the base model, as the endpoint calls it
    # how it is trained and asked: messages, or prompt and completion
    api: Literal["chat", "completions"] = "chat"
    epochs: int = Field(4, ge=1)
    batch_size: int | None = Field(None, ge=1)  # null: 0.2 % of the examples, from 1 to 256
    learning_rate_multiplier: float | None = Field(None, gt=0)  # null: the server's choice
    # for servers that offer one; others refuse it before anything is paid
    prompt_loss_weight: float | None = Field(None, ge=0, le=1)

    @model_validator(mode="after")
    def api_of_the_model(self) -> "HostedStudent":
        base = self.model.removeprefix("ft:").split(":")[0]
        if base in COMPLETIONS_ONLY and self.api == "chat":
            raise ValueError(f"{base} has no chat: give `api: completions`")
        chat = base.startswith(("gpt-3.5-turbo", "gpt-4")) and "instruct" not in base
        if chat and self.api == "completions":
            raise ValueError(f"{base} is asked under chat: give `api: chat`")
        return self


def check_student(where: str, values: dict[str, Any]) -> Student | HostedStudent:
    """A student's block as the model of its kind; without `kind` it is a local one."""
    kind = values.get("kind", "local") if isinstance(values, dict) else "local"
    if kind not in ("local", "openai"):
        raise ValueError(f"params.yaml: `{where}.kind`: got {kind!r}, wanted 'local' or 'openai'")
    return check(where, values, HostedStudent) if kind == "openai" else check(where, values, Student)


def read_student(name: str) -> Student | HostedStudent:
    """The checked block `students.<name>` of ./params.yaml."""
    return check_student(f"students.{name}", find(read_params(), f"students.{name}"))


def teacher_of(distil: Distil) -> Base:
    """What the weights are that teach. Raises ValueError for a block that is not there or has none."""
    where = f"students.{distil.teacher}"
    values = find(read_params(), where)
    if "base" not in values:
        raise ValueError(
            f"`distil.teacher: {distil.teacher}` is a student at OpenAI, whose logits nobody has"
        )
    return check(f"{where}.base", values["base"], Base)
