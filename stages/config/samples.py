"""How often a teacher is asked each question: fields of its block."""

from collections.abc import Mapping

from pydantic import Field, model_validator

from stages.config.load import Block

Fewer = Mapping[str, int]  # question -> samples, of those that are asked less often


class Samples(Block):
    """D of diverse reasoning, on what is learned from and on the rest."""

    samples: int = Field(1, ge=1)  # D, completions a question; nested: the first 8 of 16 are those of 8
    # the same of questions that no split of the run trains or chooses on; null: as many
    samples_test: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def no_more_on_the_rest(self) -> "Samples":
        if self.samples_test is not None and self.samples_test > self.samples:
            raise ValueError(
                f"`samples_test` is {self.samples_test}, wanted at most `samples`, {self.samples}"
            )
        return self
