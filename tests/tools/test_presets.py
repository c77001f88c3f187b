"""Presets and the checking of params.yaml: what is legal, what is refused, in which words."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from stages.check import check_all
from stages.config.load import Block, check, read_params
from tools import presets

PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))


def overlay(name: str) -> dict:
    return YAML(typ="safe").load(ROOT / "presets" / f"{name}.yaml")


VARIANTS = [
    (name, small) for name in PRESETS for small in ([False, True] if "small" in overlay(name) else [False])
]


def params() -> dict:
    return YAML(typ="safe").load(ROOT / "params.yaml")


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the parameters and the presets, and the working directory meanwhile."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words: str) -> Result:
    """The command in this process: a new one takes a second to import everything, and there
    are many presets.
    """
    return CliRunner().invoke(presets.app, words)


def start(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """The command as a user starts it."""
    command = [sys.executable, "-m", "tools", "presets", *words]
    return subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def comments(path: Path) -> list[str]:
    return [line[line.index("#") :].strip() for line in path.read_text().splitlines() if "#" in line]


def test_the_committed_parameters_are_valid() -> None:
    check_all(params())


@pytest.mark.parametrize(("name", "small"), VARIANTS)
def test_use_writes_a_valid_file_keeps_the_comments_and_can_be_taken_back(
    name: str, small: bool, copy: Path
) -> None:
    done = call("use", name, *(["--small"] if small else []))
    assert done.exit_code == 0, done.exception
    written, preset = read_params(copy / "params.yaml"), overlay(name)
    check_all(written)
    cut = preset.get("small", {}).get("run", {}) | {"preset": f"{name}_small"} if small else {}
    assert written["run"] == params()["run"] | preset["run"] | cut
    assert preset["run"]["preset"] == name
    assert comments(copy / "params.yaml") == comments(ROOT / "params.yaml")
    assert call("use", "embedded").exit_code == 0
    assert (copy / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


@pytest.mark.parametrize("name", PRESETS)
def test_args_say_the_same_as_use(name: str, copy: Path) -> None:
    words = call("args", name).stdout.split("\n")[:-1]
    assert words[::2] == ["-S"] * (len(words) // 2)
    listed = ",".join(YAML(typ="safe").load(ROOT / "presets" / f"{name}.yaml")["run"]["datasets"])
    assert f"run.datasets=[{listed}]" in words[1::2]


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ("run: {dataset: [svamp]}", "unknown key `run.dataset`; params.yaml has: preset, datasets, splits"),
        ("students: {tiny: {learning_rate: 1}}", "unknown key `students.tiny.learning_rate`"),
        ("students: {mine: {lr: 1.0}}", "`students.mine.base`: missing"),
        (
            "run: {students: [mine]}",
            "names 'mine', but there is no block `students.mine`; there are: tiny, gpt2",
        ),
    ],
)
def test_a_wrong_preset_changes_nothing(overlay: str, said: str, copy: Path) -> None:
    (copy / "presets" / "wrong.yaml").write_text(overlay)
    before = (copy / "params.yaml").read_text()
    done = call("use", "wrong")
    assert isinstance(done.exception, ValueError)
    assert said in str(done.exception)
    assert (copy / "params.yaml").read_text() == before
    assert sorted(path.name for path in copy.iterdir()) == ["params.yaml", "presets"]


def test_an_unknown_preset_lists_those_there_are(copy: Path) -> None:
    assert f"no preset 'relesed'; there are: {', '.join(PRESETS)}" in str(call("use", "relesed").exception)


def test_the_command_writes_a_preset_and_refuses_a_wrong_one_in_one_line(copy: Path) -> None:
    done = start(copy, "use", "scotd_main")
    assert done.returncode == 0, done.stderr
    assert "now holds the preset scotd_main" in done.stdout
    assert read_params()["run"]["preset"] == "scotd_main"
    (copy / "presets" / "wrong.yaml").write_text("run: {dataset: [svamp]}")
    done = start(copy, "use", "wrong")
    assert done.returncode == 1
    assert done.stderr.startswith("error: presets/wrong.yaml: unknown key `run.dataset`")
    assert "Traceback" not in done.stderr


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
        r"`students.tiny.base.rev`: unknown key; legal keys: hub, revision, path, sha256",
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
        (
            r"`teachers.scripted.backend`: got 'scripts', but stages/teachers/scripts.py does not exist;"
            r" .*scripted"
        ),
    ),
    (
        ("teachers", "scripted", "error_rate"),
        1.5,
        "`teachers.scripted.error_rate`: .*less than or equal to 1, got 1.5",
    ),
    (("methods", "fine_tune", "format"), "gpt4", "`methods.fine_tune.format`: .*'paper'.*got 'gpt4'"),
    (("curations", "d1", "filter"), "anwser", "`curations.d1.filter`: .*'answer'"),
    (("splits", "sample", "scheme"), "random", "`splits.sample.scheme`: .*'template'.*got 'random'"),
    (("decoding", "samples"), 2, "`decoding`: .*give a temperature"),
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
    (("methds",), {}, "unknown block `methds`; legal blocks: run, datasets"),
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


class Inner(Block):
    size: int


class Outer(Block):
    name: str
    inner: Inner


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "a", "inner": {"size": 1, "sise": 2}}, "`here.inner.sise`: unknown key; legal keys: size"),
        (
            {"name": "a", "inner": {"size": "1"}},
            "`here.inner.size`: Input should be a valid integer, got '1'",
        ),
        ({"name": "a"}, "`here.inner`: missing"),
        ({"nam": "a", "inner": {"size": 1}}, "`here.nam`: unknown key; legal keys: name, inner"),
    ],
)
def test_faults_name_block_key_value_and_legal_keys(values: dict, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is compared below)
        check("here", values, Outer)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run: {a: [1}", "not YAML"),
        ("a: 1\na: 2", "not YAML"),
        ("", "got NoneType, wanted blocks"),
        ("- 1", "got list"),
    ],
)
def test_a_broken_file_is_one_error(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_params(tmp_path / "params.yaml")


def test_no_params_file_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run stages from the repository's root"):
        read_params(tmp_path / "params.yaml")


def test_dvc_can_rewrite_the_parameters(copy: Path) -> None:
    """`dvc exp run -S` writes the file anew with short lines and then reads it: a url in a flow mapping did
    not survive that.
    """
    from dvc.utils.serialize import modify_yaml

    with modify_yaml(copy / "params.yaml") as values:
        values["run"]["seeds"] = [7]
    assert read_params(copy / "params.yaml") == params() | {"run": params()["run"] | {"seeds": [7]}}
