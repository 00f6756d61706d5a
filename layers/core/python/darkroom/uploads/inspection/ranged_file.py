"""A stored file read piece by piece over HTTP, as if it lay on the disk.

For files that are too large to be fetched: a reader needs its beginning, its index and a
few places. How much may be read in all is limited, so that a hostile index cannot make us read on
and on.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from typing import Final, Protocol

import httpx

from darkroom.kernel.edits import UNCHANGED, Edits

PIECE_BYTES: Final = 2 << 20
PIECES_KEPT: Final = 24
READ_LIMIT_BYTES: Final = 2 << 30
TRIES_LIMIT: Final = 3
TIMEOUT_SECONDS: Final = 20


class SeekableFile(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, /) -> int: ...


class ReadTooMuch(OSError):
    """The file leads its reader around: more was read of it than any sound file needs."""


class RangedFile(io.RawIOBase):
    """Reads ranges of what ``url`` gives (RFC 9110, section 14); keeps the last pieces."""

    def __init__(
        self,
        url: str,
        size_bytes: int,
        *,
        read_limit_bytes: int = READ_LIMIT_BYTES,
        piece_bytes: int | None = None,
    ) -> None:
        super().__init__()
        self._url = url
        self.size_bytes = size_bytes
        self._left_bytes = read_limit_bytes
        self._at = 0
        self._piece_bytes = piece_bytes or PIECE_BYTES
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self._edits = UNCHANGED
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS)

    def reopened(self, piece_bytes: int, read_limit_bytes: int = READ_LIMIT_BYTES) -> RangedFile:
        """The same file in pieces of another length, without edits and with a limit of its own."""
        return RangedFile(
            self._url, self.size_bytes, read_limit_bytes=read_limit_bytes, piece_bytes=piece_bytes
        )

    def show(self, edits: Edits) -> None:
        """From now on, what is read is the file as it is after these edits."""
        self._edits = edits
        self._pieces.clear()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size_bytes}[whence]
        if start + offset < 0:
            raise ValueError("before the beginning")
        self._at = start + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; only at the end fewer, and then none."""
        ends = self.size_bytes if size < 0 else min(self._at + size, self.size_bytes)
        read = bytearray()
        while self._at < ends:
            number, offset = divmod(self._at, self._piece_bytes)
            found = self._piece(number)[offset : offset + ends - self._at]
            read += found
            self._at += len(found)
        return bytes(read)

    def close(self) -> None:
        self._client.close()
        super().close()

    def _piece(self, number: int) -> bytes:
        if number in self._pieces:
            self._pieces.move_to_end(number)
            return self._pieces[number]
        first = number * self._piece_bytes
        piece = self._fetch(first, min(first + self._piece_bytes, self.size_bytes) - 1)
        piece = self._edits.apply(piece, first)
        self._pieces[number] = piece
        if len(self._pieces) > PIECES_KEPT:
            self._pieces.popitem(last=False)
        return piece

    def _fetch(self, first: int, last: int) -> bytes:
        wanted_bytes = last - first + 1
        self._left_bytes -= wanted_bytes
        if self._left_bytes < 0:
            raise ReadTooMuch("too much of the file would have to be read")
        cause: Exception | None = None
        for _ in range(TRIES_LIMIT):
            try:
                response = self._client.get(self._url, headers={"Range": f"bytes={first}-{last}"})
            except httpx.TransportError as error:
                cause = error
                continue
            if response.status_code == 206 and len(response.content) == wanted_bytes:
                return response.content
            cause = OSError(f"status {response.status_code}, {len(response.content)} bytes")
        raise FetchBroken("the storage does not give it out") from cause


class FetchBroken(Exception):
    """The storage did not respond: nothing is known about the file."""
