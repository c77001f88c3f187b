"""Train: fine-tune one student on the rendered sequences (Fine-tune-CoT section 3, step 3, and appendix A).

In: sequences, a student's block and its base, a seed, the hashes of the code. Out: the student of the epoch
with the least validation loss (the last one without a validation slice), its loss curve, its counts. Killed
and started again, it goes on where it was.
"""

import gc
import hashlib
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.config.base import start_of
from stages.config.cli import run
from stages.config.kernels import fix_kernels, note_kernels
from stages.config.load import find, read_params
from stages.config.second import second_settings
from stages.config.student import HostedStudent, Student, read_student
from stages.records.files import locked
from stages.records.jsonl import write_json
from stages.records.sequence import iter_sequences, read_sequences
from stages.training.curve import Curve, curve_of, write_curve
from stages.training.kept import (
    clear_recorded,
    file_hash,
    keep_finished,
    note_outputs,
    read_finished,
    work_home,
)
from stages.training.openai_files import train_at_openai
from stages.training.watch import Watch

Trained = tuple[Curve, dict[str, Any]]  # the loss curve and the counts


def work_folder(
    settings: Student, seed: int, sequences: Path, code: Path, logits: Path | None = None
) -> Path:
    """Where the running state lives: outside DVC's reach, which deletes a stage's outs before it runs it.

    Named by all that decides the result (the settings with their pinned base, the seed, the bytes of the
    files) and by how many processes take part, so that only the same training ever continues. Several hosts
    need to share it.
    """
    processes = f"{os.environ.get('WORLD_SIZE', '1')} {os.environ.get('ACCELERATE_USE_FSDP', '')}"
    key = hashlib.sha256(f"{settings.model_dump_json()} {seed} {processes}".encode())
    for path in (sequences, code, *([logits] if logits else [])):
        key.update(file_hash(path))
    return work_home() / key.hexdigest()[:32]


def lock_of(work: Path) -> Path:
    """The lock by which a training waits for another one of the same content: when dvc is killed, the stage
    that it ran may live on. Of several processes, each waits for its like.
    """
    rank = os.environ.get("RANK", "0")
    return work.with_suffix(".lock" if rank == "0" else f".{rank}.lock")


def launch() -> None:
    """Start this command again under $COT_LAUNCH, if given: "torchrun --nproc-per-node 4", "accelerate launch
    --config_file launch/fsdp.yaml".

    From the environment, as it decides speed and no result: the command in dvc.yaml stays as it is. Raises
    ValueError for a launcher that is not there.
    """
    command = shlex.split(os.environ.get("COT_LAUNCH", ""))
    if not command or "WORLD_SIZE" in os.environ:
        return
    if (program := shutil.which(command[0])) is None:
        raise ValueError(
            f"COT_LAUNCH={os.environ['COT_LAUNCH']!r}: {command[0]} not found; wanted torchrun or accelerate"
            " launch, with arguments"
        )
    environment = {name: value for name, value in os.environ.items() if name != "COT_LAUNCH"}
    os.execve(program, [*command, "-m", "stages.train", *sys.argv[1:]], environment)


def settle_precision(settings: Student) -> tuple[Student, dict[str, str]]:
    """The settings with this machine's arithmetic in place of `precision: auto`; and it, with a reason."""
    # torch takes seconds: not before the block is known to be right
    from stages.students.device import choose_arithmetic, device

    arithmetic, because = choose_arithmetic(settings.precision, device())
    if os.environ.get("RANK", "0") == "0":
        typer.echo(f"arithmetic: {arithmetic} ({because})", err=True)
    chosen = {"precision": arithmetic, "precision_because": because}
    return settings.model_copy(update={"precision": arithmetic}), chosen


def train(
    settings: Student,
    seed: int,
    sequences: Path,
    code: Path,
    work: Path,
    out: Path,
    examine: Callable[[Path], float] | None = None,
    logits: Path | None = None,
    watch: Watch | None = None,
) -> Trained | None:
    """Fine-tune here and leave the student in `out`: its loss curve and its counts, or None in a process that
    only helps another one.
    """
    from stages.students.adapters import load_for_training
    from stages.students.save import save_trained

    loaded = load_for_training(settings, seed)
    from stages.training.fit import Fitted, fit  # takes seconds: not before the student is known to be sound
    from stages.training.tokenised import tokenised

    texts, questions = tokenised(sequences, code, loaded, settings)
    if logits:
        from stages.training.distil import taught

        texts = taught(texts, logits)
    gc.freeze()  # what is loaded by now stays: no collection has to look through it
    with locked(lock_of(work)):
        if facts := read_finished(work):  # killed before DVC had what came of it
            fitted = Fitted(**facts, main=os.environ.get("RANK", "0") == "0")
        else:
            fitted = fit(loaded, texts, settings, seed, work, examine, watch)
        if not fitted.main:
            return None
        if facts is None:
            keep_finished(work, fitted.facts)
        else:
            typer.echo(f"trained already: the weights are those of {work}", err=True)
        del loaded
        gc.unfreeze()
        gc.collect()  # the student that was trained, before it is read anew
        shutil.rmtree(out, ignore_errors=True)
        save_trained(settings, work / "best.pt", out)
        for epoch in sorted(work.glob("epochs/*.pt")):
            save_trained(settings, epoch, out / "epochs" / epoch.stem)
    from stages.training.counts import training_counts

    return curve_of(fitted.history), training_counts(texts, questions, settings, seed, fitted)


def examiner_for(
    settings: Student, work: Path, exam: tuple[str, Path] | None
) -> Callable[[Path], float] | None:
    """What chooses the epoch by answers; None where the loss does. Raises ValueError without an exam."""
    if settings.select == "loss":
        return None
    if exam is None:
        raise ValueError("`select: accuracy` needs --exam, as dvc.yaml gives it: what is to be answered?")
    from stages.training.accuracy import examiner

    return examiner(*exam, settings, work)


def has_rows(file: Path) -> bool:
    """Whether it is an Arrow file, not the note that there is nothing."""
    with file.open("rb") as opened:
        return opened.read(6) == b"ARROW1"


def logits_for(settings: Student, logits: Path | None) -> Path | None:
    """The file of what the teacher says, where the student learns it. Raises ValueError without one."""
    if settings.distil is None or settings.distil.on_policy:
        return None
    if logits is None or not logits.is_file() or not has_rows(logits):
        raise ValueError(
            f"`distil` needs --logits, as dvc.yaml gives it: got {logits}, wanted the file"
            " that the stage `logits` makes"
        )
    return logits


def train_here(
    settings: Student,
    seed: int,
    sequences: Path,
    code: Path,
    out: Path,
    loss_csv: Path,
    exam: tuple[str, Path] | None,
    logits: Path | None,
) -> tuple[Trained | None, Path | None]:
    """What `train` says, and the folder of its running state; that is None where there is nothing to learn,
    for a method that only asks.
    """
    some = next(iter_sequences(sequences), None) is not None
    fixed = settings.precision == "float32" and fix_kernels()
    if "WORLD_SIZE" not in os.environ:  # one process, before there are several
        clear_recorded(work_home())
    if some:
        launch()
    settings, arithmetic = settle_precision(settings)
    work = None
    if some:
        soft = logits_for(settings, logits)
        work = work_folder(settings, seed, sequences, code, soft)
        examine = examiner_for(settings, work, exam)
        watch = Watch(out.name, loss_csv)
        trained = train(settings, seed, sequences, code, work, out, examine, soft, watch)
    else:
        from stages.students.save import save_untrained

        save_untrained(settings, out)
        trained = [], {"sequences_train": 0}
    if trained:
        trained[1].update(arithmetic)
        if fixed:
            note_kernels(out)
    return trained, work


def main(
    name: Annotated[str, typer.Argument(metavar="STUDENT", help="A block under `students` in params.yaml.")],
    seed: Annotated[int, typer.Argument(help="Decides the order of the data and every other draw.")],
    base: Annotated[
        Path, typer.Argument(help="data/bases/STUDENT, or data/students/CELL for a second training.")
    ],
    sequences: Annotated[Path, typer.Argument(help="data/sequences/CELL.jsonl")],
    code: Annotated[Path, typer.Argument(help="data/code/train-STUDENT: hashes of the code, by check.")],
    out: Annotated[Path, typer.Argument(help="Folder for the student.")],
    loss_csv: Annotated[Path, typer.Argument(help="Where the loss curve goes.")],
    counts_json: Annotated[Path, typer.Argument(help="Where the counts go.")],
    exam: Annotated[
        tuple[str, Path] | None,
        typer.Option(
            metavar="METHOD EXAM",
            help="How the questions of data/exams are asked, where `select: accuracy` chooses the epoch.",
        ),
    ] = None,
    second: Annotated[
        str | None,
        typer.Option(metavar="METHOD", help="Of a second training: `methods.METHOD.second` says how."),
    ] = None,
    logits: Annotated[
        Path | None,
        typer.Option(help="data/logits/CELL-STUDENT.arrow, what the teacher of `distil` says at each label."),
    ] = None,
) -> None:
    """Fine-tune one student: here, on a GPU if there is one ($COT_DEVICE decides otherwise), or at OpenAI for
    a student of that kind.
    """
    settings = read_student(name)
    trained: Trained | None
    work: Path | None
    if isinstance(settings, HostedStudent):
        trained, work = train_at_openai(settings, seed, read_sequences(sequences), out), None
    else:
        if second:
            settings = second_settings(second, find(read_params(), "methods"), settings)
        settings = settings.model_copy(update={"base": start_of(base)})
        trained, work = train_here(settings, seed, sequences, code, out, loss_csv, exam, logits)
    if trained:
        curve, counts = trained
        write_curve(loss_csv, curve)
        write_json(counts_json, counts)
        if work:
            note_outputs(work, loss_csv)


if __name__ == "__main__":
    run(main)
