"""The texts of a training as tokens: of a small one in memory, of a large one in files of the work folder.

The next training of the same texts starts from those files, whatever its seed and its rate of learning.
"""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from stages.config.cli import progress
from stages.config.student import Student
from stages.records import sequence as records
from stages.records.example import LEARNED
from stages.records.files import locked
from stages.records.jsonl import write_json
from stages.students.load import Loaded
from stages.students.tokens import Tokens
from stages.training.kept import file_hash, token_home
from stages.training.state import whole_or_nothing
from stages.training.steps import NOTHING, tokenize_each, tokenize_parts
from stages.training.token_file import KeptTexts, Writer

LARGE = 64 * 2**20  # bytes of sequences: some 100,000 texts, which take about 2 GB as objects
FACTS = "facts.json"


class Tokenised(NamedTuple):
    texts: Mapping[str, Sequence[Tokens]]  # by part
    questions: int  # of the train part


def tokenised(sequences: Path, code: Path, student: Loaded, settings: Student) -> Tokenised:
    """The texts of a file of sequences. `code`: hashes of what tokenises them, among others.

    Raises ValueError as `tokenize_parts` does, and for a disk that is full.
    """
    if sequences.stat().st_size < LARGE:
        seen: set[str] = set()
        rows = questions_in(records.iter_sequences(sequences), seen)
        return Tokenised(tokenize_parts(rows, student, settings.max_tokens), len(seen))
    folder = token_home() / token_key(sequences, code, settings)
    with locked(folder.with_suffix(".lock")):  # of several processes one tokenises
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            write_texts(part, sequences, student, settings.max_tokens)
            part.replace(folder)
        os.utime(folder)  # it is in use: stages/training/kept.py
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        texts = {part: KeptTexts(folder / f"{part}.arrow", facts["tasks"]) for part in LEARNED}
    return Tokenised(texts, facts["questions"])


def token_key(sequences: Path, code: Path, settings: Student) -> str:
    """All that decides the tokens: the base with its tokenizer, the longest text and prompt, the code, the
    texts.
    """
    libraries = {name: version(name) for name in ("tokenizers", "transformers")}
    longest = [settings.max_tokens, settings.max_prompt_tokens]
    decides = [settings.base.model_dump_json(), longest, libraries]
    key = hashlib.sha256(json.dumps(decides).encode())
    for path in (sequences, code):
        key.update(file_hash(path))
    return key.hexdigest()[:32]


def questions_in(sequences: Iterable[records.Sequence], seen: set[str]) -> Iterator[records.Sequence]:
    """Pass sequences through; the questions of the train part are in `seen` then."""
    for sequence in sequences:
        if sequence.part == "train":
            seen.add(sequence.example_id)
        yield sequence


def write_texts(folder: Path, sequences: Path, student: Loaded, max_tokens: int) -> None:
    """Tokenise a file's texts, one after the other, into the files of a folder."""
    folder.mkdir()
    tasks: dict[str, int] = {}
    count: Counter[str] = Counter()
    seen: set[str] = set()
    rows = questions_in(records.iter_sequences(sequences), seen)
    with whole_or_nothing(folder):
        files = {part: Writer(folder / f"{part}.arrow", tasks) for part in LEARNED}
        for part, text in progress(tokenize_each(rows, student, max_tokens), "tokenise, texts"):
            files[part].add(text)
            count[part] += 1
        for file in files.values():
            file.close()
        if not count["train"]:
            raise ValueError(NOTHING)
        write_json(folder / FACTS, {"tasks": list(tasks), "questions": len(seen)})
