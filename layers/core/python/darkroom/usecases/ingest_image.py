"""Ingest: look at what arrived, keep a clean copy, and say whether the asset is usable.

Storage events come twice, late, out of order or not at all, and a link can be used again while
it lasts. Whatever comes, one verdict is saved, once; the rest is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.adapters.storage import ObjectFacts, clean_key, quarantine_key
from darkroom.assets import model
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, Finding
from darkroom.bootstrap import App
from darkroom.db import commit
from darkroom.kernel.errors import NotFound, Unavailable
from darkroom.uploads.failures import UploadFailure, failure_of, message_of
from darkroom.uploads.ports import CheckPicture, CleanPicture, PictureRefused
from darkroom.usecases.plan_job import CLEAN_IMAGE, CLEAN_IMAGE_TYPE
from darkroom.usecases.racing import until_won

THUMBNAIL = "thumbnail.jpg"
READS_LIMIT = 3
UNKNOWN, IGNORED, ABSENT = "unknown", "ignored", "absent"

Verdict = CleanPicture | UploadFailure


@dataclass(frozen=True, kw_only=True)
class _Checked:
    arrived: ObjectFacts
    verdict: Verdict


def ingest_image(app: App, check: CheckPicture, *, account_id: str, asset_id: str) -> str:
    """Check the asset's content, unless that has been done.

    Returns what happened, for the log: ``uploaded``, ``failed``, ``ignored`` (it was final
    before), ``unknown`` (no such asset; the content is deleted) or ``absent`` (no content).

    Raises:
        Unavailable: the content was replaced again and again; nothing has changed.
    """
    checked = _check(app, check, account_id, asset_id)
    if isinstance(checked, str):
        outcome = checked
    else:
        if not isinstance(checked.verdict, UploadFailure):
            _keep(app, account_id, asset_id, checked.verdict)
        outcome = _conclude(app, account_id, asset_id, checked)
    if outcome == UNKNOWN:
        # An aborted upload: a check that was under way may have left its copies.
        for name in (CLEAN_IMAGE, THUMBNAIL):
            app.storage.delete(clean_key(account_id, asset_id, name))
    if outcome != ABSENT:
        app.storage.delete(quarantine_key(account_id, asset_id))
    return outcome


def _check(app: App, check: CheckPicture, account_id: str, asset_id: str) -> _Checked | str:
    """The verdict on content that is still there after it was reached, or why there is none.

    A copy of other content must never stand beside the facts of the checked one, so content
    that was replaced meanwhile is read again.
    """
    key = quarantine_key(account_id, asset_id)
    for _ in range(READS_LIMIT):
        asset = assets_store.find_asset(account_id, asset_id)
        if asset is None:
            return UNKNOWN
        if asset.is_final:
            return IGNORED
        arrived = app.storage.find(key)
        if arrived is None:
            return ABSENT
        verdict = _examine(app, check, asset, arrived)
        if app.storage.find(key) == arrived:
            return _Checked(arrived=arrived, verdict=verdict)
    raise Unavailable("the content keeps changing")


def _examine(app: App, check: CheckPicture, asset: Asset, arrived: ObjectFacts) -> Verdict:
    if arrived.size_bytes == 0:
        return UploadFailure.CORRUPT_FILE
    # The link is signed for the declared length, but not every storage holds clients to it.
    if arrived.size_bytes > asset.declared_size_bytes:
        return UploadFailure.FILE_TOO_LARGE
    if arrived.size_bytes < asset.declared_size_bytes:
        return UploadFailure.UPLOAD_INCOMPLETE
    key = quarantine_key(asset.account_id, asset.asset_id)
    try:
        return check(app.storage.read(key, limit_bytes=asset.declared_size_bytes))
    except NotFound:
        # Gone since the last line: the look that follows sees it, and starts over.
        return UploadFailure.UPLOAD_INCOMPLETE
    except PictureRefused as error:
        return failure_of(error.error_code)


def _keep(app: App, account_id: str, asset_id: str, picture: CleanPicture) -> None:
    """Before the verdict is saved: an asset that is ``uploaded`` has its files."""
    copies = {CLEAN_IMAGE: picture.jpeg_bytes, THUMBNAIL: picture.thumbnail_jpeg}
    for name, body in copies.items():
        key = clean_key(account_id, asset_id, name)
        app.storage.write(key, body, mime_type=CLEAN_IMAGE_TYPE)


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
    finding = Finding(
        mime_type=verdict.source_mime_type,
        size_bytes=checked.arrived.size_bytes,
        width=verdict.width,
        height=verdict.height,
        clean_key=clean_key(asset.account_id, asset.asset_id, CLEAN_IMAGE),
        thumbnail_key=clean_key(asset.account_id, asset.asset_id, THUMBNAIL),
        etag=checked.arrived.etag,
    )
    return model.accept(asset, finding, now)
