"""Normalisation: what a task's loss over a step is a mean of, as a student's block asks for it."""

from typing import Literal

# a task's loss over a step: the mean over its tokens, the mean over its texts of a text's mean, or of its sum
# (stages/training/objective.py)
Normalisation = Literal["batch", "sequence", "tokens"]
