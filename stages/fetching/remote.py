"""Remote: a file from an address or from a mirror of addresses."""

import os
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

TRIES = 4
WAIT_SECONDS = 1.0  # before the second try, doubled before each further one


def mirror_folder() -> Path | None:
    """The folder that $COT_MIRROR names, if any. Raises ValueError for what is no folder."""
    mirror = os.environ.get("COT_MIRROR")
    if mirror and not Path(mirror).is_dir():
        raise ValueError(f"COT_MIRROR is {mirror!r}, wanted a folder")
    return Path(mirror) if mirror else None


def mirror_path(url: str) -> Path:
    """Where a mirror keeps a url: github/<owner>/<repo>/<commit>/<path> for GitHub's raw files, else
    <host>/<path>. Raises ValueError for a path that would lead out of it.
    """
    parts = urlsplit(url)
    host = "github" if parts.hostname == "raw.githubusercontent.com" else str(parts.hostname)
    inside = Path(unquote(parts.path).lstrip("/"))
    if ".." in (host, *inside.parts):
        raise ValueError(f"{url}: its path leads out of a mirror's folder")
    return host / inside


def stream(url: str, part: Path, size: int | None) -> None:
    """One try: a url into `part`, going on after the bytes that are already there if the server can. `size`:
    bytes in all, if known: no more of them are taken. Raises httpx.HTTPError, ValueError for more bytes.
    """
    have = part.stat().st_size if part.exists() else 0
    resumed = {"Range": f"bytes={have}-"} if have and (size is None or have < size) else {}
    # a range counts the bytes that are sent, compressed or not
    headers = {"Accept-Encoding": "identity", **resumed}
    with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=30.0) as response:
        response.raise_for_status()
        with part.open("ab" if response.status_code == httpx.codes.PARTIAL_CONTENT else "wb") as out:
            for chunk in response.iter_bytes():
                out.write(chunk)
                if size is not None and out.tell() > size:
                    raise ValueError(f"{url}: sends more than the {size:,} bytes that it is pinned to")


def receive(url: str, part: Path, size: int | None) -> None:
    """A lost connection, a server's failure and "too many requests" are tried again, another refusal (4xx) is
    not. Raises ConnectionError at the end.
    """
    for tried in range(1, TRIES + 1):
        try:
            return stream(url, part, size)
        except httpx.HTTPError as error:
            status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else 0
            refused = 400 <= status < 500 and status not in (408, 429)
            if refused or tried == TRIES:
                why = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise ConnectionError(f"{url}: {why} (try {tried} of {TRIES})") from error
        time.sleep(WAIT_SECONDS * 2 ** (tried - 1))
