"""Variants: a block of `methods` that is like another one, and so has its file and its values."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_objectives_text import EXAMPLES, PARTS, corpus

from stages.config.method import method_of, read_method, resolve_method
from stages.methods import cascod
from stages.records.completion import write_completions
from stages.records.example import write_examples
from stages.render import main

METHODS: dict[str, Any] = {
    "cascod": {"format": "released", "alpha": 0.3, "reader": "marked"},
    "low": {"like": "cascod", "alpha": 0.1},
    "same": {"like": "cascod"},
    "second": {"like": "low"},
    "lost": {"like": "casc"},
    "odd": {"like": 3},
    "itself": {"like": "itself"},
    "bare": None,
    "like_bare": {"like": "bare", "alpha": 0.1},
}


@pytest.mark.parametrize(
    ("name", "resolved"),
    [
        ("cascod", ("cascod", METHODS["cascod"])),
        ("low", ("cascod", {**METHODS["cascod"], "alpha": 0.1})),
        ("same", ("cascod", METHODS["cascod"])),
        ("like_bare", ("bare", {"alpha": 0.1})),  # a block that is null has all its defaults
        ("without_block", ("without_block", {})),
    ],
)
def test_a_variant_has_the_file_and_the_values_of_what_it_is_like(
    name: str, resolved: tuple[str, dict[str, Any]]
) -> None:
    assert resolve_method(name, METHODS) == resolved


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("second", "`methods.second.like`: 'low' is like 'cascod' itself: name that one"),
        ("lost", "`methods.lost.like` is 'casc', wanted another block, one of: cascod, bare$"),
        ("odd", "`methods.odd.like` is 3, wanted another block, one of: cascod, bare$"),
        ("itself", "`methods.itself.like` is 'itself', wanted another block, one of: cascod, bare$"),
    ],
)
def test_what_a_variant_cannot_be_like(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        method_of(name, METHODS)


def test_a_variant_trains_and_asks_as_its_base_method_with_its_values_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes to train on; what they are counted under is the variant's own name."""
    monkeypatch.chdir(tmp_path)
    write_examples(Path("examples.jsonl"), EXAMPLES)
    Path("split.json").write_text(json.dumps(PARTS))
    write_completions(Path("corpus.jsonl"), corpus())
    settings = {**METHODS["cascod"], "alpha": 0.1}
    made = {}
    for name, methods in (("low", METHODS), ("cascod", {"cascod": settings})):
        Path("params.yaml").write_text(json.dumps({"methods": methods}))
        out = (Path(f"{name}.jsonl"), Path(f"{name}.json"))
        main(name, Path("examples.jsonl"), Path("split.json"), *out, corpus=Path("corpus.jsonl"))
        made[name] = (out[0].read_bytes(), json.loads(out[1].read_text()), read_method(name))
    texts, counts, read = made["low"]
    assert texts == made["cascod"][0]
    assert counts == {**made["cascod"][1], "method": "low"}
    assert counts["weights"] == {"answer": 0.1, "rationale": 0.9}
    assert read == made["cascod"][2] == (cascod, cascod.Settings(format="released", alpha=0.1), "marked")
