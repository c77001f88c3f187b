"""Distil: a student that learns from what another model says at each label, beside the labels themselves."""

from pydantic import Field

from stages.config.load import Block


class OnPolicy(Block):
    """The student learns from what it says itself (GKD, Agarwal et al., arXiv 2306.13649)."""

    share: float = Field(0.5, ge=0, le=1)  # of a step's units, lambda: so many are sampled from the student
    # of the divergence: 0 is KL(teacher || student), 1 is KL(student || teacher), between them the
    # generalised Jensen-Shannon divergence
    beta: float = Field(0.5, ge=0, le=1)
    max_new_tokens: int = Field(128, ge=1)  # of what is sampled


class Distil(Block):
    """Word-level knowledge distillation (Hinton et al., arXiv 1503.02531; Kim and Rush, arXiv 1606.07947):

    loss of a label = (1 - alpha) x cross-entropy + alpha x temperature^2 x KL(teacher || student)
    """

    # a block under `students`: the weights that it starts from teach. Their tokenizer is the student's
    teacher: str
    # so many of the teacher's likeliest tokens are kept for each label; the rest is one number
    top_k: int = Field(64, ge=1)
    alpha: float = Field(0.5, ge=0, le=1)
    temperature: float = Field(1.0, gt=0)  # both models' logits are divided by it
    # the teacher is asked while the student is trained, about its own words too: `top_k` counts for nothing
    on_policy: OnPolicy | None = None
