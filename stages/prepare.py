"""Prepare: a dataset's raw files become examples, and its few-shot demonstrations one text (Fine-tune-CoT
appendix B).

In: data/raw/DATASET. Out: examples, checked, and demonstrations (empty where there are none). The parser is
the file stages/datasets/DATASET.py; a block with `columns` needs none. `--licences` prints where each dataset
comes from.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from stages.config.cli import run
from stages.config.dataset import Dataset
from stages.config.load import block, read_params
from stages.parsing.columns import parse_columns
from stages.parsing.fields import LETTERS, date, field, number
from stages.records.demonstrations import joined
from stages.records.example import Example, write_examples
from stages.records.jsonl import write_text

HERE = Path(__file__).parent
LOCAL = Path("local")
CHOICE = re.compile(r"\([A-Za-z]\)")


def dataset_file(dataset: str) -> ModuleType:
    if not dataset.isidentifier() or find_spec(f"stages.datasets.{dataset}") is None:
        raise ValueError(
            f"stages/datasets/{dataset}.py not found: a dataset has a file with PAGE, LICENCE, CITATION and,"
            " without `columns`, parse(raw)"
        )
    return import_module(f"stages.datasets.{dataset}")


def parse(dataset: str, raw: Path, settings: Dataset) -> list[Example]:
    """All examples of a dataset, in the order of the published row numbers."""
    module = dataset_file(dataset)
    if settings.columns:
        return parse_columns(raw, dataset, settings.columns)
    if not hasattr(module, "parse"):
        raise ValueError(
            f"stages/datasets/{dataset}.py has no parse(raw), and `datasets.{dataset}` no columns: wanted one"
            " of them"
        )
    examples: list[Example] = module.parse(raw)
    return examples


def wanted_answer(example: Example) -> str | None:
    """What a legal answer would be; None if the answer is legal."""
    if example.answer_type == "number":
        canonical = number(example.answer, example.id)
        return None if example.answer == canonical else canonical
    if example.answer_type == "choice":
        letters = LETTERS[: len(example.choices or [])]
        return (
            None
            if len(example.answer) == 1 and example.answer in letters
            else f"one of the letters {letters!r}"
        )
    if example.answer_type == "yes_no":
        return None if example.answer in ("yes", "no") else "'yes' or 'no'"
    if example.answer_type == "text":
        return None if example.answer.strip() else "a text that is not empty"
    if example.answer_type == "exact":
        legal = example.choices or [example.answer.strip().removesuffix(".")]
        return None if example.answer and example.answer in legal else f"one of {legal!r}"
    if example.answer_type == "latex":
        return None if example.answer.strip() else "a mathematical expression"
    if example.answer_type == "date":
        canonical = date(example.answer, example.id)
        return None if example.answer == canonical else canonical
    return f"an answer_type of number, choice, yes_no, text, exact, date, latex, not {example.answer_type!r}"


def check_examples(dataset: str, examples: list[Example], rows: int | None) -> None:
    """Raises ValueError for a wrong count, an id that occurs twice, an empty question or
    an illegal answer.
    """
    if not examples or (rows is not None and len(examples) != rows):
        raise ValueError(
            f"{dataset}: got {len(examples)} examples, wanted {rows or 'some'} (datasets.{dataset}.rows)"
        )
    twice = [
        example_id for example_id, count in Counter(example.id for example in examples).items() if count > 1
    ]
    if twice:
        raise ValueError(f"{dataset}: {len(twice)} ids occur more than once, first {twice[0]!r}")
    for example in examples:
        if not example.question.strip():
            raise ValueError(
                f"{example.id}: question is {example.question!r}, wanted a text that is not empty"
            )
        if wanted := wanted_answer(example):
            raise ValueError(f"{example.id}: answer is {example.answer!r}, wanted {wanted}")


def scotd_shots(path: Path) -> str:
    """SCoTD's hand-written prompt (its section 2) as text: rows of question, rationale and answer, and the
    phrase before the answer.

    Differs: options stand on one line and have capital letters, as in this project's questions; SCoTD's have
    a line each and small letters.
    """
    prompt: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    # of film reviews: what is asked about each
    blocks = []
    opening = prompt.get("input_prefix", "").removeprefix("Q: ")
    for place, row in enumerate(field(prompt, "exemplars", str(path), list)):
        asked, rationale, answer = (
            field(row, name, f"{path} exemplar {place}", str) for name in ("question", "rationale", "answer")
        )
        if CHOICE.fullmatch(answer):
            asked, answer = (
                CHOICE.sub(lambda letter: letter[0].upper(), text.replace("\n", " "))
                for text in (asked, answer)
            )
        blocks.append(
            f"Q: {opening}{asked}\nA: {rationale}{field(prompt, 'answer_prefix', str(path), str)}{answer}"
        )
    return "\n\n".join(blocks) + "\n"


def demonstrations_of(dataset: str, key: str | None, raw: Path, subtasks: Iterable[str] = ()) -> str:
    """Few-shot exemplars: a file of the raw folder or of local/ (NAME.txt of BIG-Bench Hard, NAME.json of
    SCoTD), an entry of Fine-tune-CoT's released few_shot_cot_prompts.json (appendix A), else a file of ours,
    else nothing. "{subtask}" in the key stands for each subtask in turn.
    """
    if key and "{subtask}" in key:
        return joined(
            {
                subtask: demonstrations_of(dataset, key.replace("{subtask}", subtask), raw)
                for subtask in subtasks
            }
        )
    if key is None:
        ours = HERE / "datasets" / f"{dataset}.txt"
        return ours.read_text(encoding="utf-8") if ours.exists() else ""
    path = raw / (key if key.endswith((".txt", ".json")) else "few_shot_cot_prompts.json")
    if not path.exists() and (LOCAL / path.name).exists():
        path = LOCAL / path.name
    if not path.exists():
        raise ValueError(
            f"`datasets.{dataset}.demonstrations` is {key!r}, but {path} does not exist: list it under"
            f" source.files, or put it into {LOCAL}/"
        )
    # BIG-Bench Hard: a warning and a ruler stand first; CasCoD's copy: the place of the question stands last
    if key.endswith(".txt"):
        return path.read_text(encoding="utf-8").rpartition("\n-----\n")[2].partition("\n\nQ: {QUESTION}")[0]
    if key.endswith(".json"):
        return scotd_shots(path)
    prompts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if key not in prompts:
        raise ValueError(
            f"{path}: no entry {key!r} (datasets.{dataset}.demonstrations); there are: {', '.join(prompts)}"
        )
    return str(prompts[key]["prompt"])


def licences() -> Table:
    """Every dataset file with its source, licence and size (appendix Table 3)."""
    table = Table(
        *(Column(name, overflow="fold") for name in ("dataset", "page", "licence", "citation", "rows"))
    )
    blocks = read_params().get("datasets", {})
    for path in sorted((HERE / "datasets").glob("*.py")):
        module = import_module(f"stages.datasets.{path.stem}")
        if hasattr(module, "PAGE"):
            rows = blocks.get(path.stem, {}).get("rows")
            table.add_row(
                path.stem, module.PAGE, module.LICENCE, module.CITATION, "" if rows is None else str(rows)
            )
    return table


def of_subtasks(dataset: str, examples: list[Example], wanted: list[str] | None) -> list[Example]:
    """The examples of these subtasks (None: all). Raises ValueError for one that there is not."""
    known = dict.fromkeys(example.subtask for example in examples if example.subtask is not None)
    if unknown := [subtask for subtask in wanted or () if subtask not in known]:
        raise ValueError(f"datasets.{dataset}.subtasks: got {unknown}, wanted some of {list(known)}")
    return examples if wanted is None else [example for example in examples if example.subtask in wanted]


def main(
    dataset: Annotated[str | None, typer.Argument(help="A block under `datasets`.")] = None,
    raw: Annotated[Path | None, typer.Argument(metavar="RAW_DIR", help="data/raw/DATASET")] = None,
    out: Annotated[Path | None, typer.Argument(metavar="EXAMPLES_OUT", help="Where the examples go.")] = None,
    demonstrations: Annotated[
        Path | None, typer.Argument(metavar="DEMONSTRATIONS_OUT", help="Where the demonstrations go.")
    ] = None,
    show_licences: Annotated[
        bool,
        typer.Option("--licences", help="Instead: print page, licence, citation and rows of every dataset."),
    ] = False,
) -> None:
    """Parse a dataset's raw files."""
    if show_licences:
        Console().print(licences())
    elif dataset and raw and out and demonstrations:
        settings = block(f"datasets.{dataset}", Dataset)
        examples = parse(dataset, LOCAL if settings.source.kind == "local" else raw, settings)
        check_examples(dataset, examples, settings.rows)
        examples = of_subtasks(dataset, examples, settings.subtasks)
        write_examples(out, examples)
        subtasks = dict.fromkeys(example.subtask for example in examples if example.subtask is not None)
        write_text(demonstrations, demonstrations_of(dataset, settings.demonstrations, raw, subtasks))
    else:
        raise ValueError("wanted either DATASET RAW_DIR EXAMPLES_OUT DEMONSTRATIONS_OUT or --licences")


if __name__ == "__main__":
    run(main)
