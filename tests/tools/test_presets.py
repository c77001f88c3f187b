"""Presets: each is legal, changes what it says and no comment, and can be taken back."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import GIT
from conftest import ROOT
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from stages.check import check_all
from stages.config.load import read_params
from tools import presets
from tools.presets import running
from tools.presets.reading import is_beyond, label, read_items, read_preset, sizes_of
from tools.presets.writing import BLOCKS, merge

PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))


def grids() -> list[tuple[str, str, str]]:
    """Every preset in every size and grid."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return [
            (name, size, grid)
            for name in PRESETS
            for size in sizes_of(name)
            for grid in read_preset(name, size)
        ]


GRIDS = grids()


def params() -> dict:
    return YAML(typ="safe").load(ROOT / "params.yaml")


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the parameters and the presets, and the working directory meanwhile."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    answers = "stages/teachers/answers"  # what a teacher's block names is looked for
    shutil.copytree(ROOT / answers, tmp_path / answers)
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


@pytest.mark.parametrize(("name", "size", "grid"), GRIDS)
def test_every_grid_is_valid_and_the_default_takes_it_back(
    name: str, size: str, grid: str, copy: Path
) -> None:
    made = params()
    merge(made, read_preset(name, size)[grid], name)
    check_all(made)
    assert made["run"]["preset"] == label(name, grid, size)
    merge(made, read_preset("embedded")[""], "embedded")
    for kind in BLOCKS:  # blocks that the preset brought stay, and nothing names them
        made[kind] = {one: made[kind][one] for one in params()[kind]}
    assert made == params()


@pytest.mark.parametrize("name", PRESETS)
def test_a_grid_has_nothing_of_the_grids_before(name: str, copy: Path) -> None:
    """Written over one another, as `use` does, they say what each says alone."""
    made = params()
    for size in sizes_of(name):
        for overlay in read_preset(name, size).values():
            merge(made, overlay, name)
            alone = params()
            merge(alone, overlay, name)
            for kind in BLOCKS:
                assert {one: made[kind][one] for one in alone[kind]} == alone[kind]


@pytest.mark.parametrize("name", PRESETS)
def test_use_writes_what_the_preset_says_and_keeps_the_comments(name: str, copy: Path) -> None:
    size = sizes_of(name)[0]
    grid, overlay = next(iter(read_preset(name, size).items()))
    done = call("use", name, "--size", size, "--grid", grid)
    assert done.exit_code == 0, done.exception
    assert read_params(copy / "params.yaml")["run"] == overlay["run"]
    assert comments(copy / "params.yaml") == comments(ROOT / "params.yaml")


def test_the_default_is_what_params_yaml_holds(copy: Path) -> None:
    for name in ("released", "embedded"):
        assert call("use", name).exit_code == 0
    assert (copy / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


MADE = """
run: {datasets: [gen_coin_flip], curations: [d4]}
items: {ft: [table_1]}
grids:
  one: {run: {curations: [d1]}}
  two: {run: {splits: [sample]}}
sizes:
  tiny: {run: {seeds: [7]}, grids: {two: {run: {seeds: [8]}}}}
  smol: {grids: {one: null, three: {run: {seeds: [9]}}}}
"""
WANTED = {  # size -> grid -> curations, splits, seeds
    "full": {"one": (["d1"], 2, [0]), "two": (["d4"], 1, [0])},
    "tiny": {"one": (["d1"], 2, [7]), "two": (["d4"], 1, [8])},
    "smol": {"two": (["d4"], 1, [0]), "three": (["d4"], 2, [9])},
}


@pytest.mark.parametrize("size", WANTED)
def test_a_grid_lies_over_the_size_and_the_size_over_the_rest(size: str, copy: Path) -> None:
    (copy / "presets" / "made.yaml").write_text(MADE)
    read = {grid: overlay["run"] for grid, overlay in read_preset("made", size).items()}
    assert WANTED[size] == {
        grid: (run["curations"], len(run["splits"]), run["seeds"]) for grid, run in read.items()
    }
    assert [run["preset"] for run in read.values()] == [label("made", grid, size) for grid in WANTED[size]]
    for grid in WANTED[size]:
        assert call("use", "made", "--size", size, "--grid", grid).exit_code == 0
        assert read_params(copy / "params.yaml")["run"] == params()["run"] | read[grid]


WRONG_WORDS = {
    ("made", "--size", "small"): "presets/made.yaml has no size 'small'; it has: tiny, smol, full",
    ("made",): "has several grids in size full: --grid with one of one, two",
    (
        "made",
        "--size",
        "smol",
        "--grid",
        "one",
    ): "has no grid 'one' in size smol: --grid with one of two, three",
    ("sizes",): "`sizes` has ['large'], wanted tiny, smol",
    ("quickstart", "--grid", "one"): "has one grid without a name in size full: drop --grid",
}


@pytest.mark.parametrize("words", WRONG_WORDS)
def test_a_size_or_grid_that_there_is_not(words: tuple[str, ...], copy: Path) -> None:
    (copy / "presets" / "made.yaml").write_text(MADE)
    (copy / "presets" / "sizes.yaml").write_text("sizes: {large: {}}")
    assert WRONG_WORDS[words] in str(call("use", *words).exception)


def test_items_are_those_of_the_papers(copy: Path) -> None:
    for name in PRESETS:
        read_items(name)
    (copy / "presets" / "wrong.yaml").write_text("items: {ft: [table_1, table_99]}")
    with pytest.raises(ValueError, match=r"`items\.ft` has \['table_99'\]; wanted some of: table_1"):
        read_items("wrong")


SHAPES = {  # what a preset says, and what is said of it
    "run: 3": "`run`: Input should be a valid dictionary, got 3",
    "grids: [one]": "`grids`: Input should be a valid dictionary, got ['one']",
    "grids: {one: [1]}": "`grids.one`: Input should be a valid dictionary, got [1]",
    "grids: {one: null}": "every grid is null in size full, wanted one that is not, or no `grids`",
    "sizes: {tiny: 3}": "`sizes.tiny`: Input should be a valid dictionary",
    "sizes: {tiny: {grids: 3}}": "`sizes.tiny.grids`: Input should be a valid dictionary, got 3",
    "items: [ft]": "`items`: Input should be a valid dictionary, got ['ft']",
    "items: {fft: [table_1]}": "`items.fft`: no paper 'fft': wanted one of cascod, competition, ft, scotd",
}


@pytest.mark.parametrize("said", SHAPES)
def test_a_preset_of_a_wrong_shape(said: str, copy: Path) -> None:
    (copy / "presets" / "wrong.yaml").write_text(said)
    with pytest.raises(ValueError, match=r"^presets/wrong\.yaml: ") as caught:  # noqa: PT012 (either finds it)
        read_preset("wrong")
        read_items("wrong")
    assert SHAPES[said] in str(caught.value)


def test_a_size_drops_grids_that_there_are(copy: Path) -> None:
    (copy / "presets" / "wrong.yaml").write_text("grids: {scott: {}}\nsizes: {tiny: {grids: {scot: null}}}")
    with pytest.raises(ValueError, match=r"wrong\.yaml: `sizes\.tiny\.grids` drops \['scot'\], .*: scott$"):
        read_preset("wrong", "tiny")


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("teachers: {scripted: {error_rate: {letters: 0.1}}}", "teachers.scripted.error_rate"),
        ("run: {splits: {sample: 1}}", "run.splits"),
    ],
)
def test_a_block_in_place_of_a_value(said: str, place: str, copy: Path) -> None:
    (copy / "presets" / "wrong.yaml").write_text(said)
    before = (copy / "params.yaml").read_bytes()
    assert f"presets/wrong.yaml: `{place}` is a block, wanted a value" in str(call("use", "wrong").exception)
    assert (copy / "params.yaml").read_bytes() == before


def test_an_empty_preset_is_named(copy: Path) -> None:
    (copy / "presets" / "nothing.yaml").write_text("")
    assert "presets/nothing.yaml: got NoneType, wanted blocks" in str(call("list").exception)


def test_what_stays_of_ones_own_is_said(committed: list[str], copy: Path) -> None:
    (copy / "presets" / "mine.yaml").write_text("students: {tiny: {weight_decay: 0.5}}")
    assert "stays" not in call("use", "mine").output
    told = call("use", "quickstart").output
    assert (
        "students.tiny.weight_decay: 0.5 stays, which neither the preset says nor what is committed" in told
    )
    subprocess.run([*GIT, "checkout", "--quiet", "params.yaml"], cwd=copy, check=True)


def test_a_name_that_cannot_be_kept_is_refused_before_the_first_grid(
    committed: list[str], copy: Path
) -> None:
    (copy / "presets" / "my-own.yaml").write_text("run: {seeds: [0]}")
    assert "name 'my-own': wanted a-z, 0-9 and _ only" in str(call("run", "my-own").exception)
    assert committed == []


@pytest.fixture
def committed(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The folder as a repository, and what `run` does there: a cell of a grid fails where it is said so."""
    (copy / "presets" / "made.yaml").write_text(MADE)
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*GIT, *words], cwd=copy, check=True)
    done: list[str] = []

    def repro(jobs: int | None) -> None:
        done.append(f"repro {read_params()['run']['preset']} {jobs}")
        if failure := FAILURES.get(len(done)):
            raise failure

    monkeypatch.setattr(running.repro, "main", repro)
    monkeypatch.setattr(
        running.keep, "main", lambda name, out, force: done.append(f"keep {name} {out} {force}")
    )
    monkeypatch.setattr(running.repro, "dvc_repro", lambda root, *words: done.append(f"dvc {words}"))
    yield done
    FAILURES.clear()
    assert (copy / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


FAILURES: dict[int, BaseException] = {}
FIRST = ["repro made_one_tiny 2", "keep made_one_tiny metrics/kept True"]


def test_run_writes_each_grid_over_what_is_committed(
    committed: list[str], copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    monkeypatch.setattr(running.repro, "main", lambda jobs: found.append(read_params()))
    assert call("run", "star", "--size", "tiny").exit_code == 0
    assert [one["mentors"]["tiny"].get("hints") for one in found] == [None, True]
    assert [one["mentors"]["tiny"]["samples"] for one in found] == [8, 1]


def test_what_is_of_no_paper_is_kept_apart_and_its_report_is_of_none(committed: list[str]) -> None:
    assert call("run", "edit", "--size", "tiny").exit_code == 0
    assert [one for one in committed if one.startswith("keep")] == ["keep edit_tiny metrics/kept/beyond True"]


def test_a_preset_beyond_the_papers_has_no_items(copy: Path) -> None:
    (copy / "presets/wrong.yaml").write_text("beyond: true\nitems: {ft: [figure_3]}\n")
    with pytest.raises(ValueError, match="`beyond` is true and `items` names papers' items"):
        is_beyond("wrong")


def test_run_makes_keeps_and_reports_every_grid(committed: list[str]) -> None:
    said = call("run", "made", "--size", "tiny", "--jobs", "2").stdout
    assert committed == [
        *FIRST,
        "repro made_two_tiny 2",
        "keep made_two_tiny metrics/kept True",
        "dvc ('report',)",
    ]
    assert said.endswith("metrics/report/ft.html\n")


@pytest.mark.parametrize(
    "failure", [SystemExit("error: a cell failed"), KeyboardInterrupt(), ValueError("no")]
)
def test_run_gives_params_back_whatever_ends_it(failure: BaseException, committed: list[str]) -> None:
    FAILURES[3] = failure
    assert call("run", "made", "--size", "tiny", "--jobs", "2").exit_code != 0
    assert committed == [*FIRST, "repro made_two_tiny 2"]


def test_run_refuses_changes_that_are_not_committed(committed: list[str], copy: Path) -> None:
    before = (copy / "params.yaml").read_bytes()
    (copy / "params.yaml").write_bytes(before + b"# mine")
    assert "params.yaml has changes that are not committed" in str(call("run", "made").exception)
    assert committed == []
    (copy / "params.yaml").write_bytes(before)


@pytest.mark.parametrize("name", PRESETS)
def test_args_say_the_same_as_use(name: str, copy: Path) -> None:
    grid = next(iter(read_preset(name)))
    words = call("args", name, "--grid", grid).stdout.split("\n")[:-1]
    assert words[::2] == ["-S"] * (len(words) // 2)
    listed = ",".join(read_preset(name)[grid]["run"]["datasets"])
    assert f"run.datasets=[{listed}]" in words[1::2]


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ("run: {dataset: [svamp]}", "unknown key `run.dataset`; params.yaml has: preset, datasets, splits"),
        ("students: {tiny: {learning_rate: 1}}", "unknown key `students.tiny.learning_rate`"),
        ("students: {mine: {lr: 1.0}}", "`students.mine.base`: missing"),
        (
            "run: {students: [mine]}",
            "names 'mine', but there is no block `students.mine`; there are: tiny, tiny_steps",
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
    assert sorted(path.name for path in copy.iterdir()) == ["params.yaml", "presets", "stages"]


def test_an_unknown_preset_lists_those_there_are(copy: Path) -> None:
    assert f"no preset 'relesed'; there are: {', '.join(PRESETS)}" in str(call("use", "relesed").exception)


def test_the_command_writes_a_preset_and_refuses_a_wrong_one_in_one_line(copy: Path) -> None:
    done = start(copy, "use", "scotd_figure7")
    assert done.returncode == 0, done.stderr
    assert "now holds the preset scotd_figure7" in done.stdout
    assert read_params()["run"]["preset"] == "scotd_figure7"
    (copy / "presets" / "wrong.yaml").write_text("run: {dataset: [svamp]}")
    done = start(copy, "use", "wrong")
    assert done.returncode == 1
    assert done.stderr.startswith("error: presets/wrong.yaml: unknown key `run.dataset`")
    assert "Traceback" not in done.stderr


def test_dvc_can_rewrite_the_parameters(copy: Path) -> None:
    """`dvc exp run -S` writes the file anew with short lines and then reads it: a url in a flow mapping did
    not survive that.
    """
    from dvc.utils.serialize import modify_yaml

    with modify_yaml(copy / "params.yaml") as values:
        values["run"]["seeds"] = [7]
    assert read_params(copy / "params.yaml") == params() | {"run": params()["run"] | {"seeds": [7]}}
