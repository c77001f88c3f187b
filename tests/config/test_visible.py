"""Texts of others at the terminal: what would command it is shown."""

import subprocess
import sys

import pytest
from rich.text import Text

from stages.config.endpoint import Endpoint
from stages.config.visible import visible
from stages.endpoint.keys import hide_secrets
from stages.records.sequence import Segment, Sequence
from tools.compare.tables import as_markdown
from tools.show import print_sequences
from tools.tables import console, print_table, table_text

TITLE = "\x1b]0;owned\x07"
CLIPBOARD = "\x1b]52;c;cm0gLXJmIC8=\x07"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"a{TITLE}b", r"a\x1b]0;owned\x07b"),
        (CLIPBOARD, r"\x1b]52;c;cm0gLXJmIC8=\x07"),
        ("\x9b31m and \r over it", r"\x9b31m and \r over it"),
        ("abc\u202egnp.exe", r"abc\u202egnp.exe"),
        ("two\nlines,\ta tab, é 你 \N{GRINNING FACE}", "two\nlines,\ta tab, é 你 \N{GRINNING FACE}"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_no_way_to_the_terminal_sends_an_escape(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("model", "message"), [(TITLE, CLIPBOARD)])
    print_sequences([Sequence("a-0", [Segment(TITLE), Segment(CLIPBOARD, "cot")])], console())
    sent = capsys.readouterr().out + table_text(TITLE)
    sent += hide_secrets(CLIPBOARD, Endpoint(base_url="http://h/v1"))
    code = f"from stages.config.cli import run\ndef main(): raise ValueError({CLIPBOARD!r})\nrun(main)"
    sent += subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr
    assert sent.count("]52;c;") == 4
    assert "\x1b" not in sent
    assert "\x07" not in sent
    assert Text(TITLE).plain != visible(TITLE), "rich shows most of it, and sends the escape"


def test_a_comment_holds_no_html_and_calls_nobody() -> None:
    table = [["cell", "because"], ["a|b", "</details><img src=x> @someone <0.001\nnext"]]
    said = as_markdown(table)
    assert "</" not in said
    assert "<i" not in said
    assert "@someone" not in said
    assert "&lt;/details>&lt;img src=x> @\u200bsomeone <0.001 next" in said
    assert "a\\|b" in said
