"""The benchmark of `split`: what its made-up questions are, and that it splits them."""

from itertools import islice

import pytest
from typer.testing import CliRunner

from stages.corpus.templates import mine_templates, skeletons
from tools.benchmark import app, splitting


def test_split_is_timed_on_every_kind_of_question() -> None:
    """Three real splits; no figure is asserted."""
    done = CliRunner().invoke(app, ["split", "--rows", "20"], catch_exceptions=False)
    lines = done.stdout.splitlines()
    assert [line.split(" in ")[0] for line in lines] == [f"{kind}: 20 questions" for kind in splitting.KINDS]
    with pytest.raises(ValueError, match="--kind letters: wanted some of arithmetic, objects, words"):
        CliRunner().invoke(app, ["split", "--kind", "letters"], catch_exceptions=False)


def test_made_up_questions_are_of_their_kind() -> None:
    """1,000 rows: how many templates there are, how many skeletons, and which rows nearly repeat another."""
    made = {kind: list(islice(rows(), 1000)) for kind, rows in splitting.KINDS.items()}
    different = {kind: len(set(skeletons(questions))) for kind, questions in made.items()}
    assert different["arithmetic"] < 40 < 900 < different["objects"] <= 1000
    assert len(set(mine_templates(made["arithmetic"]))) == 16
    repeated = 1000 - len(set(mine_templates(made["words"])))
    assert 20 < repeated < 200
    assert len({splitting.word(number) for number in range(splitting.VOCABULARY)}) == splitting.VOCABULARY
