"""On policy: a part of each step is what the student itself says to the train questions (GKD, Agarwal et al.,
arXiv 2306.13649, algorithm 1), and a teacher in memory tells what it would have said at each token.

    loss of a label = (1 - alpha) x cross-entropy + alpha x T^2 x JSD(beta)(teacher || student)

over the whole vocabulary, both softmax(logits / T). What the student has said has no cross-entropy: nobody
knows it to be right. No gradient goes through the drawing (section 3).
Differs: the paper draws once whether a whole step is sampled; here it is drawn for each unit of it
(difference 61).
"""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from stages.config.decoding import Decoding
from stages.config.distil import Distil
from stages.config.student import Student, teacher_of
from stages.students.decode import decode_in_loop
from stages.students.load import Loaded
from stages.students.schedule import AnswerRow
from stages.students.tokens import Target, Tokens
from stages.training.cross_entropy import each_cross_entropy, exact, rows_at_a_time
from stages.training.distil import divergence
from stages.training.layout import choose_layout
from stages.training.objective import Batch, label_logits
from stages.training.steps import Shape, step_rows
from stages.training.teacher import check_teacher, check_text, load_teacher


def generalised_jsd(log_p: torch.Tensor, log_q: torch.Tensor, beta: float) -> torch.Tensor:
    """float[n], of log-probabilities [n, vocabulary] of the teacher and the student (section 2):

    beta KL(p || m) + (1 - beta) KL(q || m) with m = beta p + (1 - beta) q; at 0 KL(p || q), at 1 KL(q || p),
    which are its limits divided by beta and by 1 - beta.
    """
    if beta in (0.0, 1.0):
        return divergence(log_q, log_p) if beta else divergence(log_p, log_q)
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log1p(-beta))
    return beta * divergence(log_p, log_m) + (1 - beta) * divergence(log_q, log_m)


def live_losses(
    distil: Distil, hard: bool, logits: torch.Tensor, labels: torch.Tensor, said: torch.Tensor
) -> torch.Tensor:
    """Logits [n, vocabulary] of the student, labels int64[n], the teacher's logits -> float[n]. hard: whether
    the labels are of the data.
    """
    assert distil.on_policy is not None
    known = min(logits.shape[-1], said.shape[-1])  # a head may be padded
    log_p, log_q = ((exact(each)[:, :known] / distil.temperature).log_softmax(-1) for each in (said, logits))
    taught = generalised_jsd(log_p, log_q, distil.on_policy.beta)
    soft = distil.alpha * distil.temperature**2 * taught
    return soft + (1 - distil.alpha) * each_cross_entropy(logits, labels) if hard else soft


def prompt_of(text: Tokens) -> list[int]:
    """What a text's student is asked. Raises ValueError for a text in which it says several things."""
    tasks = sorted({target.task for target in text.targets})
    if len(tasks) > 1:
        raise ValueError(
            f"{text.example_id}: `distil.on_policy` samples texts of one task, got {', '.join(tasks)} in one"
            " text: take another method, or soft labels without `on_policy`"
        )
    prompt: list[int] = text.inputs[: text.targets[0].start + 1].tolist()
    return prompt


@contextmanager
def asking(model: Any) -> Iterator[None]:
    """Without dropout; training goes on behind it."""
    model.eval()
    try:
        yield
    finally:
        model.train()


class StudentPolicy:
    """A student that is trained on what it says, and its teacher. Both take rows of `shape.layout`."""

    def __init__(self, student: Loaded, teacher: Loaded, settings: Student, seed: int, shape: Shape) -> None:
        assert settings.distil is not None
        assert settings.distil.on_policy is not None
        self.student = student
        self.teacher = teacher
        self.distil = settings.distil
        self.how = settings.distil.on_policy
        self.seed = seed
        self.shape = shape

    def rows(self, units: Sequence[list[Tokens]], step: int) -> list[Batch]:
        """A step's rows: of the texts as they are, and of what the student says in place of others. Which
        ones, and every word, is drawn by (seed, step).
        """
        draw = random.Random(f"{self.seed} {step} on policy")
        own = [draw.random() < self.how.share for _ in units]
        kept = [unit for unit, sampled in zip(units, own, strict=True) if not sampled]
        asked = [unit for unit, sampled in zip(units, own, strict=True) if sampled]
        rows = step_rows(kept, self.shape) if kept else []
        if asked:
            rows += [{**row, "sampled": True} for row in step_rows(self.said(asked, step), self.shape)]
        return rows

    def said(self, units: Sequence[list[Tokens]], step: int) -> list[list[Tokens]]:
        """The same units with the student's own answers as their targets."""
        texts = [text for unit in units for text in unit]
        decoding = Decoding(
            max_new_tokens=self.how.max_new_tokens,
            temperature=1.0,
            samples=1,
            seed=random.Random(f"{self.seed} {step}").getrandbits(48),
        )
        rows = []
        for place, prompt in enumerate(map(prompt_of, texts)):
            room = min(self.student.positions, self.teacher.positions) - len(prompt)
            rows.append(AnswerRow(place, 0, prompt, prompt, max(1, min(self.how.max_new_tokens, room))))
        last = {int(text.targets[-1].labels[-1]) for text in texts if not text.truncated}
        ends = last | {self.student.tokenizer.eos_token_id}

        def ended(row: AnswerRow) -> bool:
            return row.tokens[-1] in ends or len(row.tokens) == row.max_tokens

        with asking(self.student.model):
            decode_in_loop(self.student, rows, decoding, ended)
        answers = iter([answered(text, row) for text, row in zip(texts, rows, strict=True)])
        return [[next(answers) for _ in unit] for unit in units]

    def losses(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of each label of a row; the teacher reads it now."""
        with torch.no_grad():
            said = label_logits(self.teacher.model, batch)
        loss = partial(live_losses, self.distil, not batch.get("sampled"))
        return rows_at_a_time(loss, logits, batch["labels"], said)


def check_texts(texts: Mapping[str, Sequence[Tokens]]) -> None:
    """Raises ValueError where a method weighs single tokens: what is said in place of a text to be unlearnt
    would be unlearnt whole.
    """
    for part in texts.values():
        for text in part:
            check_text(text)


def with_teacher(
    student: Loaded, settings: Student, seed: int, shape: Shape, longest: int
) -> tuple[StudentPolicy, Shape]:
    """The policy, its teacher in memory, and the shape of rows that both models take. longest: tokens of a
    text as it is.

    Raises ValueError for what cannot be sampled here, and for a teacher that cannot teach this student.
    """
    distil = settings.distil
    assert distil is not None
    assert distil.on_policy is not None
    if shape.world > 1:
        raise ValueError(
            "`distil.on_policy` samples in one process, got several: drop COT_LAUNCH, or take soft labels"
        )
    if student.encoder_decoder:
        raise ValueError(
            "`distil.on_policy` is for causal students: an encoder-decoder can learn soft labels without it"
        )
    teacher = load_teacher(teacher_of(distil), settings.precision)
    check_teacher(distil.teacher, teacher, student, longest)
    layout, _ = choose_layout(teacher.model, longest + distil.on_policy.max_new_tokens, settings.precision)
    if layout != shape.layout:
        shape = replace(shape, layout="padded")
    return StudentPolicy(student, teacher, settings, seed, shape), shape


def answered(text: Tokens, row: AnswerRow) -> Tokens:
    """A text with what was said in place of its targets."""
    first = text.targets[0]
    target = Target(first.start, np.array(row.tokens, np.int32), first.task, first.weight)
    return replace(text, inputs=np.array(row.prompt + row.tokens[:-1], np.int32), targets=[target])
