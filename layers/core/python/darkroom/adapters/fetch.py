"""Fetches a file from an untrusted URL.

Owns the limits of a file and where a redirect may lead: each is checked like the first URL, by the
rules of ``public_network``, and only hosts that the caller names may be fetched from.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from darkroom.adapters.public_network import (
    NoAddress,
    PublicNetwork,
    Resolve,
    UnsafeAddress,
    header_of,
    timeouts,
)
from darkroom.kernel.errors import DarkroomError

REDIRECTS_LIMIT = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({403, 404, 410})


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
        self._network = PublicNetwork(allow_loopback=allow_loopback, resolve=resolve)

    def fetch(self, url: str, path: Path, limits: FetchLimits) -> int:
        """Stream the file to ``path``; returns its size.

        Raises:
            UnsafeAddress, UnfitFile, FileGone, FetchFailed.
        """
        import httpcore

        ends_at = time.monotonic() + limits.seconds
        backend = self._network.backend(ends_at)
        with httpcore.ConnectionPool(network_backend=backend, http2=False) as pool:
            for _ in range(REDIRECTS_LIMIT + 1):
                self.check(url, limits.hosts)
                try:
                    with pool.stream("GET", url, **_request(url, ends_at)) as response:
                        if response.status not in _REDIRECTS:
                            return _save(response, path, limits, ends_at)
                        url = urljoin(url, header_of(response.headers, "location"))
                except (httpcore.NetworkError, httpcore.ProtocolError, NoAddress) as error:
                    raise FetchFailed(type(error).__name__) from error
                except (httpcore.TimeoutException, OSError) as error:
                    raise FetchFailed(type(error).__name__) from error
        raise UnsafeAddress("too many redirects")

    def check(self, url: str, hosts: Collection[str]) -> None:
        """Check a URL without any network access.

        Raises:
            UnsafeAddress: it may not be fetched.
        """
        self._network.check(url, hosts)


def _request(url: str, ends_at: float) -> dict[str, Any]:
    return {
        "headers": {
            "Host": urlsplit(url).netloc,
            "Accept-Encoding": "identity",
            "User-Agent": "darkroom",
        },
        "extensions": timeouts(ends_at),
    }


def _save(response: Any, path: Path, limits: FetchLimits, ends_at: float) -> int:
    if response.status in _GONE:
        raise FileGone(f"HTTP {response.status}")
    if response.status != 200:
        raise FetchFailed(f"HTTP {response.status}")
    if header_of(response.headers, "content-encoding", "identity").lower() != "identity":
        raise UnfitFile("encoded")
    mime_type = header_of(response.headers, "content-type").partition(";")[0].strip().lower()
    if mime_type not in limits.mime_types:
        raise UnfitFile("of another type")
    length = header_of(response.headers, "content-length", "0")
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
