"""Precision: the arithmetic that a model is trained and asked in, as its block asks for it."""

from typing import Literal

Arithmetic = Literal["float32", "bfloat16"]
# auto: bfloat16 where the machine computes with it (stages/students/device.py), else float32
Precision = Literal["float32", "bfloat16", "auto"]
