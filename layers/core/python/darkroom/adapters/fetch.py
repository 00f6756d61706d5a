"""Fetches a file from an untrusted URL.

Owns which URLs may be fetched, and the limits: only https, only hosts that the caller names, and
only addresses of the public internet. The name is resolved here, every address is checked, and the
connection goes to a checked address, so DNS rebinding has no effect. Each redirect is checked in
the same way.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from darkroom.kernel.errors import DarkroomError

REDIRECTS_LIMIT = 3
URL_LIMIT_CHARS = 4096
OPERATION_LIMIT_SECONDS = 10.0
_LOOPBACK = "127.0.0.1"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({403, 404, 410})
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# A name whose last label has a letter, which excludes every spelling of an IP address (decimal,
# octal, hexadecimal, short, bracketed).
_HOST = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z0-9-]*[a-z])(?!0x){_LABEL}", re.ASCII)
_PLAIN = re.compile(r"[\x21-\x7e]+", re.ASCII)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_OLD_V4 = ipaddress.ip_network("::/96")

Resolve = Callable[[str, int], Iterable[str]]


class UnsafeAddress(DarkroomError):
    """The URL must not be fetched."""

    code = "UNSAFE_ADDRESS"


class UnfitFile(DarkroomError):
    """The file is too large, or not of an expected type."""

    code = "UNFIT_FILE"


class FileGone(DarkroomError):
    """There is no such file (any more)."""

    code = "FILE_GONE"


class FetchFailed(DarkroomError):
    """The fetch failed; a retry may help."""

    code = "FETCH_FAILED"


@dataclass(frozen=True, kw_only=True)
class FetchLimits:
    hosts: Collection[str]
    """Host names; a prefix ``*.`` allows all subdomains."""
    mime_types: Collection[str]
    size_bytes: int
    seconds: float


class Fetcher:
    """With ``allow_loopback``, tests can fetch from ``http://127.0.0.1`` if they name that host."""

    def __init__(self, *, allow_loopback: bool = False, resolve: Resolve | None = None) -> None:
        self._allow_loopback = allow_loopback
        self._resolve = resolve or _resolve

    def fetch(self, url: str, path: Path, limits: FetchLimits) -> int:
        """Stream the file to ``path``; returns its size.

        Raises:
            UnsafeAddress, UnfitFile, FileGone, FetchFailed.
        """
        import httpcore

        ends_at = time.monotonic() + limits.seconds
        backend = _backend(self._checked_addresses)
        with httpcore.ConnectionPool(network_backend=backend, http2=False) as pool:
            for _ in range(REDIRECTS_LIMIT + 1):
                self.check(url, limits.hosts)
                try:
                    with pool.stream("GET", url, **_request(url, ends_at)) as response:
                        if response.status not in _REDIRECTS:
                            return _save(response, path, limits, ends_at)
                        url = urljoin(url, _header(response.headers, "location"))
                except (httpcore.NetworkError, httpcore.ProtocolError) as error:
                    raise FetchFailed(type(error).__name__) from error
                except (httpcore.TimeoutException, OSError) as error:
                    raise FetchFailed(type(error).__name__) from error
        raise UnsafeAddress("too many redirects")

    def check(self, url: str, hosts: Collection[str]) -> None:
        """Check a URL without any network access.

        Raises:
            UnsafeAddress: it may not be fetched.
        """
        if len(url) > URL_LIMIT_CHARS or not _PLAIN.fullmatch(url) or "\\" in url:
            raise UnsafeAddress("not a plain address")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise UnsafeAddress("not an address") from error
        if parts.username is not None or parts.password is not None:
            raise UnsafeAddress("an address with a user in it")
        if self._is_loopback(host):
            is_fit = parts.scheme == "http" and host in hosts
        else:
            # Percent signs and capitals never reach a resolver: it gets exactly the checked name.
            is_fit = (
                parts.scheme == "https"
                and port in (None, 443)
                and parts.netloc in (host, f"{host}:443")
                and _HOST.fullmatch(host) is not None
                and is_host_of(host, hosts)
            )
        if not is_fit:
            raise UnsafeAddress("not one of the hosts that may be fetched from")

    def _checked_addresses(self, host: str, port: int) -> list[str]:
        """The addresses to connect to. All of them must be public."""
        if self._is_loopback(host):
            return [host]
        try:
            found = list(self._resolve(host, port))
        except OSError as error:
            raise FetchFailed("the host has no address") from error
        if not found or not all(map(is_public, found)):
            raise UnsafeAddress("the host is not on the public internet")
        return found

    def _is_loopback(self, host: str) -> bool:
        return self._allow_loopback and host == _LOOPBACK


def is_host_of(host: str, hosts: Collection[str]) -> bool:
    return any(
        host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in hosts
    )


def is_public(address: str) -> bool:
    """Whether an IP address is of the public internet, also one that is wrapped in another."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            return False
        if found in _NAT64 or found in _OLD_V4:
            return False
        wrapped = [found.ipv4_mapped, found.sixtofour, *(found.teredo or ())]
        if not all(is_public(str(inner)) for inner in wrapped if inner is not None):
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


def _backend(addresses_of: Callable[[str, int], Sequence[str]]) -> Any:
    """A network backend that connects only to checked addresses. TLS still verifies the name."""
    import httpcore

    class CheckedBackend(httpcore.SyncBackend):
        def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
            lost: Exception | None = None
            for address in addresses_of(host, port):
                try:
                    return super().connect_tcp(address, port, *args, **kwargs)
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    lost = error
            raise lost or FetchFailed("the host has no address")

        def connect_unix_socket(self, *args: Any, **kwargs: Any) -> Any:
            raise UnsafeAddress("not on the network")

    return CheckedBackend()


def _request(url: str, ends_at: float) -> dict[str, Any]:
    seconds = max(0.1, min(OPERATION_LIMIT_SECONDS, ends_at - time.monotonic()))
    return {
        "headers": {
            "Host": urlsplit(url).netloc,
            "Accept-Encoding": "identity",
            "User-Agent": "darkroom",
        },
        "extensions": {
            "timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds),
        },
    }


def _save(response: Any, path: Path, limits: FetchLimits, ends_at: float) -> int:
    if response.status in _GONE:
        raise FileGone(f"HTTP {response.status}")
    if response.status != 200:
        raise FetchFailed(f"HTTP {response.status}")
    if _header(response.headers, "content-encoding", "identity").lower() != "identity":
        raise UnfitFile("encoded")
    mime_type = _header(response.headers, "content-type").partition(";")[0].strip().lower()
    if mime_type not in limits.mime_types:
        raise UnfitFile("of another type")
    length = _header(response.headers, "content-length", "0")
    if not length.isdigit() or int(length) > limits.size_bytes:
        raise UnfitFile("too large")
    written = 0
    with path.open("wb") as file:
        for chunk in response.iter_stream():
            written += file.write(chunk)
            if written > limits.size_bytes:
                raise UnfitFile("too large")
            if time.monotonic() > ends_at:
                raise FetchFailed("too slow")
    return written


def _header(headers: Sequence[tuple[bytes, bytes]], name: str, default: str = "") -> str:
    found: Mapping[str, str] = {
        key.decode("latin-1").lower(): value.decode("latin-1") for key, value in headers
    }
    return found.get(name, default).strip()
