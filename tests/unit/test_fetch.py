"""Fetching results: only from the expected hosts, and never from private addresses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from darkroom.adapters.fetch import Fetcher, FetchFailed, FetchLimits, FileGone, UnfitFile
from darkroom.adapters.public_network import UnsafeAddress, is_public
from tests.support.threaded_server import ThreadedServer

HOSTS = frozenset({"replicate.delivery", "*.replicate.delivery"})
LIMITS = FetchLimits(
    hosts=HOSTS | {"127.0.0.1"}, mime_types={"image/png"}, size_bytes=1000, seconds=2
)
GOOD = [
    "https://replicate.delivery/x/out.png",
    "https://replicate.delivery:443/x/out.png",
    "https://pbxt.replicate.delivery/x/out-0.png?a=b%20c",
    "https://a.b.replicate.delivery/",
]
HOSTILE = [
    # Other schemes, or none
    "", " ", "replicate.delivery/x", "//replicate.delivery/x", "/etc/passwd", "https:", "https://",
    "https:///x", "http://replicate.delivery/x", "HTTP://replicate.delivery/x",
    "ftp://replicate.delivery/x", "file:///etc/passwd", "file://replicate.delivery/x",
    "gopher://replicate.delivery/x", "data:image/png;base64,AAAA", "javascript:alert(1)",
    "jar:https://replicate.delivery/x!/", "dict://replicate.delivery:443/",
    "ldap://replicate.delivery/", "s3://bucket/key", "ws://replicate.delivery/", "unix:/var/run/x",
    # Other ports
    "https://replicate.delivery:22/", "https://replicate.delivery:80/",
    "https://replicate.delivery:8443/", "https://replicate.delivery:99999/",
    "https://replicate.delivery:-1/", "https://replicate.delivery:443x/",
    "https://replicate.delivery:/", "https://replicate.delivery:0443/",
    # Other hosts that look like it
    "https://example.com/", "https://replicate.delivery.evil.example/",
    "https://evilreplicate.delivery/", "https://replicate.delivery@evil.example/",
    "https://replicate.delivery:x@evil.example/", "https://user@replicate.delivery/",
    "https://@replicate.delivery/", "https://evil.example#replicate.delivery/",
    "https://evil.example?.replicate.delivery/", "https://evil.example\\.replicate.delivery/",
    "https://evil.example\\@replicate.delivery/", "https:\\\\replicate.delivery\\x",
    "https://evil.example%2f.replicate.delivery/", "https://evil.example%23.replicate.delivery/",
    "https://evil.example/.replicate.delivery", "https://replicate.delivery%00.evil.example/",
    "https://replicate.delivery./", "https://.replicate.delivery/", "https://*.replicate.delivery/",
    "https://a..replicate.delivery/", "https://-a.replicate.delivery/",
    "https://a_b.replicate.delivery/", "https://REPLICATE.DELIVERY/",
    "https://replicate.deliveryx/", "https://xn--replicate-.delivery/",
    "https://replіcate.delivery/", "https://replicate。delivery/", "https://ⓡeplicate.delivery/",
    # Control characters and spaces
    "https://replicate.delivery/\r\nHost: evil.example", "https://replicate.delivery/\tx",
    "https://replicate.delivery/ x", " https://replicate.delivery/", "https://replicate.delivery/é",
    "https://repli\ncate.delivery/", "https://replicate.delivery\x00/", "https://repl\u200bicate.delivery/",
    # Addresses, in every spelling
    "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/",
    "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://017700000001/", "https://0/",
    "https://localhost/", "https://localhost.localdomain/", "https://[::1]/", "https://[::]/",
    "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/", "https://[fd00:ec2::254]/", "https://[::1", "https://::1/",
    "https://169.254.169.254/latest/meta-data/", "https://2852039166/", "https://0xa9fea9fe/",
    "https://169.254.170.2/v2/credentials", "https://10.0.0.1/", "https://172.16.0.1/",
    "https://192.168.0.1/", "https://100.64.0.1/", "https://0.0.0.0/", "https://224.0.0.1/",
    "https://255.255.255.255/", "https://8.8.8.8/", "https://１２７.0.0.1/",
    "https://169.254.169.254.nip.io/", "https://metadata.google.internal/",
    "http://127.0.0.1/x.png", "http://127.0.0.1:8080/x.png", "https://127.0.0.1:443/",
    "https://replicate.delivery/" + "x" * 5000,
]  # fmt: skip


def test_there_are_enough_hostile_addresses() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) >= 60


@pytest.mark.parametrize("url", HOSTILE, ids=lambda url: repr(url)[:60])
def test_a_hostile_address_is_refused_before_its_name_is_resolved(url: str, tmp_path: Path) -> None:
    resolved: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        resolved.append(host)
        return ["203.0.113.1"]

    with pytest.raises(UnsafeAddress):
        Fetcher(resolve=resolve).fetch(url, tmp_path / "out", LIMITS)

    assert resolved == []


@pytest.mark.parametrize("url", GOOD)
def test_an_address_of_the_provider_may_be_fetched(url: str) -> None:
    Fetcher().check(url, HOSTS)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.255.0.3", "0.0.0.0", "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1",
     "169.254.169.254", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
     "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
     "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1",
     "64:ff9b::808:808", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
     "64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::1",
     "2001:0:4136:e378:8000:63bf:3fff:fdd2", "100::1", "", "localhost", "1", "0x7f000001"],
)  # fmt: skip
def test_a_private_address_is_recognized(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "104.18.0.1", "2606:4700::1111"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "responses",
    [[], ["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:169.254.169.254"], ["fe80::1%2"]],
    ids=str,
)
def test_an_allowed_name_with_a_private_address_is_refused(
    responses: list[str], tmp_path: Path
) -> None:
    fetcher = Fetcher(resolve=lambda host, port: responses)

    with pytest.raises(UnsafeAddress):
        fetcher.fetch(GOOD[0], tmp_path / "out", LIMITS)


def test_the_connection_goes_to_the_address_that_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is resolved once, so a later record cannot redirect the connection."""
    resolved, connected = [], []

    def resolve(host: str, port: int) -> list[str]:
        resolved.append(host)
        return ["8.8.8.8"] if len(resolved) == 1 else ["127.0.0.1"]

    def connect(address: Any, *args: Any, **kwargs: Any) -> Any:
        connected.append(address)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(FetchFailed):
        Fetcher(resolve=resolve).fetch(GOOD[0], tmp_path / "out", LIMITS)

    assert resolved == ["replicate.delivery"]
    assert connected == [("8.8.8.8", 443)]


def test_a_name_without_an_address_may_have_one_later(tmp_path: Path) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror("none")

    with pytest.raises(FetchFailed):
        Fetcher(resolve=resolve).fetch(GOOD[0], tmp_path / "out", LIMITS)


# A server

Response = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(response: Response) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            response(self)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output short."""

    server = ThreadedServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/x.png"
    finally:
        server.shutdown()
        server.server_close()


def saying(status: int = 200, body: bytes = b"png", **headers: str) -> Response:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        sent = {"content-type": "image/png", "content-length": str(len(body))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        handler.send_response(status)
        for name, value in sent.items():
            if value:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return respond


def fetch(response: Response, path: Path, limits: FetchLimits = LIMITS) -> int:
    with serving(response) as url:
        return Fetcher(allow_loopback=True).fetch(url, path, limits)


def test_a_file_is_fetched(tmp_path: Path) -> None:
    size_bytes = fetch(saying(body=b"a picture"), tmp_path / "out")

    assert size_bytes == 9
    assert (tmp_path / "out").read_bytes() == b"a picture"


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (saying(404), FileGone),
        (saying(410), FileGone),
        (saying(403), FileGone),
        (saying(500), FetchFailed),
        (saying(429), FetchFailed),
        (saying(content_type="text/html"), UnfitFile),
        (saying(content_type=""), UnfitFile),
        (saying(content_encoding="gzip"), UnfitFile),
        (saying(content_length="1001"), UnfitFile),
        (saying(content_length="100"), FetchFailed),
        (saying(body=b"x" * 1001, content_length=""), UnfitFile),
        (saying(302, location="https://evil.example/x"), UnsafeAddress),
        (saying(302, location="http://169.254.169.254/"), UnsafeAddress),
        (saying(302, location="file:///etc/passwd"), UnsafeAddress),
        (saying(302, location="//evil.example/"), UnsafeAddress),
        (saying(302, location="/x.png"), UnsafeAddress),
        (saying(302, location=""), UnsafeAddress),
    ],
    ids=[
        "missing", "gone", "forbidden", "broken", "throttled", "a page", "of no type", "packed",
        "said to be too large", "cut short", "too large", "sent elsewhere", "sent inside",
        "sent to a file", "sent without a scheme", "sent round and round", "sent nowhere",
    ],
)  # fmt: skip
def test_an_unexpected_response_raises_its_error(
    response: Response, error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error):
        fetch(response, tmp_path / "out")


def test_a_redirect_to_an_allowed_address_is_followed(tmp_path: Path) -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        moved = handler.path == "/x.png"
        (saying(307, location="/y.png") if moved else saying(body=b"moved"))(handler)

    assert fetch(respond, tmp_path / "out") == 5


def test_a_file_that_arrives_too_slowly_is_given_up(tmp_path: Path) -> None:
    ended = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        saying(content_length="1000")(handler)
        while not ended.wait(0.02):
            handler.wfile.write(b"x")

    limits = FetchLimits(
        hosts=LIMITS.hosts, mime_types=LIMITS.mime_types, size_bytes=1000, seconds=0.3
    )
    try:
        with pytest.raises(FetchFailed):
            fetch(trickle, tmp_path / "out", limits)
    finally:
        ended.set()


def test_loopback_is_for_tests_only(tmp_path: Path) -> None:
    with serving(saying()) as url, pytest.raises(UnsafeAddress):
        Fetcher().fetch(url, tmp_path / "out", LIMITS)
