"""Storage events and the sweeper's reminders → checks of uploads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from time import perf_counter
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.metrics import MetricUnit

from darkroom.adapters.storage import quarantine_key
from darkroom.assets.store import ASSET_PREFIX
from darkroom.bootstrap import App
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.ids import is_id
from darkroom.uploads.ports import CheckPicture, CleanPicture, PictureRefused
from darkroom.usecases.ingest_image import ingest_image
from darkroom.workers.edge import logger, metrics, read_message

QUARANTINE = "quarantine/"
_CREATED = "ObjectCreated:"


def handle_ingest_message(
    app: App, record: Mapping[str, Any], *, check: CheckPicture | None = None
) -> str:
    """Check what the message tells of; returns what came of it.

    Raises:
        InvalidInput: the message is neither a storage event nor one of ours.
    """
    outcomes = []
    for key in _keys_of(record):
        owner = _owner_of(key)
        if owner is None:
            outcomes.append(_discard(app, key))
            continue
        account_id, asset_id = owner
        logger.append_keys(account_id=account_id, asset_id=asset_id)
        started = perf_counter()
        outcome = ingest_image(
            app, check or check_picture, account_id=account_id, asset_id=asset_id
        )
        took = round((perf_counter() - started) * 1000)
        metrics.add_metric(name="IngestMilliseconds", unit=MetricUnit.Milliseconds, value=took)
        logger.info("ingest", outcome=outcome, took_ms=took)
        outcomes.append(outcome)
    return " ".join(outcomes) or "nothing"


def assets_of(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The assets (account id, asset id) that an ingest message is about.

    Raises:
        InvalidInput: the message is neither a storage event nor one of ours.
    """
    owners = (_owner_of(key) for key in _keys_of(record))
    return [owner for owner in owners if owner is not None]


def check_picture(content: bytes, /) -> CleanPicture:
    """The studio's check; Pillow is loaded with the first picture, and only in this worker."""
    from darkroom.generation.providers.local.images import ImageRejected, inspect_and_clean

    try:
        return inspect_and_clean(content)
    except ImageRejected as error:
        raise PictureRefused(error.detail, code=error.error_code) from error


def _keys_of(record: Mapping[str, Any]) -> list[str]:
    """The storage keys a message is about: of an S3 notification, or of our own message."""
    try:
        body = json.loads(record["body"])
    except ValueError as error:
        raise InvalidInput("the message is not JSON") from error
    if isinstance(body, dict) and body.get("Event") == "s3:TestEvent":
        return []
    if isinstance(body, dict) and "Records" in body:
        return _created_keys(body["Records"])
    message = read_message(record)
    account_id, asset_id = message.get("accountId"), message.get("assetId")
    if not (isinstance(account_id, str) and isinstance(asset_id, str)):
        raise InvalidInput("the message names no asset")
    return [quarantine_key(account_id, asset_id)]


def _created_keys(notices: Any) -> list[str]:
    """Keys of created objects. S3 encodes them as form values: a space comes as ``+``."""
    try:
        return [
            unquote_plus(notice["s3"]["object"]["key"])
            for notice in notices
            if notice["eventName"].removeprefix("s3:").startswith(_CREATED)
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise InvalidInput("not a storage event") from error


def _owner_of(key: str) -> tuple[str, str] | None:
    """Account and asset of a key that the server made, else None."""
    account_id, _, asset_id = key.removeprefix(QUARANTINE).rpartition("/")
    made_here = key == quarantine_key(account_id, asset_id)
    if not made_here or not account_id or not is_id(asset_id, ASSET_PREFIX):
        return None
    return account_id, asset_id


def _discard(app: App, key: str) -> str:
    """Nobody was given this key. Only quarantine is ours to empty."""
    if not key.startswith(QUARANTINE):
        return "foreign"
    logger.warning("unknown_upload_key", key=key)
    app.storage.delete(key)
    return "discarded"
