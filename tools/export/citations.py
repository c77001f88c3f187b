"""Citations: the numbers of a card, each with a link to the metrics file that it was read from, which is
copied beside the card.
"""

import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import CardData

from stages.records.jsonl import read_object


class Citations:
    """The files that a card cites. They lie in the exported folder under their own paths."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, path: Path) -> dict[str, Any] | None:
        """A metrics file, which the card then has beside it; None where there is none."""
        if not path.is_file():
            return None
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, self.folder / path)
        return read_object(path)

    @staticmethod
    def cited(value: object, path: Path) -> str:
        """A number as a link to its file."""
        shown = f"{value:,}" if isinstance(value, int) else str(value)
        return f"[{shown}]({path.as_posix()})"


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of a Markdown table; nothing without rows."""
    lines = ["| " + " | ".join(row) + " |" for row in (header, tuple("---" for _ in header), *rows)]
    return [*lines, ""] if rows else []


def card_text(header: CardData, lines: list[str]) -> str:
    """A card as the hub reads it: a block of YAML, then Markdown."""
    return f"---\n{header.to_yaml()}\n---\n\n" + "\n".join(lines).rstrip() + "\n"
