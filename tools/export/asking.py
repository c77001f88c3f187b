"""How an exported student is asked, for its card: through its chat template or by plain texts."""

from pathlib import Path
from typing import NamedTuple

from stages.config.base import ADAPTERS, read_prompt_limit
from stages.config.method import read_method
from stages.config.run import Axes
from stages.records.completion import Completion, iter_completions
from stages.records.jsonl import read_object
from stages.text.formats import system_of
from tools.export.citations import Citations, table

AGREED = {
    "questions": "asked",
    "prompts_of_the_same_tokens": "read as the same tokens",
    "answers_of_the_same_text": "answered by the same text, to the letter",
    "answers_with_the_same_result": "answered with the same result",
}


class Exported(NamedTuple):
    cell: str
    at: Axes
    source: Path  # data/students/...
    dtype: str  # of the weights in the exported folder
    adapter: bool  # are they adapters?
    changed: bool  # were the weights that answered of another dtype?


def fenced(text: str) -> list[str]:
    """A text as it stands, whatever marks it holds."""
    fence = "````" if "```" in text else "```"
    return [f"{fence}text", text, fence, ""]


def example_of(told: Exported) -> Completion | None:
    """Its first answer to a test question."""
    path = Path(f"data/predictions/{told.cell}.jsonl")
    return next(iter_completions(path), None) if path.is_file() else None


def asking_lines(told: Exported) -> list[str]:
    """How it wants to be asked: through its chat template, or by texts as they stand."""
    method, settings, reader = read_method(told.at["method"])
    system = system_of(settings)
    lines = []
    if system is None:
        lines.append(
            "It was trained on plain texts, without a chat template: the prompt is asked as it stands."
        )
    else:
        said = f", with the system message {system!r}" if system else ", without a system message"
        lines.append(f"It was trained through its chat template{said}.")
    stops = method.stops(settings)
    prefix = method.answer_prefix(settings)
    lines.append(f"It ends at {' or '.join(map(repr, stops))}, or at the end-of-text token." if stops else
                 "It ends at the end-of-text token.")  # fmt: skip
    lines.append(f"Its result stands behind {prefix!r}." if prefix else "Its last text is the result.")
    lines.append(f"The scores below were read by the reader `{reader}`.")
    if (most := read_prompt_limit(told.source)) is not None:
        lines.append(f"Of a prompt it reads the first {most:,} tokens, in training and here.")
    found = [" ".join(lines), ""]
    if (row := example_of(told)) is not None:
        found += [f"A test question ({row.example_id}), step by step what it was asked and what it said:", ""]
        for prompt, text in zip(row.prompts, row.texts, strict=True):
            found += [*fenced(prompt), *fenced(text)]
    return found


def is_encoder_decoder(student: Path) -> bool:
    """What the student's folder says."""
    told = {path.name: read_object(path) for path in student.glob("*config.json")}
    halves = told.get("config.json", {}).get("is_encoder_decoder", False)
    return bool(halves) or told.get(ADAPTERS, {}).get("task_type") == "SEQ_2_SEQ_LM"


def use_lines(told: Exported) -> list[str]:
    """Python that asks it as it was trained."""
    halves = is_encoder_decoder(told.source)
    kind = "ForSeq2SeqLM" if halves else "ForCausalLM"
    if told.adapter:
        return ["```python", f"from peft import AutoPeftModel{kind}", "",
                f'model = AutoPeftModel{kind}.from_pretrained("THIS FOLDER")', "```", ""]  # fmt: skip
    _, settings, _ = read_method(told.at["method"])
    system = system_of(settings)
    turns = [{"role": "system", "content": system}] if system else []
    asked = "tokenizer(PROMPT"
    if system is not None:
        listed = ", ".join([*map(str, turns), '{"role": "user", "content": PROMPT}'])
        asked = f"tokenizer.apply_chat_template([{listed}], add_generation_prompt=True, return_dict=True"
    behind = "" if halves else ', ids["input_ids"].shape[1] :'
    return [
        "```python",
        f"from transformers import AutoModel{kind}, AutoTokenizer",
        "",
        'tokenizer = AutoTokenizer.from_pretrained("THIS FOLDER")',
        f'model = AutoModel{kind}.from_pretrained("THIS FOLDER")',
        f'ids = {asked}, return_tensors="pt")',
        f"said = model.generate(**ids)[0{behind}]",
        "print(tokenizer.decode(said, skip_special_tokens=True))",
        "```",
        "",
        f"generation_config.json is the decoding `{told.at['decoding']}`, by which the scores were made.",
        "",
    ]


def gguf_lines(citations: Citations) -> list[str]:
    """The file for llama.cpp, and how often that says the same."""
    files = sorted(citations.folder.glob("*.gguf"))
    if not files:
        return []
    lines = ["## In llama.cpp", "", f"`{files[0].name}` holds the same numbers.", ""]
    path = citations.folder / "gguf.json"
    if not path.is_file():
        return [*lines, "Nobody asked it there.", ""]
    told = read_object(path)
    shown = [(what, citations.cited(told[key], Path(path.name))) for key, what in AGREED.items()]
    return [*lines, *table(("asked greedily, keys and values in float32", "test questions"), [*shown])]
