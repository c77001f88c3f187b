"""`cot export corpus`: files that trainers load, a card whose numbers are those of its metrics, and the same
corpus again when it is imported.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkouts import CELL, CORPUS, git
from datasets import load_dataset
from exported import check_card, entered, make_checkout, typed
from made_datasets import use_datasets
from ruamel.yaml import YAML

from stages import curate, download, prepare, teach
from stages.records.completion import Completion, read_completions, write_completions
from stages.records.example import Example, read_examples, write_examples
from stages.records.sequence import iter_sequences
from stages.text.formats import rationale_of
from tools.export import hub

OUT = Path("exported")
BASELINE = "gen_last_letter-sample-fine_tune-tiny-0-greedy"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def checkout(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    with entered(made, monkeypatch):
        yield made
        shutil.rmtree(OUT, ignore_errors=True)


def loaded(config: str | None, split: str) -> list[dict[str, Any]]:
    return list(load_dataset(str(OUT), config, split=split))


def test_texts_are_those_that_the_stage_wrote(checkout: Path) -> None:
    typed("corpus", CORPUS, str(OUT))
    written = list(iter_sequences(Path(f"data/sequences/{CORPUS}-fine_tune_cot.jsonl")))
    said = {row.example_id: row for row in read_completions(Path(f"data/corpora/{CORPUS}.jsonl"))}
    for part in ("train", "validation"):
        rows = loaded(None, part)  # the default configuration
        wanted = [sequence for sequence in written if sequence.part == part]
        assert [(row["id"], row["prompt"], row["completion"]) for row in rows] == [
            (one.example_id, one.segments[0].text, one.segments[1].text) for one in wanted
        ]
        for row in rows:
            row_said = said[row["id"]]
            assert (row["task"], row["weight"], row["sample"]) == ("cot", 1.0, row_said.sample)
            assert (row["answer"], row["teacher"]) == (row_said.answer, "scripted")
            assert row["rationale"] == row_said.texts[0].strip()
            assert row["rationalised"] is False


def test_messages_are_a_question_and_its_answer(checkout: Path) -> None:
    """No row has prompt and messages: TRL takes whichever it meets first."""
    typed("corpus", CORPUS, str(OUT))
    texts, talks = loaded("prompt_completion", "train"), loaded("messages", "train")
    assert len(texts) == len(talks)
    for text, talk in zip(texts, talks, strict=True):
        user, assistant = talk["messages"]
        assert user == {"role": "user", "content": text["question"], "weight": None}
        said = f"{text['rationale']} --> {text['gold']}"
        assert assistant == {"role": "assistant", "content": said, "weight": 1}
        assert "messages" not in text
        assert not {"prompt", "completion"} & talk.keys()
    info = json.loads((OUT / "dataset_info.json").read_text())
    for entry in info.values():
        assert (OUT / entry["file_name"]).is_file()
        folder, _, file = entry["file_name"].partition("/")
        row = loaded(folder, file.removesuffix(".parquet"))[0]
        assert set(entry["columns"].values()) <= row.keys()
    assert {entry["formatting"] for entry in info.values()} == {"alpaca", "sharegpt"}


@pytest.mark.parametrize("config", ["prompt_completion", "messages"])
def test_trl_trains_on_it(config: str, checkout: Path, random_student: Any, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    from transformers import AutoTokenizer

    typed("corpus", CORPUS, str(OUT))
    folder = random_student("llama")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = "{% for turn in messages %}{{ turn.role }}: {{ turn.content }}\n{% endfor %}"
    arguments = trl.SFTConfig(
        str(tmp_path / "out"), max_steps=1, report_to=[], use_cpu=True, per_device_train_batch_size=2
    )
    rows = load_dataset(str(OUT), config, split="train")
    trainer = trl.SFTTrainer(str(folder), arguments, train_dataset=rows, processing_class=tokenizer)
    assert trainer.train().training_loss > 0


def test_every_number_of_the_card_is_that_of_the_file_it_links_to(checkout: Path) -> None:
    typed("corpus", CORPUS, str(OUT))
    told = check_card(OUT, 10)
    card = (OUT / "README.md").read_text()
    assert told["license"] == "mit"
    assert [one["config_name"] for one in told["configs"]] == ["prompt_completion", "messages", "corpus"]
    assert git(checkout, "rev-parse", "HEAD").strip() in card
    assert "dvc.lock recorded other files or settings" in card  # this checkout's data are no stage's own
    assert "the tree had changes" not in card


def test_changes_that_no_commit_has_are_said(checkout: Path) -> None:
    with Path("params.yaml").open("a") as file:
        file.write("# changed\n")
    typed("corpus", CORPUS, str(OUT))
    assert (
        "**the tree had changes that the commit does not have**: `params.yaml`"
        in (OUT / "README.md").read_text()
    )


def test_a_cell_names_its_corpus_and_its_method(checkout: Path) -> None:
    typed("corpus", CELL, str(OUT))
    assert "the texts are those of the method `fine_tune_cot`" in (OUT / "README.md").read_text()
    shutil.rmtree(OUT)
    typed("corpus", CELL, str(OUT), "--method", "cascod")
    rows = loaded("prompt_completion", "train")
    assert {(row["task"], row["weight"]) for row in rows} == {("rationale", 0.7), ("answer", 0.3)}
    assert all(row["sample"] == 0 for row in rows)
    assert "**The method weighs its tasks**" in (OUT / "README.md").read_text()


WRONG = {
    ("nothing", "x"): r"'nothing' is no cell that `run` declares",
    (BASELINE, "x"): r"wanted DATASET-SPLIT-TEACHER-CURATION, or a cell that has a teacher",
    (CORPUS, "x", "--method", "nobody"): r"no block `methods\.nobody`; methods has: ",
    (CORPUS, "x", "--method", "fine_tune"): r"fine_tune does not learn from a teacher's rationales",
    (
        CORPUS.replace("d1", "d4"),
        "x",
    ): r"d4\.jsonl not found: `dvc repro curate@gen_last_letter-sample-scripted-d4`",
    (CORPUS, "docs"): "docs is there already",
    (CORPUS, "x", "--dry-run"): "give --push OWNER/NAME",
    (CORPUS, "x", "--push", "name", "--dry-run"): "wanted OWNER/NAME",
    (CORPUS, "x", "--push", "owner/name"): r"a token with write access in \$HF_TOKEN",
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_what_cannot_be_is_said_and_leaves_nothing(words: tuple[str, ...], checkout: Path) -> None:
    with pytest.raises(ValueError, match=WRONG[words]):
        typed("corpus", *words)
    assert not Path("x").exists()
    assert not list(Path().glob(".*.part"))


class Hub:
    """In the place of the hub's API."""

    calls: list[Any] = []  # noqa: RUF012

    def __init__(self, token: str) -> None:
        self.calls.append(token)

    def create_repo(self, repo: str, **options: Any) -> None:
        self.calls.append((repo, options))

    def upload_folder(self, folder_path: Path, **options: Any) -> Any:
        self.calls.append((sorted(path.name for path in folder_path.iterdir()), options["repo_type"]))
        return type("Commit", (), {"commit_url": "https://hub/commit"})


def test_the_hub_gets_the_folder_with_the_token_of_the_environment(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "HfApi", Hub)
    said = typed("corpus", CORPUS, str(OUT), "--push", "me/letters", "--dry-run")
    assert re.search(r"would upload 12 files, [\d,]+ bytes, to the dataset me/letters on the hub", said)
    assert Hub.calls == []
    shutil.rmtree(OUT)
    monkeypatch.setenv("HF_TOKEN", "secret")
    said = typed("corpus", CORPUS, str(OUT), "--push", "me/letters")
    files = sorted(path.name for path in OUT.iterdir())
    options = {"repo_type": "dataset", "private": True, "exist_ok": True}
    assert Hub.calls == ["secret", ("me/letters", options), (files, "dataset")]
    assert "secret" not in said
    assert "https://hub/commit" in said
    assert YAML(typ="safe").load(OUT / "import.yaml")["source"]["path"] == "me/letters"


# ---- imported again


def asked(kind: str, answer: str, rationale: str, **fields: Any) -> tuple[Example, list[str]]:
    return Example("made-0", "made", "How many?", answer, kind, **fields), [f" {rationale}", f" {answer}."]


CHOICE = "Which is hot? Answer Choices: (A) ice (B) fire"
ROWS = {
    "number": asked("number", "3.5", "He has 1.5 and gets 2. The answer is near. 1.5 + 2 = 3.5."),
    "number in a box": asked("number", "7", r"First \boxed{3}, then 4 more: 3 + 4 = 7."),
    "choice": (
        Example("made-0", "made", CHOICE, "B", "choice", ["ice", "fire"]),
        [" Ice is cold, so it is not (A).\n\nFire burns.", " (B)."],
    ),
    "yes or no": asked("yes_no", "yes", "No bird is a fish. So a hen is none: yes, it is a bird"),
    "latex": asked("latex", r"\frac{1}{2}", r"Half of it is $\frac{1}{2}$."),
    "date": asked("date", "05/01/2021", "May begins one day after 04/30/2021."),
}


def imported(name: str, parts: dict[str, list[str]]) -> list[Completion]:
    """The stages from the exported folder to a corpus, where `parts` has the examples' new ids."""
    block = YAML(typ="safe").load(OUT / "import.yaml")
    with pytest.MonkeyPatch.context() as patch:
        use_datasets(patch, OUT / "datasets", **{name: block})
        raw, examples = OUT / "raw", OUT / "examples.jsonl"
        params = Path("params.yaml").read_text()
        download.main(name, raw)
        prepare.main(name, raw, examples, OUT / "shown.txt")
        (OUT / "split.json").write_text(json.dumps(parts))
        teach.main("responses", raw, examples, OUT / "shown.txt", OUT / "said.jsonl", OUT / "counts.json")
        curate.main(
            "unfiltered", examples, OUT / "split.json", OUT / "said.jsonl", OUT / "kept.jsonl", OUT / "f.json"
        )
        assert Path("params.yaml").read_text() == params
    return read_completions(OUT / "kept.jsonl")


def content(rows: list[Completion], examples: Path) -> list[tuple[Any, ...]]:
    """What is learned of a corpus, without names."""
    known = {example.id: example for example in read_examples(examples)}
    found = []
    for row in rows:
        one = known[row.example_id]
        question = (one.question, one.answer, one.answer_type, one.choices, one.template)
        found.append((*question, rationale_of(row), row.answer, row.model))
    return found


def test_an_exported_corpus_is_imported_as_the_same(checkout: Path) -> None:
    typed("corpus", CORPUS, str(OUT))
    kept = read_completions(Path(f"data/corpora/{CORPUS}.jsonl"))
    train = set(json.loads(Path("data/splits/gen_last_letter-sample.json").read_text())["train"])
    ids = [f"again-{place}" for place in range(len(kept))]
    first = sum(row.example_id in train for row in kept)
    again = imported("again", {"train": ids[:first], "validation": ids[first:], "test": []})
    before = content(kept, Path("data/examples/gen_last_letter.jsonl"))
    assert content(again, OUT / "examples.jsonl") == before
    parts = [example.source_split for example in read_examples(OUT / "examples.jsonl")]
    assert parts == ["train"] * first + ["validation"] * (len(kept) - first)


@pytest.mark.parametrize("rows", ROWS)
def test_answers_of_every_kind_come_back(
    rows: str, checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    example, texts = ROWS[rows]
    block = {"licence": "CC0-1.0", "source": {"kind": "local", "files": ["made.csv"]}}
    use_datasets(monkeypatch, tmp_path / "sets", made=block)
    write_examples(Path("data/examples/made.jsonl"), [example])
    Path("data/splits/made-sample.json").write_text('{"train": ["made-0"], "validation": [], "test": []}')
    said = [
        Completion("made-0", sample, ["q", "q"], texts, ["stop"] * 2, "m", "", answer=example.answer)
        for sample in range(2)
    ]
    kept = Path("data/corpora/made-sample-scripted-d1.jsonl")
    write_completions(kept, said)
    typed("corpus", "made-sample-scripted-d1", str(OUT))
    again = imported("again", {"train": ["again-0"], "validation": [], "test": []})
    assert content(again, OUT / "examples.jsonl") == content(said, Path("data/examples/made.jsonl"))
    assert "license: cc0-1.0" in (OUT / "README.md").read_text()
