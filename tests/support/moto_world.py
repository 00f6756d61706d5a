"""Worlds on moto, for small tests: one at a time, because moto's transactions are not
thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from moto import mock_aws

from tests.support.world import World

_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def moto_world() -> Iterator[World]:
    with _ONE_AT_A_TIME, pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Darkroom")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        yield World()
