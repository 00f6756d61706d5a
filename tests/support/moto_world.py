"""Worlds on moto, for small tests: one at a time, because moto's transactions are not
thread-safe.

A process creates its tables, queues and bucket once, because that takes longer than most tests.
Every further world gets them empty.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.custom_responses_mock import reset_responses_mock
from moto.core.model_instances import reset_model_data
from moto.core.models import responses_mock
from moto.dynamodb import dynamodb_backends
from moto.dynamodb.models.utilities import dynamo_to_dict
from moto.s3 import s3_backends
from moto.secretsmanager import secretsmanager_backends
from moto.sqs import sqs_backends

from tests.support.quick_moto import quick_moto
from tests.support.world import Resources, World

REGION = "us-east-1"
LOCK_SECONDS = 10
_ONE_AT_A_TIME = threading.Lock()
_CREATED: list[Resources] = []
"""The resources of this process."""


class MotoWorld(World):
    """A world that looks into moto where the emulators of others must be called: most calls of a
    test would only find that nothing has changed."""

    def scan(self, name: str) -> list[dict[str, Any]]:
        table = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[self.settings.tables[name]]
        return [dynamo_to_dict(item.attrs) for item in table.all_items()]

    def _pump(self, url: str, handle: Callable[[Mapping[str, Any]], Any]) -> int:
        queue = sqs_backends[DEFAULT_ACCOUNT_ID][REGION].queues[url.rpartition("/")[2]]
        return super()._pump(url, handle) if queue._messages else 0


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
    with _released(), _moto(), quick_moto(), pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Darkroom")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        world = MotoWorld(**options, resources=_empty_resources())
        if not _CREATED:
            _CREATED.append(world.resources)
        yield world


@contextmanager
def _moto() -> Iterator[None]:
    """Moto, with what it held before."""
    mock = mock_aws()
    mock.start(reset=False)
    try:
        yield
    finally:
        mock.stop(remove_data=False)
        # Every start adds the patterns of all services again.
        reset_responses_mock(responses_mock)


def _empty_resources() -> Resources | None:
    """The resources of this process without items, messages and objects; None if there are none."""
    tables = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables
    queues = sqs_backends[DEFAULT_ACCOUNT_ID][REGION].queues
    stored = secretsmanager_backends[DEFAULT_ACCOUNT_ID][REGION].secrets
    if not _CREATED:
        return None
    [resources] = _CREATED
    queue = resources.dead_url.rpartition("/")[2]
    are_there = set(resources.settings.tables.values()) <= set(tables) and queue in queues
    if not are_there or f"{resources.name}-signing" not in stored:
        # A test that uses moto by itself removed everything.
        _CREATED.clear()
        return None
    for name in set(tables) - set(resources.settings.tables.values()):
        del tables[name]
    for table in tables.values():
        table.items = defaultdict(dict)
    for name in [name for name in queues if not name.startswith(f"{resources.name}-")]:
        del queues[name]
    for queue in queues.values():
        queue._messages, queue._pending_messages, queue.deleted_messages = [], set(), set()
    for name in [name for name in stored if name != f"{resources.name}-signing"]:
        del stored[name]
    objects = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    objects.reset()
    objects.create_bucket(resources.settings.media_bucket, REGION)
    reset_model_data()
    return resources
