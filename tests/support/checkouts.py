"""Another checkout, to try things in: what Git tracks here, three commits, the first stages' data."""

import json
import shutil
import subprocess
from pathlib import Path

from pages import ROOT

from stages import check, curate, download, prepare, render, split, teach
from stages.records.completion import Completion, read_completions, write_completions
from stages.text.formats import rationale_of

DATASETS = ("gen_last_letter", "gen_coin_flip", "gen_shuffled_objects")
CORPUS = "gen_last_letter-sample-scripted-d1"
CELL = f"{CORPUS}-fine_tune_cot-tiny-0-greedy"
OTHER_CELL = "gen_last_letter-sample-scripted-d4-fine_tune_cot-tiny-0-greedy"
GIT = ("git", "-c", "user.name=docs", "-c", "user.email=docs@example.org", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run([*GIT, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def copy_checkout(folder: Path) -> None:
    """The files that Git tracks or would, and a history of three commits."""
    names = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    for message in ("one", "two", "three"):
        git(folder, "commit", "--quiet", "--allow-empty", "--message", message)


def as_said_by_a_student(row: Completion) -> Completion:
    text = f"{rationale_of(row)} --> {row.texts[-1].strip(' .')}"
    return Completion(row.example_id, 0, row.prompts[:1], [text], ["stop"], "tiny", "-->", "selected")


def make_data() -> None:
    """The first stages of the default grid in the current folder, and a teacher's words as predictions."""
    data = Path("data")
    check.main(data / "code")
    for name in DATASETS:
        download.main(name, data / "raw" / name)
        shown = data / f"demonstrations/{name}.txt"
        prepare.main(name, data / "raw" / name, data / f"examples/{name}.jsonl", shown)
    raw = data / "raw/gen_last_letter"
    examples = data / "examples/gen_last_letter.jsonl"
    shown = data / "demonstrations/gen_last_letter.txt"
    parts = data / "splits/gen_last_letter-sample.json"
    said = data / "completions/gen_last_letter-scripted.jsonl"
    kept = data / f"corpora/{CORPUS}.jsonl"
    numbers = data / "numbers.json"  # those in metrics/ are committed
    split.main("sample", examples, raw, parts, numbers)
    teach.main("scripted", raw, examples, shown, said, numbers)
    curate.main("d1", examples, parts, said, kept, numbers)
    render.main(
        "fine_tune_cot", examples, parts, data / f"sequences/{CORPUS}-fine_tune_cot.jsonl", numbers, kept
    )
    asked = set(json.loads(parts.read_text())["test"])
    for sample, cell in enumerate((CELL, OTHER_CELL)):
        rows = [row for row in read_completions(said) if row.example_id in asked and row.sample == sample]
        write_completions(data / f"predictions/{cell}.jsonl", map(as_said_by_a_student, rows))
