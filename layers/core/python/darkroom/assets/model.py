"""An asset and how it moves: ``uploading → checking → uploaded | failed``; and reference photos,
the pictures of one person that portraits are made from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from darkroom.kernel.limits import (
    CHECKING_LIMIT_SECONDS,
    FACES_CHECK_SECONDS,
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
    # The storage event may be faster than the client, so an upload may skip the wait.
    AssetStatus.UPLOADING: frozenset({AssetStatus.CHECKING, *FINAL_ASSET}),
    AssetStatus.CHECKING: FINAL_ASSET,
    **{status: frozenset() for status in FINAL_ASSET},
}


class IllegalAssetTransition(ValueError):
    """A bug: code asked for a transition that the table does not allow."""


@dataclass(frozen=True, kw_only=True)
class Asset:
    account_id: str
    asset_id: str
    filename: str
    kind: str
    """``image``, ``video`` or ``audio``, as it was declared and then found."""
    status: AssetStatus
    declared_mime_type: str
    declared_size_bytes: int
    created_at: datetime
    updated_at: datetime
    version: int = 1
    mime_type: str | None = None
    """What the content turned out to be."""
    size_bytes: int | None = None
    """What arrived."""
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    faces: int | None = None
    """How many faces a picture shows; None while nobody could tell."""
    faces_asked: int = 0
    """How often somebody has asked for the count after ingest could not tell."""
    tags: tuple[str, ...] = ()
    folder: str | None = None
    references: int = 0
    """How many active reference photos are made of it."""
    clean_key: str | None = None
    clean_mime_type: str | None = None
    """Of the clean copy: what tasks read and downloads are. Pictures are always JPEG."""
    note: str | None = None
    """What is less than perfect with a usable file: one of ``uploads.failures.UploadNote``."""
    thumbnail_key: str | None = None
    checked_etag: str | None = None
    """ETag of the content that was checked: an asset is validated once per content."""
    error_code: str | None = None
    error_message: str | None = None
    checks: int = 0
    """How often the sweeper has asked for the check."""
    expires_at: datetime | None = None
    """When an unfinished upload is given up."""
    finished_at: datetime | None = None
    next_check_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_ASSET


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the check found in usable content."""

    mime_type: str
    size_bytes: int
    clean_key: str
    clean_mime_type: str
    etag: str
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    faces: int | None = None
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
) -> Asset:
    """A file that is about to be sent; given up when its link has run out."""
    expires_at = now + timedelta(seconds=UPLOAD_URL_SECONDS)
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
        expires_at=expires_at,
        next_check_at=expires_at,
    )


def extend_upload(asset: Asset, now: datetime) -> Asset:
    """New links were handed out: the upload lives as long as they do."""
    expires_at = now + timedelta(seconds=UPLOAD_URL_SECONDS)
    return replace(asset, expires_at=expires_at, next_check_at=expires_at, updated_at=now)


def await_check(asset: Asset, now: datetime) -> Asset:
    """The content is there; whoever checks it has until ``next_check_at``."""
    return replace(
        asset,
        status=_moved(asset, AssetStatus.CHECKING),
        updated_at=now,
        next_check_at=now + timedelta(seconds=CHECKING_LIMIT_SECONDS),
    )


def ask_again(asset: Asset, now: datetime) -> Asset:
    """The check is late and is asked for once more."""
    later = now + timedelta(seconds=CHECKING_LIMIT_SECONDS)
    return replace(asset, checks=asset.checks + 1, next_check_at=later)


def accept(asset: Asset, finding: Finding, now: datetime) -> Asset:
    return replace(
        _finished(asset, AssetStatus.UPLOADED, now),
        mime_type=finding.mime_type,
        size_bytes=finding.size_bytes,
        width=finding.width,
        height=finding.height,
        duration_ms=finding.duration_ms,
        faces=finding.faces,
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
        error_code=code,
        error_message=message,
        checked_etag=etag,
    )


def settle(asset: Asset) -> Asset:
    """All that follows from the final state has been derived again: nobody need look at it."""
    return replace(asset, next_check_at=None)


def describe(asset: Asset, changes: Mapping[str, Any], now: datetime) -> Asset:
    """Named, tagged or filed otherwise; of a final asset, the sweeper derives the lists again."""
    look_again = now + timedelta(seconds=PROJECTION_CHECK_SECONDS)
    return replace(
        asset,
        **changes,
        updated_at=now,
        next_check_at=look_again if asset.is_final else asset.next_check_at,
    )


def ask_for_faces(asset: Asset, now: datetime) -> Asset:
    """The faces of a checked picture are to be counted after all; the stream passes it on."""
    later = now + timedelta(seconds=FACES_CHECK_SECONDS)
    return replace(asset, faces_asked=asset.faces_asked + 1, next_check_at=later)


def count_faces(asset: Asset, faces: int) -> Asset:
    return replace(asset, faces=faces)


def wants_faces(asset: Asset) -> bool:
    """True when the count is missing and somebody has asked for it."""
    return asset.status is AssetStatus.UPLOADED and asset.faces is None and asset.faces_asked > 0


def _finished(asset: Asset, status: AssetStatus, now: datetime) -> Asset:
    return replace(
        asset,
        status=_moved(asset, status),
        updated_at=now,
        finished_at=now,
        expires_at=None,
        # Should the stream lose this change, the sweeper derives what follows from it.
        next_check_at=now + timedelta(seconds=PROJECTION_CHECK_SECONDS),
    )


def _moved(asset: Asset, status: AssetStatus) -> AssetStatus:
    if status not in ASSET_TRANSITIONS[asset.status]:
        raise IllegalAssetTransition(f"asset: {asset.status} → {status}")
    return status
