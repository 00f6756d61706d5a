"""Handles storage events and check messages: checks uploads, and counts faces later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.metrics import MetricUnit

from darkroom.assets.store import ASSET_PREFIX
from darkroom.bootstrap.composition import App
from darkroom.kernel.errors import InvalidInput, OwnerUnknown
from darkroom.kernel.ids import is_id
from darkroom.kernel.object_keys import IMAGE_PIPELINE, PIPELINES, is_owner_tag, quarantine_key
from darkroom.uploads.inspection.checks import (
    check_media,
    check_picture,
    faces_in,
    probe_media,
    with_small_pictures,
)
from darkroom.uploads.owner_store import find_owner
from darkroom.uploads.ports import CheckUpload, FindFaces
from darkroom.usecases.assets.count_faces import count_faces
from darkroom.usecases.uploads.ingest_upload import IGNORED, ingest_upload
from darkroom.workers.edge import logger, metrics, read_message

QUARANTINE = "quarantine/"
_CREATED = "ObjectCreated:"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The subject of a message: the upload of one asset."""

    pipeline: str
    account_id: str
    asset_id: str
    owner: str | None = None
    """The owner in the key of a storage event."""


def handle_ingest_message(
    app: App,
    record: Mapping[str, Any],
    *,
    check: CheckUpload | None = None,
    find: FindFaces | None = None,
) -> str:
    """Check the uploads that the message names; returns the outcome.

    Raises:
        InvalidInput: the message is neither a storage event nor one of ours.
    """
    outcomes = []
    for subject in _subjects_of(record):
        if isinstance(subject, str):
            outcomes.append(_discard(app, subject))
        else:
            outcomes.append(_ingest(app, subject, check, find))
    return " ".join(outcomes) or "nothing"


def assets_of(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The assets (account id, asset id) that an ingest message is about.

    Raises:
        InvalidInput: the message is neither a storage event nor one of ours.
    """
    return [
        (subject.account_id, subject.asset_id)
        for subject in _subjects_of(record)
        if isinstance(subject, Subject)
    ]


def _ingest(app: App, subject: Subject, check: CheckUpload | None, find: FindFaces | None) -> str:
    logger.append_keys(account_id=subject.account_id, asset_id=subject.asset_id)
    owner = {"account_id": subject.account_id, "asset_id": subject.asset_id}
    started = perf_counter()
    finder = find or (with_small_pictures(app.face_finder) if app.face_finder else faces_in)
    pictures = partial(check_picture, find=finder)
    standard: CheckUpload = pictures if subject.pipeline == IMAGE_PIPELINE else check_media
    outcome = ingest_upload(
        app,
        check or standard,
        pipeline=subject.pipeline,
        owner=subject.owner,
        probe=probe_media,
        **owner,
    )
    if outcome == IGNORED and subject.pipeline == IMAGE_PIPELINE:
        # The asset was checked already, so the message may be a request to count its faces.
        counted = count_faces(app, finder, **owner)
        outcome = IGNORED if counted == "idle" else counted
    took = round((perf_counter() - started) * 1000)
    metrics.add_metric(name="IngestMilliseconds", unit=MetricUnit.Milliseconds, value=took)
    logger.info("ingest", outcome=outcome, took_ms=took)
    return outcome


def _subjects_of(record: Mapping[str, Any]) -> list[Subject | str]:
    """The uploads that a message names; a key that is not of an upload is returned as it is."""
    try:
        body = json.loads(record["body"])
    except ValueError as error:
        raise InvalidInput("the message is not JSON") from error
    if isinstance(body, dict) and body.get("Event") == "s3:TestEvent":
        return []
    if isinstance(body, dict) and "Records" in body:
        return [_subject_of(key) or key for key in _created_keys(body["Records"])]
    message = read_message(record)
    account_id, asset_id = message.get("accountId"), message.get("assetId")
    pipeline = message.get("lane", IMAGE_PIPELINE)
    if not (isinstance(account_id, str) and isinstance(asset_id, str) and pipeline in PIPELINES):
        raise InvalidInput("the message names no asset")
    return [Subject(pipeline=pipeline, account_id=account_id, asset_id=asset_id)]


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


def _subject_of(key: str) -> Subject | None:
    """The upload of a key that the server made, else None.

    Keys of the previous version contain the account id itself.
    """
    pipeline, _, rest = key.removeprefix(QUARANTINE).partition("/")
    owner, _, asset_id = rest.rpartition("/")
    made_here = pipeline in PIPELINES and key == quarantine_key(pipeline, owner, asset_id)
    if not made_here or not owner or not is_id(asset_id, ASSET_PREFIX):
        return None
    account_id = find_owner(owner)
    if account_id is None and is_owner_tag(owner):
        # The record of this tag is missing, which must not cause a deletion. The message goes to
        # the dead-letter queue, where an operator finds it.
        raise OwnerUnknown(f"no account for the owner tag {owner}")
    account_id = account_id or owner
    return Subject(pipeline=pipeline, account_id=account_id, asset_id=asset_id, owner=owner)


def _discard(app: App, key: str) -> str:
    """Delete an object under a key that the server never issued, if it is in quarantine."""
    if not key.startswith(QUARANTINE):
        return "foreign"
    logger.warning("unknown_upload_key", key=key)
    app.storage.delete(key)
    return "discarded"
