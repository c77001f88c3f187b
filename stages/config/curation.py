"""`curations.NAME` of params.yaml: which of a teacher's completions become training data."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from stages.config.choosing import Judge, Length, Mix, NearDuplicates, Shares, Verdicts
from stages.config.load import Block

LISTS = Path(__file__).parents[1] / "corpus"  # golden lists that were published


class Select(Block):
    """Which completions stay when `keep` are wanted, after the answer filter: SCoTD section 4."""

    by: Literal["random", "diversity", "likelihood", "open_endedness"]
    # a question; for open_endedness the mean over questions (5: 1, 3, 5, 7 and 9 by quintile)
    keep: int = Field(ge=1)
    # what diversity is seen with; minilm needs the extra `embeddings`
    embed: Literal["minilm", "tfidf"] | None = None

    @model_validator(mode="after")
    def fits(self) -> "Select":
        if (self.by == "diversity") != (self.embed is not None):
            raise ValueError(
                "`embed` (minilm or tfidf) goes with `by: diversity`: give it there and only there"
            )
        if self.by == "open_endedness" and (self.keep < 3 or self.keep % 2 == 0):
            raise ValueError(
                "open_endedness spreads an odd `keep` of at least 3 over five quintiles,"
                " such as 5: 1, 3, 5, 7 and 9"
            )
        return self


class Curation(Block):
    """Which completions stay.

    Fine-tune-CoT section 3, step 2 and diverse reasoning; appendix E.1 for the golden list. `select`: SCoTD
    section 4.
    """

    # answer: the answer is right; golden: and a human found the rationale right; dual: it is right, or wrong
    # where others of its question are right, for methods that learn from both
    filter: Literal["answer", "none", "golden", "dual"]
    # D, degree of reasoning diversity: the first D samples asked; null: all there are
    per_question: int | None = Field(None, ge=1)
    # of the questions those of which such a share of the D samples is right: neither too hard nor too easy
    pass_rate: Shares | None = None
    # without what the teacher's length limit L_r cut (appendix E.2; FT's released code keeps it)
    finished_only: bool = False
    # without what states its answer again and again: a student learns that it need not end
    stated_once: bool = False
    dedup: bool = False  # one of several texts of a question that differ in case and spaces only
    # what is learned before the answer of a model that thinks: what it thought, what it said, or one after
    # the other
    train_on: Literal["thoughts", "summary", "both"] = "summary"
    keep_cut_thoughts: bool = False  # those that ended at the length limit before anything was said
    length: Length | None = None
    verdicts: Verdicts | None = None
    near_duplicates: NearDuplicates | None = None  # of what has passed all that is above
    judge: Judge | None = None
    # a file of local/, else of stages/corpus: example ids, one per line, of one or more datasets
    golden: str | None = Field(None, pattern=r"^\w[\w.-]*$")
    # Table 6, Answer (matched): draw as many questions as `filter: golden` keeps
    match_size: Literal["golden"] | None = None
    select: Select | None = None  # of what has passed all that, at most so many a question
    mix: Mix | None = None  # of what has passed all that
    seed: int = 0  # of the draws of match_size, select and mix

    @property
    def budget(self) -> tuple[str, int | None]:
        """(the key that says so, how many completions a question ought to have; None: all there are)."""
        if self.select and not self.per_question:
            return ("select.keep", self.select.keep)
        return ("per_question", self.per_question)

    @model_validator(mode="after")
    def golden_list_has_a_use(self) -> "Curation":
        used = self.filter == "golden" or self.match_size == "golden"
        if used != (self.golden is not None):
            raise ValueError(
                "`golden` names the list for `filter: golden` and `match_size: golden`:"
                " give it with them and only then"
            )
        return self

    @model_validator(mode="after")
    def chooses_in_one_way(self) -> "Curation":
        if self.select and self.mix:
            raise ValueError(
                "`mix` keeps one completion of a question, `select` several: drop one or the other"
            )
        if self.filter == "dual" and (self.select or self.mix):
            raise ValueError(
                "`select` and `mix` leave wrong ones without a right one: not with `filter: dual`"
            )
        return self

    @model_validator(mode="after")
    def selects_from_enough(self) -> "Curation":
        if self.select and self.per_question and self.select.keep > self.per_question:
            raise ValueError(
                f"`select.keep` is {self.select.keep}, wanted at most `per_question`, {self.per_question}"
            )
        return self


def golden_file(name: str) -> Path:
    """The list that `golden` names. Raises ValueError where there is none."""
    paths = [Path("local", name), LISTS / name]
    for path in paths:
        if path.is_file():
            return path
    raise ValueError(
        f"golden: no list {name!r}: wanted local/{name}, with example ids of your own, or one of"
        f" {', '.join(sorted(path.name for path in LISTS.glob('*_golden.txt')))}"
    )
