"""Worlds on moto, for small tests: one at a time, because moto's transactions are not
thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto import mock_aws

from tests.support.world import World

_ONE_AT_A_TIME = threading.Lock()
LOCK_SECONDS = 10


@contextmanager
def _released() -> Iterator[None]:
    try:
        yield
    finally:
        _ONE_AT_A_TIME.release()


@contextmanager
def moto_world(**options: Any) -> Iterator[World]:
    """A world on moto; the options are the World's."""
    if not _ONE_AT_A_TIME.acquire(timeout=LOCK_SECONDS):
        raise RuntimeError("another world is open; a test may have one at a time")
    # Undone inside out: our patches first, then moto puts back the environment it found.
    with _released(), mock_aws(), pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Darkroom")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        yield World(**options)
