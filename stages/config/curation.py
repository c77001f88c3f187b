"""A curation's block in params.yaml: which of a teacher's completions become training data (`curations.<name>`)."""

from typing import Literal

from pydantic import Field, model_validator

from stages.config.load import Block


class Curation(Block):
    """Fine-tune-CoT section 3, step 2 and diverse reasoning; appendix E.1 for the golden list."""

    filter: Literal["answer", "none", "golden"]  # answer: the answer is right; golden: and a human found the rationale right
    per_question: int | None = Field(None, ge=1)  # D, degree of reasoning diversity: the first D samples asked; null: all there are
    dedup: bool = False  # one of several texts of a question that differ in case and spaces only
    golden: str | None = Field(None, pattern=r"^\w[\w.-]*$")  # a file of local/: example ids, one per line, of one or more datasets
    match_size: Literal["golden"] | None = None  # Table 6, Answer (matched): draw as many questions as `filter: golden` keeps
    seed: int = 0  # of that draw

    @model_validator(mode="after")
    def golden_list_has_a_use(self) -> "Curation":
        used = self.filter == "golden" or self.match_size == "golden"
        if used != (self.golden is not None):
            raise ValueError("`golden` names the list for `filter: golden` and `match_size: golden`: give it with them and only then")
        return self
