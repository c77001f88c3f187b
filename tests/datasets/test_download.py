"""Download: against a server on this machine that misbehaves in every way we know, a mirror, local files and
the `datasets` library.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from made_datasets import with_datasets, write_datasets
from ruamel.yaml import YAML

from stages import download
from stages.config import dataset
from stages.config.dataset import source_part
from stages.config.source import RemoteFile
from stages.fetching import remote
from tools import pin

BODY = bytes(range(256)) * 300
PIN = {"sha256": sha256(BODY).hexdigest(), "bytes": len(BODY)}
HALF = len(BODY) // 2


class Handler(BaseHTTPRequestHandler):
    """/good, /cut (half, then the rest on a Range), /deaf (half, then all again), /always_cut, /busy and
    /limited (503 or 429, then all), /hang, /endless, else 404.
    """

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        seen = self.server.seen
        seen.append((self.path, asked))
        first = sum(path == self.path for path, _ in seen) == 1
        if self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                for _ in range(100_000):  # 7 GB
                    self.wfile.write(BODY)
            return None
        if self.path in ("/busy", "/limited") and first:
            return self.send_error(503 if self.path == "/busy" else 429)
        known = ("good", "cut", "deaf", "always_cut", "busy", "limited", "hang")
        if self.path.lstrip("/").split("?")[0] not in known:
            return self.send_error(404)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.path != "/deaf" else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        short = self.path == "/always_cut" or (self.path in ("/cut", "/deaf", "/hang") and first)
        self.wfile.write(BODY[start:HALF] if short else BODY[start:])
        if self.path == "/hang" and first:
            self.server.release.wait(30)
        return None

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.seen, http.release = [], threading.Event()
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield http
        http.release.set()
        http.shutdown()


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COT_MIRROR", raising=False)
    monkeypatch.setattr(remote, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(dataset, "FOLDER", Path("datasets"))


def url(server: Any, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{path}"


def declare(**sources: dict[str, Any]) -> None:
    """These data sets and no others, and an empty params.yaml."""
    write_datasets(Path("datasets"), **{name: {"source": source} for name, source in sources.items()})
    Path("params.yaml").write_text("{}")


def urls(server: Any, *paths: str, **changed: Any) -> dict[str, Any]:
    return {
        "kind": "url",
        "files": {path.replace("/", "_"): {"url": url(server, path), **PIN, **changed} for path in paths},
    }


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


RAW = Path("data/raw/mine")


@pytest.mark.parametrize(
    ("path", "ranges"),
    [
        ("good", [None]),
        ("cut", [None, f"bytes={HALF}-"]),
        ("deaf", [None, f"bytes={HALF}-"]),
        ("busy", [None, None]),
        ("limited", [None, None]),
    ],
)
def test_all_bytes_arrive(server: Any, path: str, ranges: list[str | None]) -> None:
    declare(mine=urls(server, path))
    download.main("mine", RAW)
    assert files_in(Path("data")) == {f"raw/mine/{path}": BODY}
    assert [asked for _, asked in server.seen] == ranges


@pytest.mark.parametrize(
    ("path", "changed", "told", "requests"),
    [
        (
            "good",
            {"sha256": "0" * 64},
            [
                f"got {len(BODY)} bytes, sha256 {PIN['sha256']}",
                f"pinned to {len(BODY)} bytes, sha256 {'0' * 64}",
            ],
            1,
        ),
        ("good", {"bytes": 5}, ["sends more than the 5 bytes that it is pinned to"], 1),
        ("endless", {"bytes": 1000}, ["sends more than the 1,000 bytes that it is pinned to"], 1),
        ("good", {"bytes": 2**20}, [f"got {len(BODY)} bytes", "pinned to 1048576 bytes"], 1),
        (
            "missing",
            {},
            ["404", "COT_MIRROR", "127.0.0.1/missing", f"wanted {len(BODY)} bytes, sha256 {PIN['sha256']}"],
            1,
        ),
        ("always_cut", {}, ["try 4 of 4", "COT_MIRROR"], 4),
    ],
)
def test_a_failure_is_told_and_leaves_nothing(
    server: Any, path: str, changed: dict[str, Any], told: list[str], requests: int
) -> None:
    declare(
        mine={
            "kind": "url",
            "files": urls(server, "good")["files"] | {"second": {"url": url(server, path), **PIN, **changed}},
        }
    )
    with pytest.raises(ValueError, match=re.escape(url(server, path))) as raised:
        download.main("mine", RAW)
    message = str(raised.value)
    assert all(part in message for part in told)
    assert list(RAW.parent.iterdir()) == []
    assert len(server.seen) - 1 == requests  # one for the first file


def test_a_failure_keeps_what_was_there_before(server: Any) -> None:
    declare(mine=urls(server, "good"))
    download.main("mine", RAW)
    declare(mine=urls(server, "good", "missing"))
    with pytest.raises(ValueError, match="404"):
        download.main("mine", RAW)
    assert files_in(RAW) == {"good": BODY}
    assert [path.name for path in RAW.parent.iterdir()] == ["mine"]


def test_files_that_are_no_longer_listed_go(server: Any) -> None:
    RAW.mkdir(parents=True)
    (RAW / "old").write_text("old")
    declare(mine=urls(server, "good"))
    download.main("mine", RAW)
    assert files_in(RAW) == {"good": BODY}


def test_a_folder_that_is_somebodys_is_not_emptied(server: Any) -> None:
    declare(mine=urls(server, "good"))
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match=r"mine holds thesis\.txt, so it is no data/raw/mine"):
        download.download("mine", Path("mine"))
    assert files_in(Path("mine")) == {"thesis.txt": b"years of work"}
    for _ in range(2):  # its own files are replaced
        download.download("mine", Path("other"))
    assert files_in(Path("other")) == {"good": BODY}


def test_a_part_that_is_whole_asks_for_no_rest(server: Any, tmp_path: Path) -> None:
    """A server refuses a range behind the end."""
    part = tmp_path / "x.part"
    part.write_bytes(BODY)
    remote.receive(url(server, "good"), part, len(BODY))
    assert (server.seen, part.read_bytes()) == ([("/good", None)], BODY)


def test_no_network_is_told() -> None:
    declare(mine={"kind": "url", "files": {"x": {"url": "http://127.0.0.1:9/a/x", **PIN}}})
    with pytest.raises(
        ValueError,
        match=r"http://127.0.0.1:9/a/x: .*try 4 of 4.*COT_MIRROR to a folder that holds 127.0.0.1/a/x",
    ):
        download.main("mine", RAW)
    assert not RAW.exists()


def test_a_killed_download_leaves_no_folder_and_does_not_block_the_next(server: Any) -> None:
    declare(mine=urls(server, "good", "hang"))
    command = [sys.executable, "-m", "stages.download", "mine", str(RAW)]
    source = {"source": urls(server, "good", "hang")}
    child = subprocess.Popen(command, env=with_datasets(Path("package").resolve(), mine=source))
    deadline = time.monotonic() + 60
    while ("/hang", None) not in server.seen and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert ("/hang", None) in server.seen
    assert not RAW.exists()
    server.release.set()
    download.main("mine", RAW)
    assert files_in(RAW.parent) == {"mine/good": BODY, "mine/hang": BODY}


# ---- mirror


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("https://raw.githubusercontent.com/me/it/0a1b/data/x.json", "github/me/it/0a1b/data/x.json"),
        ("https://raw.githubusercontent.com/me/it/0a1b/n%3A40/a%20b.json", "github/me/it/0a1b/n:40/a b.json"),
        ("https://example.org:8080/a/b.csv?download=1", "example.org/a/b.csv"),
    ],
)
def test_mirror_path(address: str, path: str) -> None:
    assert download.mirror_path(address).as_posix() == path


@pytest.mark.parametrize("path", ["%2e%2e/%2E%2E/secret", "a/%2e%2e/b", "../x", "..%2f..%2fetc/passwd"])
def test_a_path_stays_inside_the_mirror(path: str) -> None:
    with pytest.raises(ValueError, match="leads out of a mirror's folder"):
        download.mirror_path(f"https://example.org/{path}")
    assert download.mirror_path("https://example.org/%2f%2fetc/x").as_posix() == "example.org/etc/x"


RAWHUB = "https://raw.githubusercontent.com/me/it/0a1b/n%3A40/x.json"


def mirrored(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    kept = Path("mirror/github/me/it/0a1b/n:40/x.json")
    kept.parent.mkdir(parents=True)
    kept.write_bytes(content)
    monkeypatch.setenv("COT_MIRROR", "mirror")
    return kept


def test_mirror_hit_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored(BODY, monkeypatch)
    declare(mine={"kind": "url", "files": {"x.json": {"url": RAWHUB, **PIN}}})
    download.main("mine", RAW)
    assert files_in(RAW) == {"x.json": BODY}


@pytest.mark.parametrize("content", [b"", BODY[:-1], BODY[:-1] + b"!"])
def test_a_corrupt_mirror_is_an_error_and_not_passed_over(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = mirrored(content, monkeypatch)
    declare(mine={"kind": "url", "files": {"x.json": {"url": RAWHUB, **PIN}}})
    with pytest.raises(ValueError, match=f"^{kept}: got {len(content)} bytes") as raised:
        download.main("mine", RAW)
    assert RAWHUB in str(raised.value)
    assert not RAW.exists()


def test_mirror_miss_asks_the_network(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored(BODY, monkeypatch)
    declare(mine=urls(server, "good"))
    download.main("mine", RAW)
    assert server.seen == [("/good", None)]


def test_a_mirror_that_is_no_folder_is_an_error(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COT_MIRROR", "nowhere")
    declare(mine=urls(server, "good"))
    with pytest.raises(ValueError, match="COT_MIRROR is 'nowhere', wanted a folder"):
        download.main("mine", RAW)


def test_filling_a_mirror_resumes_and_serves(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(mine=urls(server, "good"), yours=urls(server, "good", "cut"), made={"kind": "generated"})
    download.fill_mirror(Path("kept"))
    assert files_in(Path("kept")) == {"127.0.0.1/good": BODY, "127.0.0.1/cut": BODY}
    assert sum(path == "/good" for path, _ in server.seen) == 1
    server.seen.clear()
    Path("kept/127.0.0.1/cut").write_bytes(BODY[:7])
    download.fill_mirror(Path("kept"))
    assert {path for path, _ in server.seen} == {"/cut"}
    assert files_in(Path("kept")) == {"127.0.0.1/good": BODY, "127.0.0.1/cut": BODY}
    server.seen.clear()
    monkeypatch.setenv("COT_MIRROR", "kept")
    download.main("yours", RAW)
    assert files_in(RAW) == {"good": BODY, "cut": BODY}
    assert server.seen == []


def test_a_real_file_comes_from_the_mirror(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pins of the manifest, the address with an escaped colon among them."""
    lines = [json.loads(line) for line in (mirror / "MANIFEST.jsonl").read_text().splitlines()]
    chosen = [line for line in lines if line["url"] and ("%3A" in line["url"] or line["dataset"] == "addsub")]
    assert len(chosen) > 2
    monkeypatch.setenv("COT_MIRROR", str(mirror))
    files = {
        f"file{i}": {key: line[key] for key in ("url", "sha256", "bytes")} for i, line in enumerate(chosen)
    }
    declare(mine={"kind": "url", "files": files})
    download.main("mine", RAW)
    assert sorted(files_in(RAW)) == sorted(files)
    assert all(download.mirror_path(line["url"]).as_posix() == line["path"] for line in lines if line["url"])


# ---- the other kinds


def test_generated_settings_are_written() -> None:
    declare(mine={"kind": "generated", "settings": {"seed": 1, "questions": 5}})
    download.main("mine", RAW)
    assert json.loads((RAW / "settings.json").read_text()) == {"seed": 1, "questions": 5}
    assert len(files_in(RAW)) == 1


def test_local_files_stay_where_they_are() -> None:
    Path("local").mkdir()
    Path("local/own.csv").write_text("q,a\n?,3\n")
    declare(mine={"kind": "local", "files": ["own.csv"]})
    download.main("mine", RAW)
    assert json.loads((RAW / "files.json").read_text()) == ["own.csv"]
    declare(mine={"kind": "local", "files": ["absent.csv"]})
    with pytest.raises(ValueError, match=r"local/absent\.csv: no such file"):
        download.main("mine", RAW)


def test_hub_splits_become_json_lines(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    rows = {
        "train": [{"q": "Où?", "a": 1, "c": ["x", "y"]}, {"q": "B", "a": 2, "c": ["z"]}],
        "test": [{"q": "C", "a": 3, "c": []}],
    }
    folder = tmp_path / "hub"
    folder.mkdir()
    for split, lines in rows.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    source = {
        "kind": "hub",
        "path": str(folder),
        "revision": "0a1b",
        "splits": {"train": "train", "held": "test"},
    }
    Path("params.yaml").write_text("{}")
    command = [sys.executable, "-m", "stages.download", "mine", str(RAW)]
    environment = with_datasets(tmp_path / "package", mine={"source": source}) | {
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = {
        name: [json.loads(line) for line in content.splitlines()] for name, content in files_in(RAW).items()
    }
    assert written == {"train.jsonl": rows["train"], "held.jsonl": rows["test"]}


def test_the_datasets_library_is_imported_only_for_its_kind() -> None:
    code = (
        "import sys, stages.download; sys.exit(any(name in sys.modules for name in ('datasets', 'torch',"
        " 'transformers')))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
        ).returncode
        == 0
    )


# ---- the data set's file


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"kind": "ftp"}, "ftp"),
        ({"kind": "url", "files": {}}, "at least 1 item"),
        ({"kind": "url", "files": {"../x": {"url": "https://a/b", **PIN}}}, "should match pattern"),
        ({"kind": "url", "files": {"x": {"url": "a/b", **PIN}}}, "should match pattern"),
        ({"kind": "url", "files": {"x": {"url": "https://a/b", "bytes": 3}}}, "sha256`: missing"),
        (
            {"kind": "url", "files": {"x": {"url": "https://a/b", **PIN, "sha256": "AB"}}},
            "should match pattern",
        ),
        ({"kind": "hub", "path": "a/b", "splits": {"test": "test"}}, "revision`: missing"),
        ({"kind": "local", "files": ["x"], "colour": "red"}, "colour`: unknown key"),
    ],
)
def test_a_wrong_block_is_named(source: dict[str, Any], message: str) -> None:
    declare(mine=source)
    with pytest.raises(ValueError, match=r"^datasets/mine\.yaml: `source") as raised:
        download.main("mine", RAW)
    assert message in str(raised.value)
    assert not RAW.exists()


def test_only_the_source_matters(server: Any) -> None:
    """A download is done anew for its source alone, so nothing else of the file may decide what arrives."""
    parts = []
    for others in ({}, {"rows": 7, "licence": "MIT", "demonstrations": "x"}):
        write_datasets(Path("datasets"), mine={"source": urls(server, "good"), **others})
        Path("params.yaml").write_text(
            json.dumps({"datasets": {"mine": {"subtasks": ["a"]}} if others else {}})
        )
        parts.append(source_part("mine"))
        download.main("mine", RAW)
        assert files_in(RAW) == {"good": BODY}
    assert parts[0] == parts[1]


def test_an_error_is_one_plain_line_on_the_terminal() -> None:
    mine = {"source": {"kind": "url", "files": {"x": {"url": "https://a/b", **PIN}}}, "colour": "red"}
    environment = with_datasets(Path("package").resolve(), mine=mine)
    command = [sys.executable, "-m", "stages.download", "mine", str(RAW)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: package/stages/datasets/mine.yaml: `colour`: unknown key; legal keys: "
    )
    assert done.stderr.count("\n") == 1


def test_a_mixture_has_a_folder_for_each_part(server: Any) -> None:
    source = {
        "kind": "several",
        "parts": {"first": urls(server, "good"), "second": urls(server, "cut", "busy")},
    }
    declare(mine=source)
    for _ in range(2):  # a second run replaces the folders of the first
        download.download("mine", RAW)
        assert files_in(RAW) == {"first/good": BODY, "second/cut": BODY, "second/busy": BODY}
    (RAW / "third").mkdir()
    with pytest.raises(ValueError, match=f"{RAW} holds third, so it is no data/raw/mine"):
        download.download("mine", RAW)
    download.fill_mirror(Path("mirror"))
    assert sorted(path.name for path in Path("mirror/127.0.0.1").iterdir()) == ["busy", "cut", "good"]
    declare(mine={"kind": "several", "parts": {"first": {"kind": "generated"}}})
    with pytest.raises(ValueError, match="parts"):
        download.download("mine", RAW)


def test_verify(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(BODY)
    download.verify(tmp_path / "x", RemoteFile(url="https://a/b", **PIN), "there")
    with pytest.raises(ValueError, match=r"^there: got"):
        download.verify(
            tmp_path / "x", RemoteFile(url="https://a/b", sha256="0" * 64, bytes=len(BODY)), "there"
        )


def test_pin_prints_what_a_data_set_s_file_wants(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    pin.main(url(server, "good"))
    lines = YAML(typ="safe").load(capsys.readouterr().out)
    assert lines == {"NAME": {"url": url(server, "good"), **PIN}}
    declare(mine={"kind": "url", "files": {"good": lines["NAME"]}})
    download.main("mine", RAW)
    assert files_in(RAW) == {"good": BODY}
    with pytest.raises(ValueError, match="404"):
        pin.main(url(server, "missing"))
    with pytest.raises(ValueError, match="mine: wanted an address that begins with https:// or http://"):
        pin.main("mine")
