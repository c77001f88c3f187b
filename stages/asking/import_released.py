"""Import of released files: their answers become samples of the requests that a teacher's block would send.

That the block describes how they were made (model, temperature, stops) is the word of who imports them; what
a file states is compared.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from stages.asking.conversation import Asking
from stages.asking.import_own import Found
from stages.asking.request import Answer
from stages.parsing.released_archives import ReleasedFile, ReleasedSample, read_released
from stages.records.example import Example


def without_blanks(text: str) -> str:
    """Releases differ from one another, and from this project, in white space."""
    return "".join(text.split())


def read_released_answers(path: Path, asking: Asking, examples: list[Example] | None) -> Found:
    """Released answers as samples of the teacher's requests. Raises ValueError if they are another model's.

    With examples, a row is one of their questions if it has the prompt that the method asks (the question, if
    no prompt was released), white space aside, and gets the method's own spelling, which is what
    `stages.teach` looks for. Without, prompts stay as they were released.
    """
    file = read_released(path)
    model = asking.request("").model
    if file.model is not None and file.model != model:
        raise ValueError(f"{path}: answers of {file.model!r}, but the teacher's model is {model!r}")
    found = Found()
    taken = Counter[str]()
    by_prompt = {without_blanks(asking.next_prompt(one, []) or ""): one for one in examples or []}
    by_question = {without_blanks(one.question): one for one in examples or []}
    for row in file.rows:
        if not row.steps:
            found.mark("samples without a text: an interrupted run", row.place)
            continue
        first = row.steps[0].prompt
        if examples is None:
            prompts = [step.prompt for step in row.steps]
        elif example := (
            by_question.get(without_blanks(row.question or ""))
            if first is None
            else by_prompt.get(without_blanks(first))
        ):
            prompts = list(prompts_as_asked(example, row, asking))
        else:
            found.mark("samples left out: the teacher asks none of the examples this way", row.place)
            continue
        add_sample(row, prompts, found, taken, asking, path)
    note_settings(file, asking, found)
    return found


def prompts_as_asked(example: Example, row: ReleasedSample, asking: Asking) -> Iterator[str | None]:
    """The prompts as the method writes them, up to where the released ones differ in more than blanks."""
    for place, step in enumerate(row.steps):
        prompt = asking.next_prompt(example, [earlier.text for earlier in row.steps[:place]])
        if prompt is None:
            return
        if step.prompt is not None and without_blanks(step.prompt) != without_blanks(prompt):
            return
        yield prompt


def add_sample(
    row: ReleasedSample,
    prompts: list[str | None],
    found: Found,
    taken: Counter[str],
    asking: Asking,
    path: Path,
) -> None:
    """The steps of a row up to the first without a prompt. Samples count up per request, as
    stages/asking/conversation.py counts them.
    """
    for place, step in enumerate(row.steps):
        prompt = prompts[place] if place < len(prompts) else None
        if prompt is None:
            why = (
                "no prompt was released: name the dataset"
                if place < len(prompts)
                else "asked otherwise than the teacher asks"
            )
            found.mark(f"samples cut off where {why}", row.place)
            return
        request = asking.request(prompt)
        found.requests[request.key] = request
        answer = Answer(
            step.text,
            step.finish_reason,
            logprobs=step.logprobs,
            model=request.model,
            source=f"import {path.name}",
        )
        found.add(request.key, taken[request.key], answer)
        taken[request.key] += 1


def note_settings(file: ReleasedFile, asking: Asking, found: Found) -> None:
    """Sampling parameters that a file states and the teacher's block has otherwise."""
    request = asking.request("")
    for name, value in file.settings.items():
        own = getattr(request, "temperature" if name.endswith("temperature") else "max_tokens")
        if own != value:
            found.mark(f"note: released with {name} {value}, the teacher has {own}", "metadata")
