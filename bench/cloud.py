"""The local cloud's tables, queues and bucket without its functions: where the rows are counted.

Owns the emulator process and its folder; both are gone when the context ends.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from darkroom.assets import model as assets_model
from darkroom.assets import store as assets_store
from darkroom.assets.model import Finding
from darkroom.db import commit
from darkroom.kernel.object_keys import clean_key
from darkroom.plans.store import plan_write
from local.emulator import Emulator, free_port
from local.settings import ROOT, Places, aws_environment
from tests.support.world import Response, World

PHOTO_BYTES = b"a photo; nothing here looks inside"
STORY = {"stage": "spark", "genre": "romance"}


@contextmanager
def open_world() -> Iterator[World]:
    """The product in this process on the local cloud's own tables.

    The tables are bound for the whole process, so only one world may be open at a time.
    """
    quieten()
    state = Path(tempfile.mkdtemp(prefix="darkroom-bench-"))
    emulator = Emulator(Places(state), ROOT, free_port())
    before = dict(os.environ)
    try:
        emulator.start()
        isolate(emulator.endpoint_url)
        yield World(endpoint_url=emulator.endpoint_url)
    finally:
        emulator.stop()
        shutil.rmtree(state, ignore_errors=True)
        os.environ.clear()
        os.environ.update(before)


def isolate(endpoint_url: str) -> None:
    """Let this process reach the emulator and nothing else that speaks AWS's protocols."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SAM_"))]:
        del os.environ[name]
    os.environ.update(aws_environment(endpoint_url))


def quieten() -> None:
    """One log line per call is right in a function and noise in a table."""
    os.environ["POWERTOOLS_LOG_LEVEL"] = "CRITICAL"
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
    os.environ["POWERTOOLS_SERVICE_NAME"] = "bench"
    os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "Bench"
    logging.disable(logging.CRITICAL)


def add_photo(world: World, account_id: str) -> str:
    """A checked photo of the account, as ingest leaves it; returns its id."""
    now, asset_id = world.clock.now(), world.app.ids.new(assets_store.ASSET_PREFIX)
    key = clean_key(account_id, asset_id, "image.jpg")
    begun = assets_model.begin_upload(
        account_id=account_id,
        asset_id=asset_id,
        filename="us.jpg",
        kind="image",
        mime_type="image/jpeg",
        size_bytes=len(PHOTO_BYTES),
        now=now,
    )
    finding = Finding(
        kind="image",
        mime_type="image/jpeg",
        size_bytes=len(PHOTO_BYTES),
        width=1200,
        height=1600,
        clean_key=key,
        clean_mime_type="image/jpeg",
        thumbnail_key=clean_key(account_id, asset_id, "thumbnail.jpg"),
        etag="e",
    )
    checked = assets_model.accept(begun, finding, now)
    commit([assets_store.create_write(checked, operation=world.app.ids.token())])
    world.app.storage.write(key, PHOTO_BYTES, mime_type="image/jpeg")
    return asset_id


def add_account(world: World, account_id: str, *, credits: int) -> str:
    """An account with bought credits (the signup bonus is on top), on the largest plan; returns its
    photo's id."""
    commit([plan_write(account_id, plan="professional", operation="bench")])
    body_of(
        world.call(
            "POST",
            "/api/credits/purchase",
            {"amount": credits},
            user=account_id,
            key=f"setup-{account_id}",
        )
    )
    return add_photo(world, account_id)


def body_of(response: Response) -> Any:
    """The body of a response that has to be a success."""
    if response.status >= 300:
        raise RuntimeError(f"HTTP {response.status}: {response.body}")
    return response.body
