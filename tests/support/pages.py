"""The documentation as data: its pages, their fenced blocks, headings and tables."""

import re
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "data" / "README.md",
        ROOT / "local" / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "metrics").rglob("README.md"),
        *(ROOT / "students").rglob("README.md"),
    ]
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its text, and the heading and last line of prose before it."""

    page: Path
    line: int
    language: str
    text: str
    heading: str
    before: str

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fenced_blocks(page: Path) -> list[Block]:
    blocks = []
    heading = before = ""
    inside: list[str] | None = None
    language = ""
    for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
        if line.startswith("```"):
            if inside is None:
                language = line.removeprefix("```")
                inside = []
            else:
                start = number - len(inside)
                blocks.append(Block(page, start, language, "\n".join(inside), heading, before))
                inside = None
                before = ""
        elif inside is not None:
            inside.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.strip():
            before = line
    assert inside is None, f"{page}: a fenced block is not closed"
    return blocks


def lay_out(page: Path, checkout: Path) -> None:
    """Write a page's files into a checkout: the blocks behind a line that ends "`PATH` is". One of
    params.yaml is laid over it.
    """
    for block in fenced_blocks(page):
        if found := re.search(r"`([\w./]+)` is$", block.before):
            path = checkout / found[1]
            if path.name == "params.yaml":
                yaml = YAML()
                yaml.preserve_quotes = True
                yaml.width = 1000
                params = yaml.load(path)
                for axis, blocks in yaml.load(block.text).items():
                    params[axis].update(blocks)
                yaml.dump(params, path)
            else:
                path.write_text(block.text + "\n", encoding="utf-8")


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The names under which a page's headings are linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table_rows(page: Path) -> list[list[str]]:
    """The cells of all tables' rows, marks of emphasis and code dropped."""
    lines = [line for line in prose(page).split("\n") if line.startswith("|")]
    return [[cell.strip(" *`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
