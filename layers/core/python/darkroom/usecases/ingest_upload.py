"""Ingest: look at what arrived, keep a clean copy, and say whether the asset is usable.

Storage events come twice, late, out of order or not at all, and a link can be used again while
it lasts. Whatever comes, one verdict is saved, once; the rest is thrown away.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from darkroom.adapters.storage import (
    IMAGE_LANE,
    MEDIA_LANE,
    ObjectFacts,
    clean_key,
    lane_of,
    quarantine_key,
)
from darkroom.assets import model
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, Finding
from darkroom.bootstrap import App
from darkroom.db import commit
from darkroom.kernel.errors import NotFound, Unavailable
from darkroom.uploads.failures import UploadFailure, failure_of, message_of
from darkroom.uploads.ports import CheckUpload, CleanUpload, UploadRefused
from darkroom.usecases.racing import until_won

READS_LIMIT = 3
UNKNOWN, IGNORED, ABSENT, STRAY = "unknown", "ignored", "absent", "stray"
# Every name a check may give its files: what an aborted upload's check may have left.
CLEAN_NAMES = {
    IMAGE_LANE: ("image.jpg", "thumbnail.jpg"),
    MEDIA_LANE: (
        "media.mp4",
        "media.mov",
        "media.webm",
        "media.mp3",
        "media.wav",
        "media.m4a",
        "thumbnail.jpg",
    ),
}

Verdict = CleanUpload | UploadFailure


@dataclass(frozen=True, kw_only=True)
class _Checked:
    arrived: ObjectFacts
    verdict: Verdict


def ingest_upload(
    app: App, check: CheckUpload, *, lane: str, account_id: str, asset_id: str
) -> str:
    """Check the asset's content, unless that has been done.

    Returns what happened, for the log: ``uploaded``, ``failed``, ``ignored`` (it was final
    before), ``unknown`` (no such asset; the content is deleted), ``stray`` (the asset is of
    another lane; the content is deleted) or ``absent`` (no content).

    Raises:
        Unavailable: the content was replaced again and again; nothing has changed.
    """
    with tempfile.TemporaryDirectory(prefix="ingest-") as folder:
        checked = _check(app, check, lane, account_id, asset_id, Path(folder))
        if isinstance(checked, str):
            outcome = checked
        else:
            if not isinstance(checked.verdict, UploadFailure):
                _keep(app, account_id, asset_id, checked.verdict)
            outcome = _conclude(app, account_id, asset_id, checked)
    if outcome == UNKNOWN:
        # An aborted upload: a check that was under way may have left its copies.
        for name in CLEAN_NAMES[lane]:
            app.storage.delete(clean_key(account_id, asset_id, name))
    if outcome != ABSENT:
        app.storage.delete(quarantine_key(lane, account_id, asset_id))
    return outcome


def _check(
    app: App, check: CheckUpload, lane: str, account_id: str, asset_id: str, folder: Path
) -> _Checked | str:
    """The verdict on content that is still there after it was reached, or why there is none.

    A copy of other content must never stand beside the facts of the checked one, so content
    that was replaced meanwhile is read again.
    """
    key = quarantine_key(lane, account_id, asset_id)
    for number in range(READS_LIMIT):
        asset = assets_store.find_asset(account_id, asset_id)
        if asset is None:
            return UNKNOWN
        if lane_of(asset.kind) != lane:
            return STRAY
        if asset.is_final:
            return IGNORED
        arrived = app.storage.find(key)
        if arrived is None:
            return ABSENT
        workdir = folder / str(number)
        workdir.mkdir()
        verdict = _examine(app, check, asset, arrived, workdir)
        if app.storage.find(key) == arrived:
            return _Checked(arrived=arrived, verdict=verdict)
    raise Unavailable("the content keeps changing")


def _examine(
    app: App, check: CheckUpload, asset: Asset, arrived: ObjectFacts, workdir: Path
) -> Verdict:
    if arrived.size_bytes == 0:
        return UploadFailure.CORRUPT_FILE
    # The link is signed for the declared length, but not every storage holds clients to it.
    if arrived.size_bytes > asset.declared_size_bytes:
        return UploadFailure.FILE_TOO_LARGE
    if arrived.size_bytes < asset.declared_size_bytes:
        return UploadFailure.UPLOAD_INCOMPLETE
    key = quarantine_key(lane_of(asset.kind), asset.account_id, asset.asset_id)
    source = workdir / "source"
    try:
        app.storage.download(key, source, limit_bytes=asset.declared_size_bytes)
        found = check(source, workdir)
    except NotFound:
        # Gone since the last line: the look that follows sees it, and starts over.
        return UploadFailure.UPLOAD_INCOMPLETE
    except UploadRefused as error:
        return failure_of(error.error_code)
    return found if found.kind == asset.kind else UploadFailure.TYPE_MISMATCH


def _keep(app: App, account_id: str, asset_id: str, found: CleanUpload) -> None:
    """Before the verdict is saved: an asset that is ``uploaded`` has its files."""
    for file in (found.copy, found.thumbnail):
        if file is not None:
            key = clean_key(account_id, asset_id, file.name)
            app.storage.upload(key, file.path, mime_type=file.mime_type)


def _conclude(app: App, account_id: str, asset_id: str, checked: _Checked) -> str:
    operation = app.ids.token()

    def attempt() -> str:
        asset = assets_store.find_asset(account_id, asset_id)
        if asset is None:
            return UNKNOWN
        if asset.is_final:
            return IGNORED
        after = _concluded(app, asset, checked)
        commit([assets_store.save_write(asset, after, operation)])
        return after.status.value

    return until_won(app, attempt)


def _concluded(app: App, asset: Asset, checked: _Checked) -> Asset:
    now, verdict = app.clock.now(), checked.verdict
    if isinstance(verdict, UploadFailure):
        return model.refuse(
            asset,
            code=verdict.value,
            message=message_of(verdict),
            now=now,
            etag=checked.arrived.etag,
        )
    owner, thumbnail = (asset.account_id, asset.asset_id), verdict.thumbnail
    finding = Finding(
        mime_type=verdict.mime_type,
        size_bytes=checked.arrived.size_bytes,
        clean_key=clean_key(*owner, verdict.copy.name),
        clean_mime_type=verdict.copy.mime_type,
        etag=checked.arrived.etag,
        width=verdict.width,
        height=verdict.height,
        duration_ms=verdict.duration_ms,
        faces=verdict.faces,
        thumbnail_key=None if thumbnail is None else clean_key(*owner, thumbnail.name),
        note=verdict.note,
    )
    return model.accept(asset, finding, now)
