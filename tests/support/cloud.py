"""An asynchronous provider, faked at its port: a test decides when a run ends, and how."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from darkroom.adapters.fetch import FetchLimits
from darkroom.generation.ports import (
    Charge,
    Finished,
    GenerationRequest,
    ResponseLost,
    ResultFile,
)
from darkroom.generation.routing.routes import REPLICATE
from darkroom.kernel.errors import Unauthorized

SIGNATURE = {"webhook-signature": "of the fake cloud"}


def a_png(width: int = 2, height: int = 3) -> bytes:
    """A complete black PNG."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        sealed = kind + body
        return struct.pack(">I", len(body)) + sealed + struct.pack(">I", zlib.crc32(sealed))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\x00" * (width + 1) * height)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@dataclass(frozen=True)
class FakeRun:
    """One run at the provider."""

    ref: str
    callback_url: str
    ends: Exception | None = None
    is_over: bool = True
    is_canceled: bool = False

    @property
    def is_good(self) -> bool:
        return self.is_over and self.ends is None and not self.is_canceled

    @property
    def call(self) -> dict[str, Any]:
        """The request of its callback, for ``World.call``."""
        address = urlsplit(self.callback_url)
        return {
            "method": "POST",
            "path": f"{address.path}?{address.query}",
            "body": {"id": self.ref, "status": "succeeded"},
            "user": None,
            "headers": SIGNATURE,
        }


class FakeCloud:
    """Runs end as soon as they begin, unless ``is_slow``; no callback is sent automatically.

    ``refuse`` may raise before a submit is accepted, ``took`` after it.
    """

    name = REPLICATE
    result_hosts = frozenset({"files.example"})

    def __init__(self) -> None:
        self.requests: list[GenerationRequest] = []
        self.runs: dict[str, FakeRun] = {}
        self.polls = 0
        self.is_slow = False
        self.is_down = False
        self.refuse: Callable[[GenerationRequest], None] = lambda request: None
        self.took: Callable[[GenerationRequest, FakeRun], None] = lambda request, run: None
        self.seen: Callable[[FakeRun], None] = lambda run: None
        """Called at every poll, before it returns."""

    def model_of(self, kind: str) -> str:
        return "black-forest-labs/flux-kontext-pro"

    def submit(self, request: GenerationRequest, callback_url: str) -> str:
        self.refuse(request)
        self.requests.append(request)
        name = f"{request.job_id} {request.key} {request.attempt} {len(self.requests)}"
        ref = hashlib.sha256(name.encode()).hexdigest()[:20]
        self.runs[ref] = FakeRun(ref, callback_url, is_over=not self.is_slow)
        self.took(request, self.runs[ref])
        return ref

    def poll(self, ref: str) -> Finished | None:
        self.polls += 1
        if self.is_down:
            raise ResponseLost("down")
        run = self.runs[ref]
        self.seen(run)
        run = self.runs[ref]
        if not run.is_over:
            return None
        if run.ends is not None:
            raise run.ends
        url = f"https://files.example/{ref}.png"
        file = ResultFile(url=url, type="image", mime_type="image/png", suffix=".png")
        return Finished(files=(file,), charges=(Charge(unit="image", quantity=1),))

    def find(self, callback_url: str, since: datetime) -> str | None:
        if self.is_down:
            raise ResponseLost("down")
        found = [run.ref for run in self.runs.values() if run.callback_url == callback_url]
        return found[0] if found else None

    def cancel(self, ref: str) -> None:
        self.runs[ref] = replace(self.runs[ref], is_canceled=True)

    def read_callback(self, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        if headers.get("webhook-signature") != SIGNATURE["webhook-signature"]:
            raise Unauthorized("forged", code="BAD_SIGNATURE")
        return json.loads(body)["id"]

    # Controls of a test

    def end(self, error: Exception | None = None) -> None:
        """End all runs, successfully or with this error."""
        for run in self.runs.values():
            self.runs[run.ref] = replace(run, ends=error, is_over=True)

    @property
    def last(self) -> FakeRun:
        return list(self.runs.values())[-1]

    def runs_by_task(self) -> Iterator[tuple[str, FakeRun]]:
        for request, run in zip(self.requests, self.runs.values(), strict=False):
            yield f"{request.job_id} {request.key}", run

    def restore(self, requests: Sequence[GenerationRequest], runs: Mapping[str, FakeRun]) -> None:
        """Restore the runs of a snapshot; nothing misbehaves."""
        self.__init__()  # type: ignore[misc]
        self.requests[:], self.runs = requests, dict(runs)


class FakeFiles:
    """The provider's files, faked at the fetcher: every address returns a picture."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.refuse: Callable[[str], None] = lambda url: None

    def fetch(self, url: str, path: Path, limits: FetchLimits) -> int:
        self.refuse(url)
        self.fetched.append(url)
        return path.write_bytes(a_png())
