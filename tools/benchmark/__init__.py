"""Benchmark: training, generation and teaching against what others' code does with the same model and texts,
in one process.

Real lengths, random tokens and weights. Nothing here is a test, and no stage depends on it. Prints tables and
writes metrics/benchmarks/*.json; ratios are between the lines of one run.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from stages.config.cli import advance, progress_bar
from tools.terminal import command_group

GPU_MODELS = "gpt2-large,opt-1.3b,llama-7b-lora"
LENGTHS = Path(__file__).with_name("lengths.json")
Only = Annotated[str, typer.Option(help="Workloads and lines, with commas; all of a kind if none is named.")]
Threads = Annotated[int, typer.Option(min=1, help="Of torch, on a CPU.")]
Device = Annotated[str, typer.Option(help="cpu or cuda; without it the GPU, if there is one.")]
Repetitions = Annotated[int, typer.Option(min=1, help="The fastest counts.")]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Default metrics/benchmarks/COMMAND_DEVICE.json. What it has of this machine stays, if not"
        " measured anew."
    ),
]
app = command_group()


@app.command()
def train(
    only: Only = "",
    model: Annotated[str, typer.Option(help=f"With commas, of 5M, 30M, {GPU_MODELS}.")] = "",
    sequences: Annotated[
        int, typer.Option(min=0, help="Completions a step. 0: 64; csqa 60; cascod 24, for 30M 16.")
    ] = 0,
    repetitions: Repetitions = 2,
    threads: Threads = 1,
    device: Device = "",
    out: Out = None,
) -> None:
    """One optimizer step in every layout; losses are the same.

    About 11 minutes on one CPU thread. Without --model: on a CPU 5M, and cascod for 30M too; on a GPU
    gpt2-large, opt-1.3b and llama-7b-lora. What takes minutes on a CPU is left out unless --only names it:
    bbh's `longest`, the 30M model's `authors`, trainers but for gsm8k. `trl` needs the extra `bench`.
    """
    import torch

    from tools.benchmark.measure import machine, print_run, set_up, write_run
    from tools.benchmark.plan import train_plan, train_run

    where = set_up(threads, device)
    plan = train_plan(only, model, sequences, where.type == "cuda")
    path = out or Path(f"metrics/benchmarks/train_{where.type}.json")
    about = machine(where)
    with progress_bar() as bar:
        task = bar.add_task("train", total=repetitions * sum(len(names) for *_, names in plan), rate="")
        for model_name, work, names in plan:
            try:
                run = train_run(model_name, work, names, where, repetitions, lambda: advance(bar, task))
            except torch.OutOfMemoryError as error:
                what = str(error).splitlines()[0]
                typer.echo(
                    f"{work.name}, {model_name}: left out, out of memory ({what}); see --sequences, --only",
                    err=True,
                )
            else:
                print_run(run)
                write_run(path, about, run)


@app.command()
def generate(
    only: Only = "",
    model: Annotated[
        str, typer.Option(help=f"One of 5M, 30M, {GPU_MODELS}. Default: 5M, on a GPU opt-1.3b.")
    ] = "",
    questions: Annotated[
        int, typer.Option(min=1, help="Of the runs `plain` and `runaways`; an eighth of them for `samples`.")
    ] = 160,
    repetitions: Repetitions = 1,
    threads: Threads = 1,
    device: Device = "",
    out: Out = None,
) -> None:
    """Answers of known lengths, in others' ways and in ours.

    About 8.5 minutes on one CPU thread. With run-aways, with 8 samples a question, after a header of 700
    tokens. What takes minutes is left out unless --only names it: most plain ways with run-aways.
    """
    from tools.benchmark import decoding, decoding_runs
    from tools.benchmark.measure import machine, print_run, set_up, write_run
    from tools.benchmark.plan import picked

    where = set_up(threads, device)
    runs = decoding_runs.runs(questions)
    named, lines = picked(only, [run.name for run in runs], decoding.LINES)
    name = model or ("5M" if where.type == "cpu" else "opt-1.3b")
    plan = [
        (run, lines or list(run.by_default or decoding.LINES))
        for run in runs
        if run.name in named or not named
    ]
    path = out or Path(f"metrics/benchmarks/generate_{where.type}.json")
    about = machine(where)
    student = decoding.student_model(name, where)
    with progress_bar() as bar:
        task = bar.add_task("generate", total=repetitions * sum(len(names) for _, names in plan), rate="")
        for run, names in plan:
            measured = decoding.measure(student, where, run, names, repetitions, lambda: advance(bar, task))
            title = f"{name}: {run.title}; {run.useful} tokens"
            found = {"name": f"{run.name} {name}", "title": title, "lines": measured}
            print_run(found)
            write_run(path, about, found)


@app.command()
def student(
    folder: Annotated[Path, typer.Argument(help="A causal student: config.json, tokenizer, weights.")],
    mirror: Annotated[
        Path, typer.Option(envvar="COT_MIRROR", help="The folder of pinned files, for published texts.")
    ],
    only: Annotated[str, typer.Option(help="With commas, of train, cascod, greedy, samples.")] = "",
    questions: Annotated[int, typer.Option(min=8, help="To be answered; half as many are trained on.")] = 64,
    gguf: Annotated[
        Path | None,
        typer.Option(
            exists=True, help="The same weights for llama.cpp, which then answers too (extra `local`)."
        ),
    ] = None,
    threads: Threads = 1,
    out: Out = None,
) -> None:
    """A real student's speed in float32 and bfloat16, ours and others'.

    About 10 minutes on one CPU thread for 135 million weights. Each line in a process of its own.
    """
    import torch

    from tools.benchmark.measure import machine, print_run, set_up, write_run
    from tools.benchmark.plan import picked
    from tools.benchmark.real import WORKS, lines_of, measure_work

    where = set_up(threads, "")
    works = picked(only, list(WORKS), [])[0] or list(WORKS)
    sizes = {"train": questions // 2, "cascod": questions // 8}
    path = out or Path(f"metrics/benchmarks/student_{where.type}.json")
    about = machine(torch.device(where))
    with progress_bar() as bar:
        task = bar.add_task("student", total=sum(len(lines_of(work, gguf)) for work in works), rate="")
        for work in works:
            size = sizes.get(work, questions)
            lines = measure_work(folder, mirror, work, size, threads, lambda: advance(bar, task), gguf)
            title = f"{folder.name}, {work}: {size} {'texts' if work in sizes else 'answers'}"
            found = {"name": f"{work} {folder.name}", "title": title, "lines": lines}
            print_run(found)
            write_run(path, about, found)


@app.command("groups")
def compare_groups(
    cells: Annotated[
        list[str],
        typer.Argument(
            help="DATASET-SPLIT-TEACHER-CURATION-METHOD: files of data/sequences, with several completions a"
            " question."
        ),
    ],
    student: Annotated[str, typer.Option(help="A block under `students`.")] = "tiny",
    sizes: Annotated[
        str, typer.Option(help="Completions of a question in one step, with commas, compared with 1.")
    ] = "1,4",
    seeds: Annotated[int, typer.Option(min=1, help="0 .. SEEDS-1.")] = 3,
    batch: Annotated[int, typer.Option(min=1, help="Completions a step.")] = 32,
    epochs: Annotated[
        int, typer.Option(min=1, help="Equal epochs; equal time is as many more as the tokens saved allow.")
    ] = 5,
    threads: Threads = 1,
    device: Device = "",
    out: Out = None,
) -> None:
    """What `group_size` costs in accuracy.

    At equal epochs and at equal time. About 3 minutes a cell, size and seed on one CPU thread.
    """
    from tools.benchmark.groups import measure, read_cell
    from tools.benchmark.measure import machine, print_run, set_up, write_run

    where = set_up(threads, device)
    if bad := [size for size in sizes.split(",") if not size.strip().isdecimal() or int(size) < 1]:
        raise ValueError(f"--sizes {sizes}: got {bad}, wanted whole numbers from 1, with commas")
    wanted = sorted({1, *map(int, sizes.split(","))})
    found = [read_cell(name, student, batch, epochs) for name in cells]
    path = out or Path(f"metrics/benchmarks/groups_{where.type}.json")
    about = machine(where)
    with progress_bar() as bar:
        task = bar.add_task("groups", total=len(found) * len(wanted) * seeds, rate="")
        for cell in found:
            run = measure(cell, wanted, list(range(seeds)), lambda: advance(bar, task))
            print_run(run)
            write_run(path, about, run)


@app.command()
def teach(
    calls: Annotated[int, typer.Option(min=1, help="Of each case, against a local server.")] = 12_000,
    questions: Annotated[int, typer.Option(min=1, help="Whose completions are all in the store.")] = 10_000,
    samples: Annotated[int, typer.Option(min=1, help="Of each of these questions.")] = 30,
    rows: Annotated[int, typer.Option(min=1, help="Put into a store one by one, and read.")] = 5_000,
) -> None:
    """Calls a second, a teach from the store, the store itself.

    Calls: 64 at once that take 50 ms, 256 that take 10 ms; with and without a budget; with 5 % of them
    refused. Some minutes on two cores. Nothing is written but in a folder that goes with the command.
    """
    from tools.benchmark import teaching

    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for case in teaching.CASES:
            typer.echo(teaching.ask_live(folder, calls, *case))
        typer.echo(teaching.teach_cached(folder, questions, samples))
        typer.echo(teaching.use_store(folder, rows))


@app.command("scale")
def measure_scale(
    completions: Annotated[str, typer.Option(help="How many, with commas; 5 a question.")] = "10000,100000",
) -> None:
    """Every stage before training, by the number of completions.

    Time and memory, from the merge of a store to a training's first step. About 2 minutes for 100,000, most
    of it for tokens. Nothing is written but in a folder that goes with the command: 5 GB for a million.
    """
    from tools.benchmark.scale import SAMPLES, measure_stages

    counts = completions.split(",")
    if bad := [text for text in counts if not text.strip().isdecimal() or int(text) < SAMPLES]:
        raise ValueError(
            f"--completions {completions}: got {bad}, wanted whole numbers from {SAMPLES}, with commas"
        )
    for count in map(int, counts):
        with TemporaryDirectory() as scratch:
            for line in measure_stages(Path(scratch), count):
                typer.echo(line)


@app.command("split")
def split_questions(
    kind: Annotated[
        list[str] | None, typer.Option(help="Of arithmetic, objects, words; may be repeated. Default: all.")
    ] = None,
    rows: Annotated[list[int] | None, typer.Option(min=10, help="May be repeated.")] = None,
) -> None:
    """How long `split` takes for how many questions.

    About 1 minute; 10 minutes for a million rows of a kind. Nothing is written but in a folder that goes with
    the command.
    """
    from tools.benchmark import splitting

    if unknown := set(kind or ()) - splitting.KINDS.keys():
        raise ValueError(f"--kind {', '.join(sorted(unknown))}: wanted some of {', '.join(splitting.KINDS)}")
    for count in rows or [10_000, 100_000]:
        for one in kind or splitting.KINDS:
            with TemporaryDirectory() as scratch:
                typer.echo(splitting.measure(Path(scratch), one, count))


@app.command("lengths")
def count_lengths(
    mirror: Annotated[Path, typer.Argument(help="The folder of pinned files.")],
    out: Annotated[Path, typer.Argument(help="Where the lengths go.")] = LENGTHS,
) -> None:
    """Count the tokens of published texts, which shape the others."""
    from tools.benchmark.lengths import write_lengths

    write_lengths(mirror, out)
