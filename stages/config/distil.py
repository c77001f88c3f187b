"""Distil: a student that learns from what another model says at each label, beside the labels themselves."""

from pydantic import Field

from stages.config.load import Block


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
