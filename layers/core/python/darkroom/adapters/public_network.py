"""Connections to untrusted URLs: which may be opened, and for how long.

Only https at its own port, and only addresses of the public internet. The name is resolved here,
every address is checked, and the connection goes to a checked address, so DNS rebinding has no
effect. A deadline bounds the whole exchange, also one in which a byte arrives now and then.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from darkroom.kernel.errors import DarkroomError

URL_LIMIT_CHARS = 4096
OPERATION_LIMIT_SECONDS = 10.0
_OPERATION_MIN_SECONDS = 0.1
_LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = frozenset({_LOOPBACK, "localhost"})
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# A name whose last label has a letter, which excludes every spelling of an IP address (decimal,
# octal, hexadecimal, short, bracketed).
_HOST = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z0-9-]*[a-z])(?!0x){_LABEL}", re.ASCII)
# Names that never lead to the public internet: RFC 6761, RFC 6762, RFC 8375, and clouds' own.
_PRIVATE_NAME = re.compile(r".*\.(?:internal|intranet|lan|local|localdomain|localhost|home\.arpa)")
_PLAIN = re.compile(r"[\x21-\x7e]+", re.ASCII)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_OLD_V4 = ipaddress.ip_network("::/96")

Resolve = Callable[[str, int], Iterable[str]]


class UnsafeAddress(DarkroomError):
    """The URL must not be opened."""

    code = "UNSAFE_ADDRESS"


class NoAddress(DarkroomError):
    """The host has no address at present."""

    code = "NO_ADDRESS"


class PublicNetwork:
    """With ``allow_loopback``, tests can also open ``http://127.0.0.1``."""

    def __init__(self, *, allow_loopback: bool = False, resolve: Resolve | None = None) -> None:
        self._allow_loopback = allow_loopback
        self._resolve = resolve or _resolve

    def check(self, url: str, hosts: Collection[str] | None = None) -> None:
        """Check a URL without any network access. ``hosts``: the only ones that may be opened; a
        prefix ``*.`` allows all subdomains.

        Raises:
            UnsafeAddress: it may not be opened.
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
            is_fit = parts.scheme == "http" and (hosts is None or host in hosts)
        else:
            # Percent signs and capitals never reach a resolver: it gets exactly the checked name.
            is_fit = (
                parts.scheme == "https"
                and port in (None, 443)
                and parts.netloc in (host, f"{host}:443")
                and _HOST.fullmatch(host) is not None
                and _PRIVATE_NAME.fullmatch(host) is None
                and (hosts is None or is_host_of(host, hosts))
            )
        if not is_fit:
            raise UnsafeAddress("not one of the hosts that may be opened")

    def backend(self, ends_at: float) -> Any:
        """A network backend for httpcore that connects only to checked addresses, until the
        monotonic time ``ends_at``. TLS still verifies the name."""
        import httpcore

        class CheckedBackend(httpcore.SyncBackend):
            def connect_tcp(inner, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
                lost: Exception | None = None
                for address in self._checked_addresses(host, port):
                    try:
                        connected = super().connect_tcp(address, port, *args, **kwargs)
                    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                        lost = error
                    else:
                        return _with_deadline(connected, ends_at)
                raise lost or NoAddress("the host has no address")

            def connect_unix_socket(inner, *args: Any, **kwargs: Any) -> Any:
                raise UnsafeAddress("not on the network")

        return CheckedBackend()

    def _checked_addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses to connect to. All of them must be public."""
        if self._is_loopback(host):
            return [_LOOPBACK]
        try:
            found = list(self._resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise NoAddress("the host has no address") from error
        if not found or not all(map(is_public, found)):
            raise UnsafeAddress("the host is not on the public internet")
        return found

    def _is_loopback(self, host: str) -> bool:
        return self._allow_loopback and host in LOOPBACK_NAMES


def timeouts(ends_at: float) -> dict[str, Any]:
    """httpcore's timeouts for a request that ends at this monotonic time."""
    seconds = _left(ends_at)
    return {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds)}


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


def header_of(headers: Sequence[tuple[bytes, bytes]], name: str, default: str = "") -> str:
    found: Mapping[str, str] = {
        key.decode("latin-1").lower(): value.decode("latin-1") for key, value in headers
    }
    return found.get(name, default).strip()


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


def _left(ends_at: float, seconds: float | None = None) -> float:
    """How long an operation may take that would like to take ``seconds``."""
    wanted = OPERATION_LIMIT_SECONDS if seconds is None else seconds
    return max(_OPERATION_MIN_SECONDS, min(wanted, ends_at - time.monotonic()))


def _with_deadline(connected: Any, ends_at: float) -> Any:
    """The connection, of which no operation may go on after the deadline. httpcore bounds each
    operation, and a response of single bytes has very many."""
    import httpcore

    class Stream(httpcore.NetworkStream):
        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            if time.monotonic() >= ends_at:
                raise httpcore.ReadTimeout("the deadline is over")
            read: bytes = connected.read(max_bytes, _left(ends_at, timeout))
            return read

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            if time.monotonic() >= ends_at:
                raise httpcore.WriteTimeout("the deadline is over")
            connected.write(buffer, _left(ends_at, timeout))

        def close(self) -> None:
            connected.close()

        def start_tls(
            self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
        ) -> Any:
            seconds = _left(ends_at, timeout)
            secured = connected.start_tls(ssl_context, server_hostname, seconds)
            return _with_deadline(secured, ends_at)

        def get_extra_info(self, info: str) -> Any:
            return connected.get_extra_info(info)

    return Stream()
