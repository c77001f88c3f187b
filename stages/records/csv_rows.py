"""CSV files as people save them: UTF-8 with or without a byte order mark, line ends of any kind, cells of any
length.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path


def read_csv(path: Path) -> Iterator[tuple[str, dict[str, str | None]]]:
    """(file and row, cells by name), cells with one kind of line end; the row below the header is row 0.

    Raises ValueError for what is not UTF-8, for cells without a name, for a name that stands twice, and for a
    quote that is not closed, which makes one cell of all that follows.
    """
    number = 0
    csv.field_size_limit(sys.maxsize)  # the library's own is 131,072 characters: a long rationale has more
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            names = table.fieldnames or []
            if twice := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"{path}: two columns are named {twice[0]!r}")
            for number, row in enumerate(table):
                if None in row:
                    raise ValueError(
                        f"{path} row {number}: more cells than the header names, left over {row[None]!r}"
                    )
                yield f"{path} row {number}", {name: one_line_end(cell) for name, cell in row.items()}
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text in UTF-8 ({error})") from error
    except csv.Error as error:
        raise ValueError(f"{path} after row {number}: {error}; is a quote not closed?") from error


def one_line_end(cell: str | None) -> str | None:
    """Without the last line's; what else parts lines in Unicode is text."""
    return cell and cell.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
