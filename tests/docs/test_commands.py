"""Every command in README and docs/ is run here in a copy of the checkout, or its words are looked at; what
needs a GPU or a key says so. Nothing is passed over in silence.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import copy_checkout, git, make_data
from commands import all_commands, check_command
from pages import PAGES, ROOT, fenced_blocks, lay_out, table_rows

from stages.asking.store import Store

COMMANDS = all_commands()
# The same words, whatever is said behind them, once; those of one page run where its files are.
DIFFERENT = {" ".join(command.words): command for command in COMMANDS if command.page != "docs/extending.md"}


def test_commands_stand_in_blocks_that_are_read() -> None:
    languages = {block.language for page in PAGES for block in fenced_blocks(page)}
    assert languages <= {"bash", "csv", "json", "python", "text", "yaml"}
    assert len(DIFFERENT) > 40


def test_variables_are_those_of_the_page_environment() -> None:
    described = {row[0] for row in table_rows(ROOT / "docs" / "environment.md")}
    used = {name for command in COMMANDS for name in command.variables}
    assert used <= described | {"OPENAI_API_KEY"}


@pytest.fixture(scope="module")
def made_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    copy_checkout(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_data()
    return folder


@pytest.fixture
def checkout(made_checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The working directory of a test, with an empty store; changes of tracked files are taken back."""
    monkeypatch.chdir(made_checkout)
    for name in ("COT_STORE", "COT_WORK"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    Store(tmp_path / "cot_store")
    yield made_checkout
    git(made_checkout, "checkout", "--quiet", ".")


def test_git_tracks_nothing_of_data_but_its_page(checkout: Path) -> None:
    assert (checkout / "data" / "examples").is_dir()
    assert git(checkout, "status", "--short") == ""
    assert git(checkout, "ls-files", "data") == "data/README.md\n"


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
@pytest.mark.parametrize("words", DIFFERENT)
def test_the_command_runs(words: str, checkout: Path) -> None:
    command = DIFFERENT[words]
    lay_out(ROOT / command.page, checkout)
    check_command(command)
