"""Secrets: no key and no login of a proxy in an error, in what is printed or in the store - live, in a batch
and in fine-tuning.
"""

import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from api_server import Remote, serve
from ruamel.yaml import YAML

from stages.asking.conversation import Wanted
from stages.asking.request import Request
from stages.asking.store import Store
from stages.config.endpoint import Endpoint
from stages.config.load import check
from stages.endpoint import batch, fine_tune, live, transport
from stages.endpoint.keys import hide_secrets

KEY = "sk-the-right-key-1234"
QUESTION = Request("chat", "gpt-4o-mini", "Q: 1 + 1?", max_tokens=8)
WANTED = [Wanted(QUESTION, QUESTION.key, [0])]
ORDER = fine_tune.Order("gpt-4o-mini-2024-07-18", '{"messages": []}\n' * 10, "", {"n_epochs": 1}, 0)


@pytest.fixture(scope="module")
def running() -> Iterator[Remote]:
    with serve(key=KEY) as server:
        yield server


@pytest.fixture(autouse=True)
def folder(running: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    running.reset()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COT_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.setenv("COT_POLL_SECONDS", "0.01")
    monkeypatch.delenv("COT_MODE", raising=False)
    monkeypatch.setattr("stages.endpoint.server.pause", lambda attempt: 0.0)
    return tmp_path


def ask_live(endpoint: Endpoint) -> str:
    """What is said, whether it is an error or not."""
    store = Store()
    return transport.failure_lines(live.fulfil(WANTED, store, "here", endpoint, {}), store, endpoint)


def ask_in_a_batch(endpoint: Endpoint) -> str:
    return str(batch.fulfil(WANTED, Store(), "here", endpoint, {}))


def order_a_model(endpoint: Endpoint) -> str:
    YAML(typ="safe").dump({"endpoints": {"here": endpoint.model_dump()}}, Path("params.yaml"))
    return str(fine_tune.fine_tune(ORDER, "here"))


Way = Callable[[Endpoint], str]
WAYS = [ask_live, ask_in_a_batch, order_a_model]


def said(way: Way, capfd: pytest.CaptureFixture[str], **values: object) -> str:
    """The error, or what is told of one, and all that was printed."""
    try:
        told = way(Endpoint(**{"key_env": "LOCAL_KEY", "attempts": 1, "timeout": 5.0, **values}))
    except ValueError as error:
        told = str(error)
    return told + "".join(capfd.readouterr())


def held(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "key",
    [
        "sk-two words",
        "sk-line\n9999",
        "sk-tab\tstop",
        "sk-clé",
        "schlüßel",
        "sk-soft\xadhyphen",
        "sk-bell\x07",
        "ключ",
    ],
)
def test_a_key_that_no_header_can_carry_is_refused_by_name(
    running: Remote,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    folder: Path,
    way: Way,
    key: str,
) -> None:
    monkeypatch.setenv("LOCAL_KEY", key)
    text = said(way, capfd, base_url=running.url)
    assert "endpoint 'here': $LOCAL_KEY holds a blank, a line break or a character outside ASCII" in text
    assert not [part for part in (key, *key.split()) if part in text or part.encode() in held(folder)]
    assert running.count() == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("blanks", ["{} ", "\t{}", " {}\r\n"])
def test_blanks_around_a_key_are_not_part_of_it(
    running: Remote,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    folder: Path,
    way: Way,
    blanks: str,
) -> None:
    """The server repeats the key that it got: what is told of that has none."""
    monkeypatch.setenv("LOCAL_KEY", blanks.format("sk-nl-777"))
    text = said(way, capfd, base_url=running.url)
    assert "Incorrect API key provided: ***." in text
    assert "sk-nl-777" not in text
    assert b"sk-nl-777" not in held(folder)
    monkeypatch.setenv("LOCAL_KEY", blanks.format(KEY))
    assert "Incorrect" not in said(way, capfd, base_url=running.url)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_a_blank_key_is_none(
    running: Remote, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], way: Way, blank: str
) -> None:
    monkeypatch.setenv("LOCAL_KEY", blank)
    assert "$LOCAL_KEY is not set" in said(way, capfd, base_url=running.url)
    assert running.count() == 0


class Proxy(socketserver.BaseRequestHandler):
    """Wants a password, whatever it gets."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("password", ["pr0xypass", "p%40ss%2Fw0rd"])
def test_the_login_of_a_proxy_is_nowhere(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], folder: Path, way: Way, password: str
) -> None:
    monkeypatch.setenv("LOCAL_KEY", KEY)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://puser:{password}@127.0.0.1:{proxy.server_address[1]}")
        text = said(way, capfd, base_url="https://api.example.invalid/v1")
        proxy.shutdown()
    assert "407" in text or "onnection" in text
    for secret in ("puser", password, KEY):
        assert secret not in text
        assert secret.encode() not in held(folder)
    if way is ask_live:
        assert b"407" in held(folder)  # the failure is on record


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("407, url='http://user:pass@127.0.0.1:1/'", "407, url='http://***@127.0.0.1:1/'"),
        ("http://token@host/v1 and https://a:b@c/d", "http://***@host/v1 and https://***@c/d"),
        ("socks5://user:p@ss@w/rd@host:1", "socks5://***@host:1"),
        ("see https://host/docs, or write to help@host", "see https://host/docs, or write to help@host"),
        ('{"url":"http://host/","mail":"me@host"}', '{"url":"http://host/","mail":"me@host"}'),
        (f"key {KEY}\n  was wrong: {KEY}", "key *** was wrong: ***"),
        (f"key {KEY.upper()} or {KEY.title()}", "key *** or ***"),
        (r'{"got": "sk-the\u002dright-key\-1234"}', '{"got": "***"}'),
        (r"got 'sk\\u002Dthe-right%2Dkey\x2d1234'", "got '***'"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ('{"x-api-key": "another-1", "a": 1}', '{"x-api-key": "***", "a": 1}'),
        (r"{\"api-key\": \"another-1\"}", r"{\"api-key\": \"***\"}"),
        ("/v1?api-key=AIzaSyAbCdEfGhIjKlMnOpQrStUv is wrong", "/v1?api-key=*** is wrong"),
        ("Incorrect API key provided: sk-of-another-1.", "Incorrect API key provided: ***"),
        (
            "the bearer token is missing; see API key settings",
            "the bearer token is missing; see API key settings",
        ),
    ],
)
def test_hide(monkeypatch: pytest.MonkeyPatch, text: str, wanted: str) -> None:
    monkeypatch.setenv("LOCAL_KEY", f"{KEY}\n")
    assert hide_secrets(text, Endpoint(base_url="http://host/v1", key_env="LOCAL_KEY")) == wanted


@pytest.mark.parametrize("place", range(60, 300, 12))
@pytest.mark.parametrize("body", ['{"choices": [], "note": "%s"}', '{"error": {"message": "%s"}}'])
def test_no_piece_of_a_key_is_left_where_a_message_is_cut(
    running: Remote,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    folder: Path,
    place: int,
    body: str,
) -> None:
    """The server repeats a key somewhere in a long body that is no answer."""
    monkeypatch.setenv("LOCAL_KEY", KEY)
    running.script([{"fault": "raw", "text": body % ("x" * place + KEY)}])
    text = said(ask_live, capfd, base_url=running.url)
    assert "xxx" in text
    assert KEY[:5] not in text
    assert KEY[:5].encode() not in held(folder)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@host:8000/v1",
        "https://s3cret@host/v1",
        "user:s3cret@host/v1",
        "http://u:s3cret/@x@host/v1",
    ],
)
def test_a_login_in_base_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(
        ValueError,
        match=r"`endpoints\.here\.base_url`: .*environment variable that `key_env` names, got '\*\*\*@host",
    ) as error:
        check("endpoints.here", {"base_url": url}, Endpoint)
    assert "s3cret" not in str(error.value) + str(error.value.__cause__)
    with pytest.raises(ValueError, match="should be a valid string, got 7"):
        check("endpoints.here", {"base_url": 7}, Endpoint)
