"""Posts a body to an untrusted URL, and reads the first part of the response.

A redirect is a response like any other: it is not followed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from darkroom.adapters.public_network import (
    NoAddress,
    PublicNetwork,
    Resolve,
    UnsafeAddress,
    timeouts,
)


@dataclass(frozen=True, kw_only=True)
class Posted:
    """What became of a request. Without a ``status``, ``failure`` says why there is no response:
    TIMEOUT, UNREACHABLE, UNSAFE_ADDRESS, NO_ADDRESS."""

    seconds: float
    status: int | None = None
    body: str = ""
    failure: str | None = None


class Poster:
    """With ``allow_loopback``, tests can post to ``http://127.0.0.1``."""

    def __init__(self, *, allow_loopback: bool = False, resolve: Resolve | None = None) -> None:
        self._network = PublicNetwork(allow_loopback=allow_loopback, resolve=resolve)

    def check_url(self, url: str) -> None:
        """Check a URL without any network access.

        Raises:
            UnsafeAddress: nothing may be posted to it.
        """
        self._network.check(url)

    def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        limit_seconds: float,
        limit_bytes: int,
    ) -> Posted:
        """Post the body; of the response's, ``limit_bytes`` at most are read, as UTF-8 text."""
        began_at = time.monotonic()
        status, text, failure = self._post(
            url, body, headers, ends_at=began_at + limit_seconds, limit_bytes=limit_bytes
        )
        seconds = time.monotonic() - began_at
        return Posted(seconds=seconds, status=status, body=text, failure=failure)

    def _post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, ends_at: float, limit_bytes: int
    ) -> tuple[int | None, str, str | None]:
        import httpcore

        try:
            self.check_url(url)
            sent: dict[bytes | str, bytes | str] = {
                "Host": urlsplit(url).netloc,
                "Accept-Encoding": "identity",
                "Connection": "close",
                **headers,
                "Content-Length": str(len(body)),
            }
            backend = self._network.backend(ends_at)
            with (
                httpcore.ConnectionPool(network_backend=backend, http2=False) as pool,
                pool.stream(
                    "POST",
                    url,
                    headers=list(sent.items()),
                    content=body,
                    extensions=timeouts(ends_at),
                ) as response,
            ):
                return response.status, _first_part(response, limit_bytes), None
        except (UnsafeAddress, NoAddress) as error:
            return None, "", error.error_code
        except httpcore.TimeoutException:
            return None, "", "TIMEOUT"
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            return None, "", "UNREACHABLE"


def _first_part(response: Any, limit_bytes: int) -> str:
    """The status counts, so a body that breaks off or comes too late is left as it is."""
    import httpcore

    read = b""
    try:
        for chunk in response.iter_stream():
            read += chunk
            if len(read) >= limit_bytes:
                break
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError):
        pass
    text = read[:limit_bytes].decode("utf-8", "replace")
    # A replaced byte is longer than before.
    return text.encode()[:limit_bytes].decode("utf-8", "ignore")
