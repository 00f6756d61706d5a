"""Ingest an upload: check its content, keep a clean copy, and save whether it is usable.

Storage events come twice, late, out of order or not at all, and a link can be used again until it
expires. In all cases, one result is saved, once; other content is deleted.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from darkroom.adapters.storage import ObjectFacts
from darkroom.assets import model
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, Finding
from darkroom.bootstrap.composition import App
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import NotFound, Unavailable
from darkroom.kernel.limits import REWRITE_LIMIT_BYTES
from darkroom.kernel.object_keys import (
    IMAGE_PIPELINE,
    MEDIA_PIPELINE,
    clean_key,
    pipeline_of,
    quarantine_key,
)
from darkroom.uploads.failures import UploadFailure, failure_of, message_of
from darkroom.uploads.ports import CheckUpload, CleanUpload, ProbeUpload, UploadRefused
from darkroom.usecases.limits.limit_uploads import commit_ingested
from darkroom.usecases.uploads.count_storage import counted_writes

READS_LIMIT = 3
UNKNOWN, IGNORED, ABSENT, STRAY = "unknown", "ignored", "absent", "stray"
# Every file name that a check may write, and that the check of an aborted upload may have left.
CLEAN_NAMES = {
    IMAGE_PIPELINE: ("image.jpg", "thumbnail.jpg"),
    MEDIA_PIPELINE: (
        "media.mp4",
        "media.mov",
        "media.webm",
        "media.weba",
        "media.mp3",
        "media.wav",
        "media.m4a",
        "media.aac",
        "thumbnail.jpg",
    ),
}

Verdict = CleanUpload | UploadFailure


@dataclass(frozen=True, kw_only=True)
class _Checked:
    arrived: ObjectFacts
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class _Checks:
    check: CheckUpload
    probe: ProbeUpload | None


def ingest_upload(
    app: App,
    check: CheckUpload,
    *,
    pipeline: str,
    account_id: str,
    asset_id: str,
    owner: str | None = None,
    probe: ProbeUpload | None = None,
) -> str:
    """Check the asset's content, unless that was done already.

    A file too large to be fetched and remuxed is inspected in the bucket (``probe``), and
    its copy is made within the storage. ``owner`` is that of the key that a storage event named.

    Returns what happened, for the log: ``uploaded``, ``failed``, ``ignored`` (it was final
    before), ``unknown`` (no such asset; the content is deleted), ``stray`` (the content
    is under another key than the asset's, and deleted) or ``absent`` (no content).

    Raises:
        Unavailable: the content was replaced again and again; nothing has changed.
    """
    owner = owner or _owner_of(account_id, asset_id)
    with tempfile.TemporaryDirectory(prefix="ingest-") as folder:
        checks = _Checks(check=check, probe=probe)
        checked = _check(
            app,
            checks,
            place=(pipeline, owner),
            account_id=account_id,
            asset_id=asset_id,
            folder=Path(folder),
        )
        if isinstance(checked, str):
            outcome = checked
        else:
            _keep(app, pipeline, owner=owner, asset_id=asset_id, checked=checked)
            outcome = _conclude(app, account_id, asset_id, checked)
    if outcome == UNKNOWN:
        # The upload was aborted, and a check that was running may have left its copies.
        for name in CLEAN_NAMES[pipeline]:
            app.storage.delete(clean_key(owner, asset_id, name))
    if outcome != ABSENT:
        app.storage.delete(quarantine_key(pipeline, owner, asset_id))
    return outcome


def _owner_of(account_id: str, asset_id: str) -> str:
    known = assets_store.find_asset(account_id, asset_id)
    known_or_deleted = known or assets_store.find_tombstone(account_id, asset_id)
    return known_or_deleted.owner if known_or_deleted is not None else account_id


def _check(
    app: App,
    checks: _Checks,
    *,
    place: tuple[str, str],
    account_id: str,
    asset_id: str,
    folder: Path,
) -> _Checked | str:
    """The result for content that did not change during the check, or why there is none.

    The copy and the facts must be of the same content, so content that was replaced during the
    check is read again.
    """
    key = quarantine_key(*place, asset_id)
    for number in range(READS_LIMIT):
        asset = assets_store.find_asset(account_id, asset_id)
        if asset is None:
            return UNKNOWN
        if (pipeline_of(asset.kind), asset.owner) != place:
            return STRAY
        if asset.is_final:
            return IGNORED
        arrived = app.storage.find(key)
        if arrived is None:
            return ABSENT
        workdir = folder / str(number)
        workdir.mkdir()
        verdict = _examine(app, checks, asset, arrived=arrived, workdir=workdir)
        if app.storage.find(key) == arrived:
            return _Checked(arrived=arrived, verdict=verdict)
        # The disk has space for one file at a time.
        shutil.rmtree(workdir)
    raise Unavailable("the content keeps changing")


def _examine(
    app: App, checks: _Checks, asset: Asset, *, arrived: ObjectFacts, workdir: Path
) -> Verdict:
    if arrived.size_bytes == 0:
        return UploadFailure.CORRUPT_FILE
    # The link is signed for the declared length, but not every storage enforces it.
    if arrived.size_bytes > asset.declared_size_bytes:
        return UploadFailure.FILE_TOO_LARGE
    if arrived.size_bytes < asset.declared_size_bytes:
        return UploadFailure.UPLOAD_INCOMPLETE
    key = quarantine_key(pipeline_of(asset.kind), asset.owner, asset.asset_id)
    source = workdir / "source"
    try:
        if arrived.size_bytes <= REWRITE_LIMIT_BYTES:
            app.storage.download(key, source, limit_bytes=asset.declared_size_bytes)
            found = checks.check(source, workdir)
        elif checks.probe is not None:
            found = checks.probe(app.storage.source_url(key), arrived.size_bytes, workdir)
        else:
            return UploadFailure.FILE_TOO_LARGE
    except NotFound:
        # The content was deleted just now: the next comparison finds that, and starts over.
        return UploadFailure.UPLOAD_INCOMPLETE
    except UploadRefused as error:
        return failure_of(error.error_code)
    # One container format serves videos and sounds, and devices confuse the two: the content
    # decides. A picture has another worker and other limits.
    return (
        found if pipeline_of(found.kind) == pipeline_of(asset.kind) else UploadFailure.TYPE_MISMATCH
    )


def _keep(app: App, pipeline: str, *, owner: str, asset_id: str, checked: _Checked) -> None:
    """Store the clean files before the result is saved: an ``uploaded`` asset has its files.

    Raises:
        Unavailable: the checked content was deleted meanwhile; the next check finds out why.
    """
    found = checked.verdict
    if isinstance(found, UploadFailure):
        return
    for file in (found.copy, found.thumbnail):
        if file is None:
            continue
        key = clean_key(owner, asset_id, file.name)
        if file.path is not None:
            app.storage.upload(key, file.path, mime_type=file.mime_type)
            continue
        source = quarantine_key(pipeline, owner, asset_id)
        try:
            app.storage.copy_large(
                source, key, facts=checked.arrived, mime_type=file.mime_type, edits=file.edits
            )
        except NotFound as error:
            raise Unavailable("what was checked is gone") from error


def _conclude(app: App, account_id: str, asset_id: str, checked: _Checked) -> str:
    operation = app.ids.token()

    def attempt() -> str:
        asset = assets_store.find_asset(account_id, asset_id)
        if asset is None:
            return UNKNOWN
        if asset.is_final:
            return IGNORED
        after = _concluded(app, asset, checked)
        writes = counted_writes(asset, after, operation=operation)
        commit_ingested(writes, account_id, duration_ms=after.duration_ms or 0, now=app.clock.now())
        return after.status.value

    return retry_on_conflict(app.jitter, attempt)


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
    owner, thumbnail = (asset.owner, asset.asset_id), verdict.thumbnail
    finding = Finding(
        kind=verdict.kind,
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
