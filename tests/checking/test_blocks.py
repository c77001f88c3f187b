"""The checking of params.yaml: what is legal, what is refused, in which words."""

import pytest
from conftest import ROOT
from ruamel.yaml import YAML

from stages.check import check_all


def params() -> dict:
    return YAML(typ="safe").load(ROOT / "params.yaml")


def test_the_committed_parameters_are_valid() -> None:
    check_all(params())


WRONG = [
    (
        ("run", "datasets"),
        ["svamp", "sv-amp"],
        r"`run.datasets`: .*'sv-amp'.* must consist of a-z, 0-9 and _, got \['svamp', 'sv-amp'\]",
    ),
    (
        ("run", "baselines"),
        ["fine_tune_cot"],
        "`run.baselines` names 'fine_tune_cot', which learns from rationales: list it under `run.methods`",
    ),
    (
        ("run", "methods"),
        ["zero_shot_cot"],
        "`run.methods` names 'zero_shot_cot', which learns from nothing: list it under `run.baselines`",
    ),
    (
        ("run", "transfers"),
        ["svamp"],
        (
            r"`run.transfers` names \['svamp'\], wanted names of `run.datasets` or `run.extra_datasets`:"
            r" gen_last_letter"
        ),
    ),
    (
        ("run", "extra_datasets"),
        ["gen_coin_flip"],
        r"\['gen_coin_flip'\] in `run.datasets` and in `run.extra_datasets`",
    ),
    (("run", "extra_datasets"), ["nowhere"], r"stages/datasets/nowhere\.yaml not found"),
    (("run", "seeds"), ["0"], r"`run.seeds.0`: .*integer, got '0'"),
    (("students", "tiny", "lr"), "high", r"`students.tiny.lr`: .*number, got 'high'"),
    (
        ("students", "tiny", "ephocs"),
        3,
        r"`students.tiny.ephocs`: unknown key; legal keys: kind, base, lr, .*epochs",
    ),
    (
        ("students", "tiny", "base", "rev"),
        "x",
        r"`students.tiny.base.rev`: unknown key; legal keys: hub, revision, path, gguf, sha256, bytes",
    ),
    (
        ("students", "llama2_7b", "lora", "rank"),
        8,
        r"`students.llama2_7b.lora.rank`: unknown key; legal keys: r, alpha",
    ),
    (("students", "gpt2", "base", "revision"), None, "`students.gpt2.base`: .*pin it"),
    (
        ("teachers", "scripted", "backend"),
        "scripts",
        (r"backend`: stages/teachers/scripts.py does not exist. To write it, it has:\n  class Settings"),
    ),
    (
        ("teachers", "scripted", "error_rate"),
        1.5,
        "`teachers.scripted.error_rate`: .*less than or equal to 1, got 1.5",
    ),
    (("teachers", "gpt", "method"), "a.b", r"`teachers.gpt.method`: stages/methods/a\.b\.py does not exist"),
    (
        ("methods", "mine"),
        {"like": "casc"},
        "`methods.mine.like` is 'casc', wanted another block, one of: .*cascod,",
    ),
    (("methods", "mine"), {"like": "cascod", "alfa": 1}, "`methods.mine.alfa`: unknown key; legal keys: "),
    (("methods", "fine_tune", "format"), "gpt4", "`methods.fine_tune.format`: .*'paper'.*got 'gpt4'"),
    (("curations", "d1", "filter"), "anwser", "`curations.d1.filter`: .*'answer'"),
    (("splits", "sample", "scheme"), "random", "`splits.sample.scheme`: .*'template'.*got 'random'"),
    (("methods", "mine"), "cascod", r"`methods.mine` is 'cascod', wanted a block of named values, such as"),
    (("decodings", "greedy", "samples"), 2, "`decodings.greedy`: greedy samples are all the same"),
    (
        ("decodings", "greedy", "temperature"),
        0.7,
        "`decodings.greedy` has a temperature or",
    ),
    (("decodings", "beam", "top_k"), 5, "`decodings.beam`: beam search .*drop `beams`, or .*`top_k` and"),
    (("contamination", "share"), 10, "`contamination.share`: .*less than or equal to 1, got 10"),
    (("contamination", "allow"), [["aqua"]], "`contamination.allow.0`: .*at least 2 items"),
    (
        ("datasets", "gen_coin_flip", "coins"),
        2,
        "`datasets.gen_coin_flip.coins`: unknown key; legal keys: questions, seed, people",
    ),
    (
        ("datasets", "nowhere"),
        {"subtasks": None},
        r"stages/datasets/nowhere\.yaml not found: a data set is that file",
    ),
    (("teachers", "scripted"), None, "`teachers.scripted` is None, wanted a block"),
    (("students", "tiny"), None, "`students.tiny` is None, wanted a block"),
    (("datasets",), None, "`datasets` is None, wanted a block"),
    (("contamination", "allow"), [["strategyqa", "bb_sub"]], r"stages/datasets/strategyqa\.yaml not found"),
    (("decoding",), {"samples": 1}, r"`decodings: \{greedy: ...\}`.*`run.decodings: \[greedy\]`"),
    (("run", "decodings"), ["loud"], "`run.decodings` names 'loud', but there is no block `decodings.loud`"),
    (("methds",), {}, "unknown block `methds`; legal blocks: run, contamination, datasets, teachers"),
]


@pytest.mark.parametrize(("path", "value", "said"), WRONG, ids=[".".join(path) for path, _, _ in WRONG])
def test_wrong_parameters_are_named(path: tuple[str, ...], value: object, said: str) -> None:
    values = params()
    block = values
    for key in path[:-1]:
        block = block[key]
    block[path[-1]] = value
    with pytest.raises(ValueError, match=said):
        check_all(values)
