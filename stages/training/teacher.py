"""Teacher: the model whose probabilities a student learns (`students.NAME.distil`), and what it says.

It reads the ids that the student reads, so both need one vocabulary.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import send_to_device

from stages.config.base import Base
from stages.config.cli import progress
from stages.config.distil import Distil
from stages.config.precision import Arithmetic, Precision
from stages.config.student import Student, teacher_of
from stages.records.example import LEARNED
from stages.students.device import autocast
from stages.students.load import Loaded, load_base
from stages.students.tokens import SoftLabels, Tokens
from stages.students.vocabularies import tokenizers_differ
from stages.training.cross_entropy import ROWS, exact
from stages.training.distil import Writer, in_buckets
from stages.training.layout import choose_layout
from stages.training.objective import label_logits
from stages.training.outline import outline_of
from stages.training.rows import fill_rows
from stages.training.state import whole_or_nothing
from stages.training.step_trainer import enough_memory
from stages.training.steps import Shape, collate_row
from stages.training.tokenised import tokenised

BLOCK = 256  # texts whose rows are planned together


def load_teacher(base: Base, precision: Precision) -> Loaded:
    """The model that teaches, to be asked only. A GGUF file is made a folder in the cache, once."""
    if base.gguf:
        from stages.students.gguf import converted

        base = converted(base)
    loaded = load_base(base, precision=precision)
    return replace(loaded, model=loaded.model.eval().requires_grad_(False))


def check_teacher(name: str, teacher: Loaded, student: Loaded, longest: int) -> None:
    """Raises ValueError where the teacher cannot read what the student reads, or says it in other tokens."""
    ours, theirs = (json.loads(one.tokenizer.backend_tokenizer.to_str()) for one in (student, teacher))
    if why := tokenizers_differ(ours, theirs):
        raise ValueError(
            f"`distil.teacher: {name}`: its tokenizer is not the student's ({why}), so its probabilities are"
            " of other tokens: take a teacher of the student's family"
        )
    if teacher.start != student.start:
        raise ValueError(f"`distil.teacher: {name}`: one of both is an encoder-decoder, or begins otherwise")
    if longest > teacher.positions:
        raise ValueError(
            f"`distil.teacher: {name}` reads at most {teacher.positions} tokens, the longest text has"
            f" {longest}: lower `max_tokens`"
        )


def check_text(text: Tokens) -> None:
    """Raises ValueError for a text whose tokens weigh one by one: some are to be unlearned."""
    if any(target.token_weights is not None for target in text.targets):
        raise ValueError(
            f"{text.example_id}: its method weighs single tokens, some of them below 0, and what a teacher"
            " says is to be learned: drop `distil` from the student's block, or take another method"
        )


def likeliest(logits: torch.Tensor, distil: Distil, known: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits [k, vocabulary] -> ids int32[k, n] and log-probabilities float16[k, n + 1] of the n likeliest
    tokens, and of all others together. known: tokens that the student has an embedding of; others, which pad
    a larger model's vocabulary, count as not there.
    """
    n = min(distil.top_k, known, logits.shape[-1])
    ids = []
    log_p = []
    for part in logits[:, :known].split(ROWS):
        each = exact(part) / distil.temperature
        places = each.topk(n).indices
        ids.append(places.int())
        log_p.append(in_buckets(each, places).half())
    return torch.cat(ids).cpu().numpy(), torch.cat(log_p).cpu().numpy()


class Scorer:
    """A teacher in one layout of rows, for texts of at most `longest` tokens."""

    def __init__(self, teacher: Loaded, longest: int, precision: Precision) -> None:
        self.teacher = teacher
        self.arithmetic: Arithmetic = "bfloat16" if precision == "bfloat16" else "float32"
        self.layout, _ = choose_layout(teacher.model, longest, precision)

    @torch.no_grad()
    def logits(self, row: list[Tokens], shape: Shape) -> torch.Tensor:
        """[k, vocabulary]: of the labels of a row's texts, one text after the other."""
        where = self.teacher.device
        batch: dict[str, Any] = send_to_device(collate_row(row, shape, True), where)
        with enough_memory("the teacher", shape.budget), autocast(where, self.arithmetic):
            return label_logits(self.teacher.model, batch)

    def soft_labels(self, texts: Sequence[Tokens], distil: Distil, known: int) -> Iterator[SoftLabels]:
        """Of each text, in their order."""
        tasks = outline_of(texts).tasks
        shape = Shape(self.layout, tasks, "batch", self.teacher.tokenizer.pad_token_id)
        for start in range(0, len(texts), BLOCK):
            block = texts[start : start + BLOCK]
            found: dict[int, SoftLabels] = {}
            for row in fill_rows([[text] for text in block], shape.budget, self.layout):
                ids, log_p = likeliest(self.logits(row, shape), distil, known)
                ends = np.cumsum([sum(text.counts().values()) for text in row])[:-1]
                pieces = zip(row, np.split(ids, ends), np.split(log_p, ends), strict=True)
                found |= {id(text): SoftLabels(*piece) for text, *piece in pieces}
            yield from (found[id(text)] for text in block)


def ask_teacher(settings: Student, sequences: Path, code: Path, out: Path) -> None:
    """Write the soft labels of both parts' texts, in `settings.precision`.

    Raises ValueError as `tokenised` does, and for a teacher that cannot teach this student.
    """
    distil = settings.distil
    assert distil is not None
    student = replace(load_base(settings.base), max_prompt_tokens=settings.max_prompt_tokens)
    known = student.model.get_input_embeddings().num_embeddings
    texts, _ = tokenised(sequences, code, student, settings)
    student.model.to("meta")  # its weights go before the teacher's come
    teacher = load_teacher(teacher_of(distil), settings.precision)
    for text in (text for part in LEARNED for text in texts[part]):
        check_text(text)
    longest = max(outline_of(texts[part]).longest for part in LEARNED)
    check_teacher(distil.teacher, teacher, student, longest)
    scorer = Scorer(teacher, longest, settings.precision)
    with whole_or_nothing(out):
        file = Writer(out, {part: len(texts[part]) for part in LEARNED})
        for part in LEARNED:
            said = scorer.soft_labels(texts[part], distil, known)
            told = progress(said, f"{distil.teacher}, {part} texts", len(texts[part]))
            for text, soft in zip(texts[part], told, strict=True):
                file.add(text, soft)
        file.close()
