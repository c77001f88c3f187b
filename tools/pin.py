"""Pin: what a data set's YAML has to say of a file, for a file that nobody has pinned yet."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from stages.fetching.remote import receive
from stages.records.files import sha256_of


def main(url: Annotated[str, typer.Argument(help="Of one commit: what a branch serves changes.")]) -> None:
    """Fetch a file once and print its url, sha256 and bytes, for `source.files` of a data set's YAML."""
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"{url}: wanted an address that begins with https:// or http://")
    with TemporaryDirectory() as folder:
        path = Path(folder, "file")
        try:
            receive(url, path, None)
        except ConnectionError as error:
            raise ValueError(str(error)) from error
        typer.echo(f"    NAME:\n      url: {url}\n      sha256: {sha256_of(path)}")
        typer.echo(f"      bytes: {path.stat().st_size}")
