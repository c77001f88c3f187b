"""How students answer (`decodings.NAME` in params.yaml)."""

from typing import Annotated

from pydantic import Field, model_validator

from stages.config.load import Block

# The papers' own: a cell's label leaves it out, and a student is asked so between epochs (`select: accuracy`)
GREEDY = "greedy"


class Decoding(Block):
    """Greedy unless a temperature is given (Fine-tune-CoT section 3, step 3: at most 1024 tokens a step)."""

    max_new_tokens: int = Field(1024, ge=1)
    temperature: float = Field(0.0, ge=0)
    # only from the so many likeliest tokens, 0: from all; only from the fewest that have so much probability
    top_k: Annotated[int, Field(ge=0)] = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    samples: int = Field(1, ge=1)
    # above 1: beam search, of so many texts at once (SCoTD section 2)
    beams: Annotated[int, Field(ge=1)] = 1
    seed: int = 0

    @model_validator(mode="after")
    def settings_agree(self) -> "Decoding":
        drawn = self.temperature > 0 or self.samples > 1 or self.top_k or self.top_p < 1
        if self.beams > 1 and drawn:
            raise ValueError(
                "beam search gives one answer and draws nothing: drop `beams`, or `temperature`, `samples`,"
                " `top_k` and `top_p`"
            )
        if self.temperature == 0 and (self.top_k or self.top_p < 1):
            raise ValueError(
                "greedy draws nothing: give a temperature with `top_k` and `top_p`, or drop them"
            )
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("greedy samples are all the same: give a temperature with samples > 1")
        return self
