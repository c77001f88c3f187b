"""What a mentor is asked, and the corpus that its rationales make with the teacher's, by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages import curate, join, mentor
from stages.config.mentor import mentor_of
from stages.records.completion import Completion, read_completions, write_completions
from stages.records.example import Example, write_examples
from stages.records.sequence import read_sequences

EXAMPLES = [
    Example(f"toy-{row}", "toy", f"What is {row} plus 1?", str(row + 1), "number") for row in range(6)
]
PARTS = {"train": ["toy-0", "toy-2", "toy-3"], "validation": ["toy-1"], "test": ["toy-4", "toy-5"]}
LEARNED = ["toy-0", "toy-1", "toy-2", "toy-3"]
RATIONALES = {
    ("teacher", 0): ["One more.", "It is next.", "One more."],
    ("teacher", 1): ["It is next."],
    ("teacher", 2): ["Wrong."],
    ("mentor", 0): ["One  more.", "Count on.", "Count on."],
    ("mentor", 1): ["It is next.", "Wrong."],
    ("mentor", 2): ["Count on."],
}


def said(who: str, row: int, sample: int, rationale: str, **fields: Any) -> Completion:
    answer = 99 if rationale == "Wrong." else row + 1
    return Completion(
        f"toy-{row}", sample, ["q"], [f"{rationale} --> {answer}"], ["stop"], who, "-->", **fields
    )


def rows_of(who: str) -> list[Completion]:
    return [
        said(who, row, sample, text)
        for (name, row), texts in RATIONALES.items()
        if name == who
        for sample, text in enumerate(texts)
    ]


class Files:
    """A folder with the toy's files, entered; the teacher's corpus is curated already."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write(mentors={})
        write_examples(folder / "examples.jsonl", EXAMPLES)
        (folder / "split.json").write_text(json.dumps(PARTS))
        (folder / "demonstrations.txt").write_text("")
        self.files = (folder / "examples.jsonl", folder / "split.json")
        write_completions(folder / "taught.jsonl", rows_of("teacher"))
        self.corpus = folder / "corpus.jsonl"
        curate.main("d2", *self.files, folder / "taught.jsonl", self.corpus, folder / "funnel.json")

    def write(self, **blocks: Any) -> None:
        curations = {"d2": {"filter": "answer", "per_question": 2}, "all": {"filter": "none"}}
        params = {"curations": curations, "methods": {"fine_tune_cot": {}}, **blocks}
        YAML(typ="safe").dump(params, self.folder / "params.yaml")

    def join(self, rows: list[Completion], curation: str = "d2") -> list[tuple[str, int, str, str]]:
        """(question, sample, rationale, who) of the joined corpus."""
        write_completions(self.folder / "said.jsonl", rows)
        names = ("said.jsonl", "corpus.jsonl", "joined.jsonl", "joined.json")
        join.main(curation, "small", *self.files, *(self.folder / name for name in names))
        found = read_completions(self.folder / "joined.jsonl")
        return [(row.example_id, row.sample, row.texts[0].split(" --> ")[0], row.model) for row in found]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.chdir(tmp_path)
    return Files(tmp_path)


# the teacher's first two of a question, right ones; then the mentor's right ones that say something else,
# however many; train questions before those of validation
JOINED = [
    ("toy-0", 0, "One more.", "teacher"),
    ("toy-0", 1, "It is next.", "teacher"),
    ("toy-0", 3, "Count on.", "mentor"),
    ("toy-2", 0, "Count on.", "mentor"),
    ("toy-1", 0, "It is next.", "teacher"),
]


def test_a_joined_corpus_is_the_one_made_by_hand(files: Files) -> None:
    assert files.join(rows_of("mentor")) == JOINED
    told = json.loads((files.folder / "joined.json").read_text())
    assert told["joined"] == {
        "train": {"teacher": 2, "mentor": 2, "said_already": 2},
        "validation": {"teacher": 1, "mentor": 0, "said_already": 1},
    }
    assert told["mentor_accuracy_train"] == 1.0  # four of four; what was wrong is a validation question's
    assert told["all"]["rows_in"] == 6
    assert told["validation"]["removed"]["wrong_answer"] == 1
    files.write(mentors={"small": {"join": False}})
    own = [("toy-0", 0, "One  more.", "mentor"), ("toy-0", 1, "Count on.", "mentor")]
    own += [("toy-2", 0, "Count on.", "mentor"), ("toy-1", 0, "It is next.", "mentor")]
    assert files.join(rows_of("mentor")) == own


def test_a_hinted_row_is_no_merit_of_the_mentor(files: Files) -> None:
    rows = [said("mentor", 0, 0, "Wrong."), said("mentor", 0, 1, "As told.", rationalised=True)]
    assert ("toy-0", 3, "As told.", "mentor") in files.join(rows)
    told = json.loads((files.folder / "joined.json").read_text())
    assert told["mentor_accuracy_train"] == 0.0
    assert told["train"]["rationalised"] == 1


class Student:
    """In place of a student: what it says to each question, by the folder that it lies in."""

    def __init__(self, patch: pytest.MonkeyPatch, rationales: dict[str, dict[int, str]]) -> None:
        self.rationales = rationales
        self.asked: list[tuple[str, list[str]]] = []  # of each call the folder and the questions
        patch.setattr(mentor, "ask", self.ask)

    def ask(self, asked: mentor.Asked, questions: list[Example], folder: Path) -> list[Completion]:
        self.asked.append((folder.name, [example.question for example in questions]))
        rows = []
        for example in questions:
            row = int(example.id.split("-")[1])
            hinted = "Hint" in example.question
            text = "As told." if hinted else self.rationales[folder.name].get(row, "Wrong.")
            rows.append(said("small", row, 0, text))
        return rows


def run_mentor(files: Files) -> list[Completion]:
    """The stage, on a student in the folder `first`."""
    out = files.folder / "mentored.jsonl"
    again = (files.folder / "base", files.corpus, files.folder / "code", files.folder / "exam")
    shown = files.folder / "demonstrations.txt"
    mentor.main("small", "fine_tune_cot", "d2", 0, *files.files, shown, files.folder / "first", out, again)
    return read_completions(out)


@pytest.mark.parametrize("hints", [False, True])
def test_no_test_question_is_asked_and_hints_are_for_what_was_missed(
    files: Files, monkeypatch: pytest.MonkeyPatch, hints: bool
) -> None:
    files.write(mentors={"small": {"samples": 1, "temperature": 0.0, "hints": hints}})
    student = Student(monkeypatch, {"first": {0: "One more.", 3: "Next."}})
    rows = run_mentor(files)
    questions = [f"What is {row} plus 1?" for row in range(4)]
    hinted = [f"What is {row} plus 1?\nHint: the answer is {row + 1}." for row in (1, 2)]
    assert student.asked == [("first", questions)] + [("first", hinted)] * hints
    wanted = [("toy-0", 0, False), ("toy-1", 0, False), ("toy-1", 1, True)]
    wanted += [("toy-2", 0, False), ("toy-2", 1, True), ("toy-3", 0, False)]
    assert [(row.example_id, row.sample, row.rationalised) for row in rows] == [
        one for one in wanted if hints or not one[2]
    ]


def test_each_further_round_trains_on_what_the_student_before_it_said(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write(mentors={"small": {"samples": 1, "temperature": 0.0, "rounds": 3}})
    spoken = {"first": {2: "A."}, "second": {2: "B.", 3: "C."}, "third": {0: "D."}}
    student = Student(monkeypatch, spoken)
    learned: list[list[tuple[str, str]]] = []

    def train(name: str, seed: int, method: str, sequences: Path, again: mentor.Again, folder: Path) -> Path:
        rows = read_sequences(sequences)
        learned.append([(row.example_id, row.segments[-1].text.split(" --> ")[0].strip()) for row in rows])
        return Path(("second", "third")[len(learned) - 1])

    monkeypatch.setattr(mentor, "train", train)
    rows = run_mentor(files)
    taught = [("toy-0", "One more."), ("toy-0", "It is next."), ("toy-1", "It is next.")]
    assert learned == [[*taught, ("toy-2", "A.")], [*taught, ("toy-2", "B."), ("toy-3", "C.")]]
    assert [name for name, _ in student.asked] == ["first", "second", "third"]
    assert [row.texts[0] for row in rows if "Wrong" not in row.texts[0]] == ["D. --> 1"]  # the last round's


def test_a_split_that_tests_what_it_trains_is_refused(files: Files) -> None:
    (files.folder / "split.json").write_text(json.dumps({**PARTS, "test": ["toy-4", "toy-2"]}))
    with pytest.raises(ValueError, match="1 questions are learned and tested, first 'toy-2'"):
        run_mentor(files)


def test_a_mentor_without_a_block_has_three_draws() -> None:
    assert (mentor_of("any", {}).samples, mentor_of("any", {"mentors": {}}).temperature) == (3, 0.7)
    with pytest.raises(ValueError, match=r"`mentors.any.round`: unknown key; legal keys: .*hints"):
        mentor_of("any", {"mentors": {"any": {"round": 2}}})
