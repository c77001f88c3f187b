"""Train: fine-tune one student on the rendered sequences (Fine-tune-CoT section 3, step 3, and appendix A).

In: sequences, a student's block, a seed. Out: the student of the epoch with the least validation loss (the last one
without a validation slice), its loss curve, its counts. Killed and started again, it goes on where it was.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.cli import run
from stages.config.load import block
from stages.config.student import Student
from stages.records.jsonl import write_json, write_text
from stages.records.sequence import Sequence, read_sequences


def work_folder(sequences: Path, settings: Student, seed: int) -> Path:
    """Where the running state lives: outside DVC's reach, which deletes a stage's outs before it runs it.

    Named by everything that decides the result, so that only the same training ever continues.
    """
    content = hashlib.sha256(f"{settings.model_dump_json()} {seed} ".encode() + sequences.read_bytes())
    for module in ("train", "fit", "tokens", "student"):
        content.update(Path(__file__).with_name(f"{module}.py").read_bytes())
    home = os.environ.get("COT_WORK") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cot-distill" / "training"
    return Path(home) / content.hexdigest()[:32]


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Wait for another training of the same content: when dvc is killed, the stage that it ran may live on."""
    work.parent.mkdir(parents=True, exist_ok=True)
    with work.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def counts(sequences: list[Sequence], rows: dict[str, list[Any]], history: list[dict[str, Any]], best: int) -> dict[str, Any]:
    """What was trained, as numbers to diff."""
    return {
        "sequences_train": len(rows["train"]),
        "sequences_validation": len(rows["validation"]),
        "questions_train": len({sequence.example_id for sequence in sequences if sequence.part == "train"}),
        "sequences_truncated": sum(row.truncated for part in rows.values() for row in part),
        "tokens_trained_per_epoch": sum(row.trained for row in rows["train"]),
        "epochs": len(history),
        "epoch_selected": best,
        "validation_loss": history[best - 1]["validation_loss"],
    }


def main(
    name: Annotated[str, typer.Argument(metavar="STUDENT", help="A block under `students` in params.yaml.")],
    seed: Annotated[int, typer.Argument(help="Decides the order of the data and every other draw.")],
    sequences: Annotated[Path, typer.Argument(help="data/sequences/CELL.jsonl")],
    out: Annotated[Path, typer.Argument(help="Folder for the student.")],
    loss_csv: Annotated[Path, typer.Argument(help="Where the loss curve goes.")],
    counts_json: Annotated[Path, typer.Argument(help="Where the counts go.")],
) -> None:
    """Fine-tune one student; a GPU is used if there is one ($COT_DEVICE decides otherwise)."""
    settings, texts = block(f"students.{name}", Student), read_sequences(sequences)
    from stages import student  # torch takes seconds: not before the block is known to be right

    if not texts:  # a method that only asks
        student.save_untrained(settings.base, out)
        write_text(loss_csv, "epoch,train_loss,validation_loss\n")
        write_json(counts_json, {"sequences_train": 0})
        return
    from stages.fit import encode_parts, fit

    loaded = student.load_base(settings.base)
    rows = encode_parts(texts, loaded, settings.max_tokens)
    work = work_folder(sequences, settings, seed)
    with alone(work):
        history, best = fit(loaded, rows, settings, seed, work)
        shutil.rmtree(out, ignore_errors=True)
        student.save(loaded, out)
        if settings.keep_epochs:
            shutil.copytree(work / "epochs", out / "epochs")
        shutil.rmtree(work)
    lines = [
        f"{line['epoch']},{line['train_loss']:.6f},{'' if line['validation_loss'] is None else format(line['validation_loss'], '.6f')}\n"
        for line in history
    ]
    write_text(loss_csv, "epoch,train_loss,validation_loss\n" + "".join(lines))
    write_json(counts_json, counts(texts, rows, history, best))


if __name__ == "__main__":
    run(main)
