"""Few-shot demonstrations as others released them: one text to show before a question."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.config.dataset import LOCAL, demonstrations_file, named_demonstrations
from stages.parsing.fields import field
from stages.records.demonstrations import joined
from stages.records.jsonl import read_text

CHOICE = re.compile(r"\([A-Za-z]\)")


def demonstrations_text(name: str, key: str | None, raw: Path, subtasks: Iterable[str] = ()) -> str:
    """The demonstrations of the data set `name`: a file of `raw` or of local/ (NAME.txt of BIG-Bench Hard,
    NAME.json of SCoTD), an entry of Fine-tune-CoT's released few_shot_cot_prompts.json (appendix A), without
    a key stages/datasets/NAME.txt, else nothing. "{subtask}" in the key stands for each subtask in turn.

    Raises ValueError for a file or an entry that is not there.
    """
    if key is None:
        ours = demonstrations_file(name)
        return read_text(ours) if ours else ""
    if "{subtask}" in key:
        keys = {subtask: key.replace("{subtask}", subtask) for subtask in subtasks}
        return joined({subtask: demonstrations_text(name, keys[subtask], raw) for subtask in keys})
    path = raw / named_demonstrations(key)
    if not path.exists() and (LOCAL / path.name).exists():
        path = LOCAL / path.name
    if not path.exists():
        raise ValueError(
            f"{name}: `demonstrations` is {key!r}, but {path} does not exist: list it under source.files, or"
            f" put it into {LOCAL}/"
        )
    if key.endswith(".txt"):
        return big_bench_hard_shots(path)
    return scotd_shots(path) if key.endswith(".json") else fine_tune_cot_shots(name, path, key)


def big_bench_hard_shots(path: Path) -> str:
    """A prompt of BIG-Bench Hard, where a warning and a ruler stand first, or of CasCoD's copy, where the
    place of the question stands last.
    """
    return read_text(path).rpartition("\n-----\n")[2].partition("\n\nQ: {QUESTION}")[0]


def fine_tune_cot_shots(name: str, path: Path, key: str) -> str:
    prompts: dict[str, Any] = json.loads(read_text(path))
    if key not in prompts:
        raise ValueError(
            f"{path}: no entry {key!r} (`demonstrations` of {name}); there are: {', '.join(prompts)}"
        )
    return str(prompts[key]["prompt"])


def scotd_shots(path: Path) -> str:
    """SCoTD's hand-written prompt (its section 2) as text: rows of question, rationale and answer, and the
    phrase before the answer.

    Differs: options stand on one line and have capital letters, as in this project's questions; SCoTD's have
    a line each and small letters (difference 6).
    """
    prompt: dict[str, Any] = json.loads(read_text(path))
    # of film reviews: what is asked about each
    opening = prompt.get("input_prefix", "").removeprefix("Q: ")
    prefix = field(prompt, "answer_prefix", str(path), str)
    shots = []
    for place, row in enumerate(field(prompt, "exemplars", str(path), list)):
        question, rationale, answer = (
            field(row, name, f"{path} exemplar {place}", str) for name in ("question", "rationale", "answer")
        )
        if CHOICE.fullmatch(answer):
            question = with_capital_letters(question)
            answer = with_capital_letters(answer)
        shots.append(f"Q: {opening}{question}\nA: {rationale}{prefix}{answer}")
    return "\n\n".join(shots) + "\n"


def with_capital_letters(text: str) -> str:
    return CHOICE.sub(lambda letter: letter[0].upper(), text.replace("\n", " "))
