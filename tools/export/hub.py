"""The hub: an exported folder as a private repository, with the token of the environment."""

import os
import re
from pathlib import Path
from typing import Literal

import typer
from huggingface_hub import HfApi


def check_push(repo: str | None, dry_run: bool) -> None:
    """Before any work: raises ValueError for a name that is none, and where there is no token."""
    if repo is None:
        if dry_run:
            raise ValueError("--dry-run says what --push would upload: give --push OWNER/NAME")
        return
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise ValueError(f"--push {repo}: wanted OWNER/NAME")
    if not dry_run and not os.environ.get("HF_TOKEN"):
        raise ValueError("--push needs a token with write access in $HF_TOKEN; --dry-run needs none")


def push_folder(folder: Path, repo: str, kind: Literal["model", "dataset"], dry_run: bool) -> None:
    """Upload a folder into a repository, which is made private where it is new; or say what would go."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    told = f"{len(files)} files, {size:,} bytes, to the {kind} {repo} on the hub"
    if dry_run:
        for path in files:
            typer.echo(f"{path.stat().st_size:>14,}  {path.relative_to(folder)}")
        typer.echo(f"would upload {told}")
        return
    hub = HfApi(token=os.environ["HF_TOKEN"])
    hub.create_repo(repo, repo_type=kind, private=True, exist_ok=True)
    done = hub.upload_folder(repo_id=repo, repo_type=kind, folder_path=folder, commit_message="cot export")
    typer.echo(f"uploaded {told}: {done.commit_url}")
