"""Assets and their states, ``uploading → checking → uploaded | failed``, and reference photos: the
pictures of one person that portraits are made from. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from darkroom.kernel.faces import FaceBox, largest
from darkroom.kernel.limits import (
    CHECKED_BYTES_PER_SECOND,
    CHECKING_LIMIT_SECONDS,
    FACES_CHECK_SECONDS,
    MULTIPART_LIMIT_SECONDS,
    MULTIPART_SECONDS,
    PROJECTION_CHECK_SECONDS,
    UPLOAD_URL_SECONDS,
)


class AssetStatus(StrEnum):
    UPLOADING = "uploading"
    CHECKING = "checking"
    UPLOADED = "uploaded"
    FAILED = "failed"


FINAL_ASSET = frozenset({AssetStatus.UPLOADED, AssetStatus.FAILED})

ASSET_TRANSITIONS: dict[AssetStatus, frozenset[AssetStatus]] = {
    # The storage event may come before the client's request, so an upload may skip ``checking``.
    AssetStatus.UPLOADING: frozenset({AssetStatus.CHECKING, *FINAL_ASSET}),
    AssetStatus.CHECKING: FINAL_ASSET,
    **{status: frozenset() for status in FINAL_ASSET},
}


class IllegalAssetTransition(ValueError):
    """A bug: the code tried a transition that the table does not allow."""


@dataclass(frozen=True, kw_only=True)
class Asset:
    account_id: str
    asset_id: str
    filename: str
    kind: str
    """``image``, ``video`` or ``audio``: as declared, and after the check as found."""
    status: AssetStatus
    declared_mime_type: str
    declared_size_bytes: int
    created_at: datetime
    updated_at: datetime
    version: int = 1
    upload_id: str | None = None
    """The storage's id of its multipart upload; None for a single PUT."""
    part_size_bytes: int | None = None
    owner_tag: str | None = None
    """The account's tag in its object keys; None if they contain the account id itself."""
    counted_bytes: int = 0
    """Its share of the account's counters, which change only together with it."""
    counted_uploads: int = 0
    mime_type: str | None = None
    """The type of the content, as found."""
    size_bytes: int | None = None
    """The size of the content, as found."""
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    faces: int | None = None
    """The number of faces in a picture; None while it is unknown."""
    face_boxes: tuple[FaceBox, ...] = ()
    """The boxes of the largest faces. Pictures of earlier versions have none."""
    face_counts_requested: int = 0
    """How often a count was requested after the detector was unavailable at ingest."""
    tags: tuple[str, ...] = ()
    folder: str | None = None
    references: int = 0
    """The number of active reference photos that use it."""
    clean_key: str | None = None
    clean_mime_type: str | None = None
    """The type of the clean copy, which tasks read and users download. Pictures are always JPEG."""
    note: str | None = None
    """A limitation of a usable file: one of ``uploads.failures.UploadNote``."""
    thumbnail_key: str | None = None
    made_from: str | None = None
    """The job output that it was made from; None for an upload."""
    generation_prompt: str | None = None
    """The user prompt of that job."""
    checked_etag: str | None = None
    """ETag of the content that was checked: an asset is validated once per content."""
    error_code: str | None = None
    error_message: str | None = None
    checks: int = 0
    """How often the sweeper has requested the check."""
    expires_at: datetime | None = None
    """When an unfinished upload expires."""
    finished_at: datetime | None = None
    next_check_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_ASSET

    @property
    def owner(self) -> str:
        """The second part of its object keys."""
        return self.owner_tag or self.account_id

    @property
    def is_ai_generated(self) -> bool:
        return self.made_from is not None


@dataclass(frozen=True, kw_only=True)
class DamagedAsset:
    """What is readable of a damaged asset: enough to delete it."""

    account_id: str
    asset_id: str
    version: int | None
    """None if it is unreadable."""
    upload_id: str | None = None
    owner_tag: str | None = None
    is_owner_tag_lost: bool = False
    """Whether it had a tag, which is unreadable."""
    made_from: str | None = None
    counted_bytes: int = 0
    counted_uploads: int = 0
    """Of the counters, a share that is unreadable or impossible counts as zero: it is not known."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The check's result for usable content."""

    kind: str
    mime_type: str
    size_bytes: int
    clean_key: str
    clean_mime_type: str
    etag: str
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    faces: tuple[FaceBox, ...] | None = None
    thumbnail_key: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReferencePhoto:
    """A checked picture of exactly one person, in a role. Never removed, only set inactive."""

    account_id: str
    reference_photo_id: str
    asset_id: str
    role: str
    is_active: bool
    created_at: datetime
    clean_key: str
    mime_type: str
    """Of the clean copy."""
    filename: str = ""
    """The name of the asset when it was registered. Photos of earlier versions have none."""
    thumbnail_key: str | None = None
    face: FaceBox | None = None
    """Where the person's face is; None where that was not kept."""
    version: int = 1


def begin_upload(
    *,
    account_id: str,
    asset_id: str,
    filename: str,
    kind: str,
    mime_type: str,
    size_bytes: int,
    now: datetime,
    owner_tag: str | None = None,
    upload_id: str | None = None,
    part_size_bytes: int | None = None,
) -> Asset:
    """A new upload, which expires with its link.

    A multipart upload expires later, so that a client can be suspended without losing parts.
    """
    seconds = UPLOAD_URL_SECONDS if upload_id is None else MULTIPART_SECONDS
    expires_at = now + timedelta(seconds=seconds)
    return Asset(
        account_id=account_id,
        asset_id=asset_id,
        filename=filename,
        kind=kind,
        status=AssetStatus.UPLOADING,
        declared_mime_type=mime_type,
        declared_size_bytes=size_bytes,
        created_at=now,
        updated_at=now,
        upload_id=upload_id,
        part_size_bytes=part_size_bytes,
        owner_tag=owner_tag,
        counted_bytes=size_bytes,
        counted_uploads=1,
        expires_at=expires_at,
        next_check_at=expires_at,
    )


def made_picture(
    *,
    account_id: str,
    asset_id: str,
    made_from: str,
    prompt: str,
    filename: str,
    mime_type: str,
    size_bytes: int,
    width: int | None,
    height: int | None,
    clean_key: str,
    thumbnail_key: str,
    owner_tag: str | None,
    at: datetime,
) -> Asset:
    """A picture that a job made, as an asset that needs no check.

    ``thumbnail_key`` is ``clean_key`` for a picture without a small one, which is shown itself.
    """
    return Asset(
        account_id=account_id,
        asset_id=asset_id,
        filename=filename,
        kind="image",
        status=AssetStatus.UPLOADED,
        declared_mime_type=mime_type,
        declared_size_bytes=size_bytes,
        created_at=at,
        updated_at=at,
        mime_type=mime_type,
        size_bytes=size_bytes,
        owner_tag=owner_tag,
        counted_bytes=size_bytes,
        width=width,
        height=height,
        clean_key=clean_key,
        clean_mime_type=mime_type,
        thumbnail_key=thumbnail_key,
        made_from=made_from,
        generation_prompt=prompt,
        finished_at=at,
        next_check_at=at + timedelta(seconds=PROJECTION_CHECK_SECONDS),
    )


def extend_upload(asset: Asset, now: datetime) -> Asset:
    """Extend an upload after new links were issued, to at least their expiry.

    A multipart upload lasts longer, but not forever: the bucket's lifecycle rule ends it.
    """
    expires_at = now + timedelta(seconds=UPLOAD_URL_SECONDS)
    if asset.upload_id is not None:
        latest = asset.created_at + timedelta(seconds=MULTIPART_LIMIT_SECONDS)
        expires_at = min(now + timedelta(seconds=MULTIPART_SECONDS), latest)
    return replace(asset, expires_at=expires_at, next_check_at=expires_at, updated_at=now)


def await_check(asset: Asset, now: datetime) -> Asset:
    """Wait for the check of content that has arrived; the check is due by ``next_check_at``."""
    return replace(
        asset,
        status=_moved(asset, AssetStatus.CHECKING),
        updated_at=now,
        next_check_at=now + timedelta(seconds=_check_seconds(asset)),
    )


def _check_seconds(asset: Asset) -> int:
    """The time limit of a check, which includes the copy of a large file."""
    return CHECKING_LIMIT_SECONDS + asset.declared_size_bytes // CHECKED_BYTES_PER_SECOND


def ask_again(asset: Asset, now: datetime) -> Asset:
    """Request a late check once more."""
    later = now + timedelta(seconds=_check_seconds(asset))
    return replace(asset, checks=asset.checks + 1, next_check_at=later)


def accept(asset: Asset, finding: Finding, now: datetime) -> Asset:
    return replace(
        _finished(asset, AssetStatus.UPLOADED, now),
        kind=finding.kind,
        mime_type=finding.mime_type,
        size_bytes=finding.size_bytes,
        counted_bytes=finding.size_bytes,
        width=finding.width,
        height=finding.height,
        duration_ms=finding.duration_ms,
        **_faces(finding.faces),
        clean_key=finding.clean_key,
        clean_mime_type=finding.clean_mime_type,
        note=finding.note,
        thumbnail_key=finding.thumbnail_key,
        checked_etag=finding.etag,
    )


def refuse(
    asset: Asset, *, code: str, message: str, now: datetime, etag: str | None = None
) -> Asset:
    return replace(
        _finished(asset, AssetStatus.FAILED, now),
        counted_bytes=0,
        error_code=code,
        error_message=message,
        checked_etag=etag,
    )


def settle(asset: Asset, *, check_at: datetime | None = None) -> Asset:
    """End the sweeper's checks, because the projections of the final state were derived again; or
    make the next one due when the file may be too old."""
    return replace(asset, next_check_at=check_at)


def describe(asset: Asset, changes: Mapping[str, Any], now: datetime) -> Asset:
    """Change name, tags or folder; for a final asset, the sweeper derives the lists again."""
    poll_again = now + timedelta(seconds=PROJECTION_CHECK_SECONDS)
    return replace(
        asset,
        **changes,
        updated_at=now,
        next_check_at=poll_again if asset.is_final else asset.next_check_at,
    )


def ask_for_faces(asset: Asset, now: datetime) -> Asset:
    """Request a count of the faces in a checked picture; the stream sends the message."""
    later = now + timedelta(seconds=FACES_CHECK_SECONDS)
    return replace(
        asset, face_counts_requested=asset.face_counts_requested + 1, next_check_at=later
    )


def count_faces(asset: Asset, faces: Sequence[FaceBox]) -> Asset:
    return replace(asset, **_faces(faces))


def _faces(found: Sequence[FaceBox] | None) -> dict[str, Any]:
    if found is None:
        return {"faces": None, "face_boxes": ()}
    return {"faces": len(found), "face_boxes": largest(found)}


def wants_faces(asset: Asset) -> bool:
    """Whether the count is missing and was requested."""
    return (
        asset.status is AssetStatus.UPLOADED
        and asset.faces is None
        and asset.face_counts_requested > 0
    )


def _finished(asset: Asset, status: AssetStatus, now: datetime) -> Asset:
    return replace(
        asset,
        status=_moved(asset, status),
        updated_at=now,
        finished_at=now,
        expires_at=None,
        counted_uploads=0,
        # If the stream loses this change, the sweeper runs its projections.
        next_check_at=now + timedelta(seconds=PROJECTION_CHECK_SECONDS),
    )


def _moved(asset: Asset, status: AssetStatus) -> AssetStatus:
    if status not in ASSET_TRANSITIONS[asset.status]:
        raise IllegalAssetTransition(f"asset: {asset.status} → {status}")
    return status
