"""`max_prompt_tokens`: a prompt is cut as `transformers` cuts it, the same when trained and when asked, its
answer is whole, and it is counted.
"""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing

from stages.asking.local import from_memory
from stages.config.base import Base, base_sha256, read_prompt_limit
from stages.config.decoding import Decoding
from stages.config.student import Lora, Student
from stages.methods import fine_tune
from stages.predict import predictions, served, student_asking
from stages.records.completion import read_completions, write_completions
from stages.records.example import Example
from stages.records.sequence import Segment, Sequence
from stages.students.decode import decode
from stages.students.load import Loaded, load, load_trained
from stages.students.save import save_untrained
from stages.students.tokens import Tokens, cut_prompt, prompt_tokens, tokenize
from stages.training.outline import outline_of
from stages.training.steps import tokenize_parts
from stages.training.token_file import KeptTexts, Writer

LONG, SHORT = "a long question that goes on", "short?"
MOST = 10


def marked(tokenizer: Any, template: str) -> Any:
    """The same tokenizer with marks around every text: OPT's stands before it, T5's behind it."""
    made = copy.deepcopy(tokenizer)
    made.backend_tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=[("<eos>", 1)])
    return made


@pytest.mark.parametrize(("template", "causal"), [("$A", True), ("<eos> $A", True), ("$A <eos>", False)])
@pytest.mark.parametrize("text", [LONG, SHORT, LONG[:MOST], LONG[: MOST - 1]])
def test_a_prompt_is_cut_as_transformers_cuts_it(
    byte_tokenizer: Any, template: str, causal: bool, text: str
) -> None:
    tokenizer = marked(byte_tokenizer, template)
    assert tokenizer.truncation_side == "right"  # the default, and OPT's
    ids = prompt_tokens(tokenizer, text, causal)
    found = cut_prompt(ids, MOST, tokenizer, None)
    assert found == tokenizer(text, truncation=True, max_length=MOST).input_ids
    assert (found is ids) == (len(ids) <= MOST)
    assert cut_prompt(ids, None, tokenizer, None) is ids


def two_steps(question: str) -> list[Sequence]:
    """CasCoD's pair: the second prompt goes on with the first one's target."""
    return [
        Sequence("a-0", [Segment(question), Segment(" why", "rationale", 0.7)], unit="0"),
        Sequence("a-0", [Segment(question + " why"), Segment(" so", "answer", 0.3)], unit="0"),
    ]


def plain(text: Tokens) -> Any:
    targets = [(one.start, one.labels.tolist(), one.task, one.weight) for one in text.targets]
    return text.context.tolist(), text.inputs.tolist(), targets, text.truncated


@pytest.mark.parametrize("start", [None, 0])
@pytest.mark.parametrize("question", [LONG, SHORT])
def test_what_is_trained_is_the_cut_prompt_and_the_whole_answer(
    byte_tokenizer: Any, start: int | None, question: str
) -> None:
    """A token is a byte: the text cut to so many bytes gives the same tokens, labels and places."""
    for sequence in two_steps(question):
        prompt, target = sequence.segments
        short = replace(sequence, segments=[Segment(prompt.text[:MOST]), target])
        found = tokenize(sequence, byte_tokenizer, start, 100, max_prompt_tokens=MOST)
        assert plain(found) == plain(tokenize(short, byte_tokenizer, start, 100))
        assert found.prompt_cut == (len(prompt.text) > MOST)
        assert not found.truncated
        assert found.targets[0].labels.tolist() == [*byte_tokenizer(target.text).input_ids, 1]


def test_cut_prompts_are_counted_in_memory_and_in_files(random_student, tmp_path: Path) -> None:
    student = replace(load(random_student("opt")), max_prompt_tokens=MOST)
    rows = [replace(one, part="train") for text in (LONG, SHORT) for one in two_steps(text)]
    texts = tokenize_parts(rows, student, 100)["train"]
    assert [text.prompt_cut for text in texts] == [True, True, False, False]
    assert outline_of(texts).prompts_cut == 2
    writer = Writer(tmp_path / "train.arrow", tasks := {})
    for text in texts:
        writer.add(text)
    writer.close()
    kept = KeptTexts(tmp_path / "train.arrow", list(tasks))
    assert [text.prompt_cut for text in kept] == [True, True, False, False]
    assert outline_of(kept).prompts_cut == 2


@pytest.mark.parametrize("family", ["opt", "t5"])
@pytest.mark.parametrize("beams", [1, 2])
def test_what_is_asked_is_the_cut_prompt(family: str, beams: int, random_student, capsys) -> None:
    student = load(random_student(family))
    decoding = Decoding(max_new_tokens=6, beams=beams)
    short = decode(student, [LONG[:MOST], SHORT], [], decoding, "test")
    assert "lose their ends" not in capsys.readouterr().err
    limited = replace(student, max_prompt_tokens=MOST)
    found = decode(limited, [LONG, SHORT], [], decoding, "test")
    assert [answer.prompt_cut for (answer,) in found] == [True, False]
    assert [replace(answer, prompt_cut=False) for (answer,) in found] == [answer for (answer,) in short]
    assert "test: 1 of 2 prompts lose their ends at `max_prompt_tokens`, 10" in capsys.readouterr().err
    # a prompt that leaves no room does leave some when it is cut
    (endless,) = decode(limited, ["x" * 1000], [], decoding, "test")[0]
    assert (endless.finish_reason, endless.tokens_in) == ("length", MOST)


def test_a_prediction_says_so(random_student, tmp_path: Path) -> None:
    loaded = replace(load(random_student("llama")), max_prompt_tokens=MOST)
    questions = [Example(f"a-{n}", "a", text, "1", "number") for n, text in enumerate([LONG, "Why?"])]
    decoding = Decoding(max_new_tokens=4)
    place = {"api": "transformers", "model": "small"}
    asking = student_asking(place, fine_tune, fine_tune.Settings(), "", decoding)
    rows = predictions("s", "selected", questions, asking, from_memory(lambda: loaded, decoding, "test"))
    assert [row.prompt_cut for row in rows] == [True, False]
    write_completions(tmp_path / "rows.jsonl", rows)
    assert read_completions(tmp_path / "rows.jsonl") == rows
    assert (tmp_path / "rows.jsonl").read_text().count("prompt_cut") == 1


def student_block(folder: Path, **values: Any) -> Student:
    base = Base(path=str(folder), sha256=base_sha256(folder))
    return Student(base=base, max_prompt_tokens=MOST, precision="float32", **values)


@pytest.mark.parametrize("lora", [None, Lora(r=2), Lora(r=2, merge=True)])
def test_a_trained_student_keeps_its_limit(random_student, tmp_path: Path, lora: Lora | None) -> None:
    import torch

    from stages.students.adapters import load_for_training
    from stages.students.save import save_trained

    settings = student_block(random_student("llama"), lora=lora)
    trained = load_for_training(settings, 0)
    assert trained.max_prompt_tokens == MOST
    state = {name: value for name, value in trained.model.state_dict().items() if not lora or "lora" in name}
    torch.save(state, tmp_path / "best.pt")
    save_trained(settings, tmp_path / "best.pt", tmp_path / "student")
    assert load_trained(tmp_path / "student").max_prompt_tokens == MOST


def test_an_untrained_student_keeps_its_limit(random_student, tmp_path: Path) -> None:
    save_untrained(student_block(random_student("llama")), tmp_path)
    assert load_trained(tmp_path).max_prompt_tokens == MOST
    assert load_trained(random_student("llama")).max_prompt_tokens is None
    assert read_prompt_limit(random_student("llama")) is None


def test_a_chat_prompt_cannot_be_cut(random_student) -> None:
    student: Loaded = replace(load(random_student("llama")), max_prompt_tokens=MOST)
    student.tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    with pytest.raises(
        ValueError, match="a chat's prompt of 34 tokens cannot be cut to `max_prompt_tokens`, 10"
    ):
        decode(student, [LONG], [], Decoding(), "test", system="")


def test_a_server_would_read_a_long_prompt_whole(random_student, tmp_path: Path) -> None:
    save_untrained(student_block(random_student("llama")), tmp_path)
    asking = student_asking(served(tmp_path, "local"), fine_tune, fine_tune.Settings(), "", Decoding())
    assert asking.request("Why?").prompt == "Why?"
    with pytest.raises(ValueError, match=r"a prompt of 28 tokens, .* 'local' would read all of it"):
        asking.request(LONG)


def test_a_limit_that_leaves_no_room_is_refused(random_student) -> None:
    with pytest.raises(ValueError, match="`max_prompt_tokens` is 10, `max_tokens` 10: no room for an answer"):
        student_block(random_student("llama"), max_tokens=10)
