"""README and docs/ say what is there: sizes, lines, links, variables, differences, printed numbers."""

import re
from pathlib import Path

import pytest
from pages import PAGES, ROOT, anchors, prose, table_rows

NUMBERED = ROOT / "docs" / "differences.md"
TEXTS = (*(ROOT / "stages").rglob("*"), *(ROOT / "tools").rglob("*"), *(ROOT / "presets").glob("*"))
CODE = [
    path
    for path in (*TEXTS, *(ROOT / "launch").glob("*"), ROOT / "params.yaml")
    if path.suffix in (".py", ".yaml")
]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_the_readme_is_one_screen() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 100
    assert len(text.encode()) <= 7_000


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_lines_fit(page: Path) -> None:
    """A row of data stands as it is; everything else is at most 120 columns wide."""
    text = re.sub(r"^```(json|text)\n.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert [line for line in text.split("\n") if len(line) > 120] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target}: no such file"
        assert not anchor or anchor in anchors(file), f"{target}: no such heading"


def test_every_page_is_reached() -> None:
    for index, folder in ((ROOT / "README.md", "docs/"), (ROOT / "docs" / "README.md", "")):
        linked = set(re.findall(r"\]\((?:docs/)?(\w+\.md)", index.read_text("utf-8")))
        there = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
        assert linked == there, f"{named(index)} and {folder}*.md"


def test_every_variable_is_described() -> None:
    rows = table_rows(ROOT / "docs" / "environment.md")
    described = {row[0] for row in rows if row[0].startswith("COT_")}
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path.parent.name == "support"]
    read = {
        name for path in (*CODE, *tests) for name in re.findall(r"\bCOT_[A-Z0-9_]+", path.read_text("utf-8"))
    }
    assert described == read


@pytest.mark.parametrize(
    ("page", "folder", "ending"),
    [
        ("datasets", "stages/datasets", ".yaml"),
        ("methods", "stages/methods", ".py"),
        ("teachers", "stages/teachers", ".py"),
        ("presets", "presets", ".yaml"),
    ],
)
def test_every_plug_in_is_in_a_table_of_its_page(page: str, folder: str, ending: str) -> None:
    there = {path.stem for path in (ROOT / folder).glob(f"*{ending}")} - {"__init__"}
    rows = table_rows(ROOT / "docs" / f"{page}.md")
    assert there <= {name for row in rows for name in re.findall(r"\w+", row[0])}


def test_every_room_is_on_the_map() -> None:
    there = {path.parent.name for path in (ROOT / "stages").glob("*/*.py")} - {"__pycache__"}
    rows = table_rows(ROOT / "docs" / "extending.md")
    assert there == {room[1] for row in rows if (room := re.fullmatch(r"(\w+)/", row[0]))}


def numbered_differences() -> dict[int, str]:
    """Number and text of each item of docs/differences.md."""
    items = re.split(r"^(\d+)\. ", prose(NUMBERED), flags=re.MULTILINE)[1:]
    numbers = [int(number) for number in items[::2]]
    assert len(set(numbers)) == len(numbers), "a number stands twice"
    return dict(zip(numbers, items[1::2], strict=True))


def stated_differences(path: Path) -> list[int]:
    """The numbers that a file's lines `Differs:` end with; each has one before the next begins."""
    text = path.read_text(encoding="utf-8")
    lines = text.count("Differs:")
    numbers = re.findall(r"Differs:(?:(?!Differs:).){1,400}?\(difference (\d+)\)", text, flags=re.DOTALL)
    assert len(numbers) == lines, f"{named(path)}: {lines} lines `Differs:`, {len(numbers)} with a number"
    return [int(number) for number in numbers]


def test_each_difference_stands_in_code_and_in_docs() -> None:
    stated = [(number, named(path)) for path in CODE for number in stated_differences(path)]
    listed = [
        (number, file.removeprefix("../"))
        for number, text in numbered_differences().items()
        for file in re.findall(r"\]\((\S+?)\)", text)
    ]
    assert sorted(stated) == sorted(listed)


def published_row(line: str, split: str) -> list[str]:
    """What metrics/table.md prints for a line of one split: accuracies of the three tasks."""
    part = (ROOT / "metrics" / "table.md").read_text("utf-8").partition(f"## Split {split}")[2]
    cells = re.search(rf"^\| {re.escape(line)} \|(.*)\|$", part, flags=re.MULTILINE)[1].split("|")
    return [cell.split()[0] for cell in cells[:3]]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("chance", "chance"),
        ("the teacher", "teacher scripted"),
        ("the student, untaught", "zero_shot_cot (tiny)"),
        ("taught answers alone", "fine_tune (tiny)"),
        ("taught one rationale a question", "fine_tune_cot (scripted/d1/tiny)"),
        ("taught four rationales a question", "fine_tune_cot (scripted/d4/tiny)"),
    ],
)
def test_the_readme_prints_the_committed_numbers(said: str, line: str) -> None:
    (row,) = [row for row in table_rows(ROOT / "README.md") if row[0] == said]
    assert row[1:] == published_row(line, "sample") + published_row(line, "template")
