"""Export a student: the weights that answered, with what is needed to ask them, and a card."""

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.config.base import ADAPTERS, read_pointer
from stages.config.decoding import Decoding
from stages.config.load import block
from stages.config.method import read_method
from stages.config.run import Axes
from stages.records.completion import iter_completions
from stages.records.jsonl import write_json, write_text
from stages.results.predictions import SELECTED
from stages.text.formats import system_of
from tools.export.asking import Exported
from tools.export.citations import Citations
from tools.export.folder import filled
from tools.export.hub import check_push, push_folder
from tools.export.licences import base_licence, base_of
from tools.export.provenance import blocks_of, origin, outdated
from tools.export.student_card import student_card
from tools.show import axes_of, family
from tools.terminal import checkout, made_by


def student_folder(cell: str, at: Axes) -> Path:
    """What the stage `train` left. Raises ValueError where that is not there or has no weights of its own."""
    key = cell.removesuffix(f"-{at['decoding']}")
    folder = Path("data/students", key)
    there = [folder / name for name in ("config.json", ADAPTERS, "base.json", "openai.json")]
    found = next((path for path in there if path.is_file()), there[0])
    made_by(f"train{family(at)}@{key}", found)
    if found.name == "openai.json":
        raise ValueError(f"{folder}: a student at OpenAI, whose weights nobody gets")
    if found.name == "base.json":
        raise ValueError(f"{folder}: `{at['method']}` trains nothing, the student is its base")
    return folder


def is_saved_in_bfloat16(folder: Path) -> bool:
    """Of the weights in a student's folder; of adapters, what they answer in."""
    if (folder / ADAPTERS).is_file():
        return read_pointer(folder)[1] == "bfloat16"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return bool(config.get("dtype") == "bfloat16")


def generation_settings(decoding: Decoding) -> dict[str, Any]:
    """A decoding as `transformers` says it."""
    told: dict[str, Any] = {"max_new_tokens": decoding.max_new_tokens, "do_sample": decoding.temperature > 0}
    if decoding.beams > 1:
        told["num_beams"] = decoding.beams
    if decoding.temperature > 0:
        told |= {"temperature": decoding.temperature, "top_k": decoding.top_k, "top_p": decoding.top_p}
    return told


def save_whole(source: Path, folder: Path, decoding: Decoding, bfloat16: bool, chat: bool) -> str:
    """Merged weights, tokenizer and generation config; the dtype of the weights. A student that was not
    trained through its chat template has none: it would be asked otherwise than it was trained.
    """
    import torch

    from stages.students.load import load, load_adapter
    from stages.students.save import save_student

    where = torch.device("cpu")
    adapters = (source / ADAPTERS).is_file()
    student = (
        load_adapter(source, where, "float32") if adapters else load(source, where=where, precision="float32")
    )
    narrow = bfloat16 or is_saved_in_bfloat16(source)
    student.model.to(torch.bfloat16 if narrow else torch.float32)
    student.model.generation_config.update(**generation_settings(decoding))
    if not chat:
        student.tokenizer.chat_template = None
    save_student(student, folder)
    return "bfloat16" if narrow else "float32"


def save_adapters(source: Path, folder: Path, chat: bool) -> str:
    """The adapters as `peft` reads them, with the base's tokenizer."""
    from transformers import AutoTokenizer

    if not (source / ADAPTERS).is_file():
        raise ValueError(f"{source}: whole weights, no adapters: leave out --adapter")
    for path in source.iterdir():
        if path.is_file() and path.name not in ("base.json", "kernels.json", "prompts.json"):
            shutil.copy(path, folder)
    tokenizer = AutoTokenizer.from_pretrained(source)
    if not chat:
        (folder / "chat_template.jinja").unlink(missing_ok=True)
        tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    base, _ = read_pointer(source)
    config = json.loads((folder / ADAPTERS).read_text(encoding="utf-8"))
    config |= {"base_model_name_or_path": base.hub or base.path, "revision": base.revision}
    write_json(folder / ADAPTERS, config)
    return "float32"


def add_gguf(folder: Path, told: Exported, decoding: Decoding, stops: list[str], chat: bool) -> None:
    """The weights for llama.cpp; and in gguf.json how often that says what the student said here, where its
    server is installed and the student was asked greedily, by plain texts.
    """
    from tools.export import agreement, gguf

    file = folder / f"{told.at['student']}-{told.dtype}.gguf"
    licence = base_licence(base_of(told.at["student"]))
    gguf.write_gguf(folder, file, told.cell, licence)
    said = Path(f"data/predictions/{told.cell}.jsonl")
    greedy = decoding.temperature == 0 and decoding.beams == 1
    if agreement.can_ask() and greedy and not chat and said.is_file():
        rows = [row for row in iter_completions(said) if row.origin == SELECTED]
        counts = agreement.agreement(file, folder, rows, decoding, stops)
        write_json(folder / "gguf.json", {"file": file.name, **counts})


def write_student(folder: Path, cell: str, adapter: bool, bfloat16: bool, with_gguf: bool) -> None:
    """All files of an exported student."""
    at = axes_of(cell)
    if at["target"]:
        raise ValueError(f"{cell!r} is a transfer: name the cell, {cell.removesuffix('-' + at['target'])}")
    source = student_folder(cell, at)
    stages = f"{family(at)}@"
    made_by(f"score{stages}{cell}", Path(f"metrics/cells/{cell}.json"))
    decoding = block(f"decodings.{at['decoding']}", Decoding)
    method, settings, _ = read_method(at["method"])
    chat = system_of(settings) is not None
    if adapter:
        dtype = save_adapters(source, folder, chat)
    else:
        dtype = save_whole(source, folder, decoding, bfloat16, chat)
    write_json(folder / "params.json", blocks_of(at))
    stale = outdated(f"train{stages}{source.name}", f"predict{stages}{cell}", f"score{stages}{cell}")
    changed = dtype == "bfloat16" and not is_saved_in_bfloat16(source)
    told = Exported(cell, at, source, dtype, adapter, changed)
    if with_gguf:
        add_gguf(folder, told, decoding, list(method.stops(settings)), chat)
    write_text(folder / "README.md", student_card(told, (origin(), stale), Citations(folder)))


def main(
    cell: Annotated[str, typer.Argument(metavar="CELL", help="A name in metrics/cells.")],
    out: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    adapter: Annotated[
        bool, typer.Option("--adapter", help="LoRA's adapters as they are, not merged.")
    ] = False,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Weights that are float32 in half the bytes.")
    ] = False,
    gguf: Annotated[bool, typer.Option("--gguf", help="The weights as a file for llama.cpp, too.")] = False,
    push: Annotated[str | None, typer.Option(metavar="OWNER/NAME", help="Upload it to the hub.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what --push would upload.")] = False,
) -> None:
    """A cell's student with tokenizer, decoding and a model card.

    The token for --push is $HF_TOKEN. A new repository is private.
    """
    checkout()
    check_push(push, dry_run)
    if adapter and (bfloat16 or gguf):
        raise ValueError(f"--{'bfloat16' if bfloat16 else 'gguf'} is for whole weights: leave out --adapter")
    with filled(out) as folder:
        write_student(folder, cell, adapter, bfloat16, gguf)
    typer.echo(f"{out}: {sum(path.is_file() for path in out.rglob('*'))} files; README.md is the card")
    if push:
        push_folder(out, push, "model", dry_run)
