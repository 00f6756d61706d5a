"""An account's files and uploads, as the API shows them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, get_args

from pydantic import Field

from darkroom.adapters.storage import SignedLink
from darkroom.assets import store
from darkroom.assets.model import Asset, AssetStatus
from darkroom.bootstrap.composition import App
from darkroom.jobs import store as jobs_store
from darkroom.jobs.lists import pages as listing
from darkroom.kernel.clock import to_iso
from darkroom.kernel.media_types import VIDEO, MediaKind, suffixes_of
from darkroom.uploads.failures import UploadFailure, UploadNote, failure_of, message_of
from darkroom.uploads.parts import part_length
from darkroom.usecases.uploads.create_upload import key_of, parts_of
from darkroom.views import asset_lists
from darkroom.views.asset_lists import AssetFilters
from darkroom.views.base import (
    AssetId,
    Count,
    DurationMs,
    JobId,
    Link,
    LinksEnd,
    MimeType,
    NextCursor,
    Omittable,
    PictureLink,
    Pixels,
    ResponseBody,
    SizeBytes,
    Timestamp,
    Words,
    described,
)
from darkroom.views.links import expiry, picture_link
from darkroom.views.words import JobState

_JPEG = "image/jpeg"


AssetStatusWord = Annotated[
    str,
    Words("AssetStatus", lambda: AssetStatus),
    described(
        "`uploading`: the content has not arrived. `checking`: it is being checked. `uploaded`: it "
        "can be used. `failed`: it cannot, and `errorCode` says why."
    ),
]
AssetKindWord = Annotated[
    str,
    Words("AssetKind", lambda: get_args(MediaKind)),
    described("Kind of the file: as declared, and after the check as found."),
]
FileName = Annotated[str, described("Name of the file.", "first-date.jpg")]
PartSize = Annotated[
    SizeBytes,
    described("Bytes of each part but the last, which has the rest.", 16777216, minimum=1),
]
PartNumberShown = Annotated[int, described("Number of the part, from 1.", 1, minimum=1)]


class LatestJob(ResponseBody):
    job_id: JobId
    status: JobState


class AssetResponse(ResponseBody):
    """``downloadUrl`` leads to the clean copy.

    ``faces`` is missing until faces have been counted. ``note`` names a flaw of a file that is
    usable all the same: ``NO_THUMBNAIL``, ``METADATA_KEPT`` or ``TRACKS_LEFT_OUT``.
    """

    asset_id: AssetId
    filename: FileName
    kind: AssetKindWord
    status: AssetStatusWord
    mime_type: Annotated[
        MimeType,
        described("Media type: as declared, and after the check as found.", "image/jpeg"),
    ]
    size_bytes: Annotated[
        SizeBytes, described("Size in bytes: as declared, and after the check as found.", 3821904)
    ]
    width: Annotated[
        Omittable[Pixels], described("Width in pixels; absent for sound and before the check.")
    ] = None
    height: Annotated[
        Omittable[Pixels],
        described("Height in pixels; absent for sound and before the check.", 1440),
    ] = None
    duration_ms: Annotated[
        Omittable[DurationMs],
        described("Duration in milliseconds; absent for pictures and before the check.", 61240),
    ] = None
    faces: Annotated[
        Omittable[Count],
        described("Number of faces in a picture; absent until they have been counted.", 1),
    ] = None
    thumbnail_url: Annotated[
        Omittable[Link], described("Signed link to a small picture; absent before the check.")
    ] = None
    poster_url: Omittable[PictureLink] = Field(
        default=None,
        description="Of a video, the same as `thumbnailUrl`: a signed link to one frame.",
    )
    download_url: Annotated[
        Omittable[Link], described("Signed link to the clean copy; absent before the check.")
    ] = None
    expires_at: Omittable[LinksEnd] = None
    is_ai_generated: Annotated[bool, described("Whether a job made it.")]
    generation_prompt: Annotated[
        Omittable[str],
        described("The prompt that it was made from; absent for uploads.", "A cat on a red sofa"),
    ] = None
    tags: Annotated[list[str], described("The user's tags.", ["summer"])]
    folder: Annotated[
        Omittable[str], described("The user's folder; absent if it is in none.", "Holidays")
    ] = None
    note: Annotated[
        Omittable[str],
        Words("AssetNote", lambda: UploadNote),
        described(
            "A flaw of a usable file. `NO_THUMBNAIL`: its thumbnail is a placeholder. "
            "`METADATA_KEPT`: its copy may have places, dates and names that a camera wrote. "
            "`TRACKS_LEFT_OUT`: its copy lacks a track that cannot be used."
        ),
    ] = None
    error_code: Annotated[
        Omittable[str],
        Words("AssetErrorCode", lambda: UploadFailure),
        described("Why the upload failed; absent unless it did."),
    ] = None
    error_message: Annotated[
        Omittable[str],
        described(
            "The same as a sentence for the user, in the language of `Accept-Language`.",
            "The file is damaged. Please upload it again.",
        ),
    ] = None
    created_at: Annotated[Timestamp, described("When the upload was opened, or it was made.")]
    updated_at: Annotated[Timestamp, described("When it last changed.")]
    latest_job: Annotated[
        Omittable[LatestJob],
        described("The newest job that uses it; absent if none does."),
    ] = None


class AssetPage(ResponseBody):
    items: Annotated[list[AssetResponse], described("Files in the order of `sort`.")]
    next_cursor: NextCursor


class ArrivedPart(ResponseBody):
    """After the parts have been joined, ``etag`` is that of the file."""

    part_number: PartNumberShown
    size_bytes: Annotated[SizeBytes, described("Size of the part in bytes.", 16777216)]
    etag: Annotated[
        str,
        described(
            "ETag of the part as the storage reported it; once the parts are joined, that of the "
            "file.",
            "9b2cf535f27731c974343645a3985328",
        ),
    ]


class UploadResponse(ResponseBody):
    asset_id: AssetId
    status: AssetStatusWord
    part_size: PartSize
    parts: Annotated[list[ArrivedPart], described("The parts that have arrived, by number.")]


def list_assets(
    app: App,
    account_id: str,
    filters: AssetFilters,
    *,
    limit: int,
    after: str | None,
    language: str,
) -> tuple[list[AssetResponse], str | None]:
    """A page of the account's assets, and where the next page starts."""
    assets, position = asset_lists.list_assets(account_id, filters, limit=limit, after=after)
    items = [asset_with_job(app, asset, language=language) for asset in assets]
    return items, position


def asset_with_job(app: App, asset: Asset, *, language: str) -> AssetResponse:
    """An asset with the newest job that uses it; the index of jobs lags by a moment."""
    detail = asset_detail(app, asset, language=language)
    detail.latest_job = _latest_job(asset)
    return detail


def asset_detail(app: App, asset: Asset, *, language: str) -> AssetResponse:
    """An asset; until it has been checked, with its declared type and size."""
    small = None
    if asset.thumbnail_key is not None:
        small = picture_link(app, asset.thumbnail_key, stem=PurePosixPath(asset.filename).stem)
    copy = _copy_link(app, asset)
    return AssetResponse(
        asset_id=asset.asset_id,
        filename=asset.filename,
        kind=asset.kind,
        status=asset.status.value,
        mime_type=asset.mime_type or asset.declared_mime_type,
        size_bytes=asset.declared_size_bytes if asset.size_bytes is None else asset.size_bytes,
        width=asset.width,
        height=asset.height,
        duration_ms=asset.duration_ms,
        faces=asset.faces,
        thumbnail_url=small.url if small else None,
        poster_url=small.url if small and asset.kind == VIDEO else None,
        download_url=copy.url if copy else None,
        expires_at=expiry(copy or small),
        is_ai_generated=asset.is_ai_generated,
        generation_prompt=asset.generation_prompt,
        tags=list(asset.tags),
        folder=asset.folder,
        note=asset.note if asset.note in set(UploadNote) else None,
        error_code=None if asset.error_code is None else failure_of(asset.error_code),
        error_message=_error_message(asset, language),
        created_at=to_iso(asset.created_at),
        updated_at=to_iso(asset.updated_at),
    )


def get_upload(app: App, account_id: str, asset_id: str) -> UploadResponse:
    """The parts of an upload that have arrived.

    Raises:
        NotFound: missing, or another account's.
    """
    asset = store.get_asset(account_id, asset_id)
    parts = _sent_parts(app, asset)
    if not asset.is_final and not parts:
        # The check may have just deleted the file from quarantine; it saves its result first.
        asset = store.get_asset(account_id, asset_id)
    if asset.status is AssetStatus.UPLOADED:
        parts = _whole(asset, asset.checked_etag or "")
    return UploadResponse(
        asset_id=asset.asset_id,
        status=asset.status.value,
        part_size=asset.part_size_bytes or asset.declared_size_bytes,
        parts=parts,
    )


def _sent_parts(app: App, asset: Asset) -> list[ArrivedPart]:
    """The parts in quarantine, also after they have been joined to one file."""
    if asset.is_final:
        return []
    key = key_of(asset)
    if asset.upload_id is not None:
        parts = app.storage.list_parts(key, asset.upload_id)
        if parts is not None:
            return [_part(part.part_number, part.size_bytes, part.etag) for part in parts]
    arrived = app.storage.find(key)
    if arrived is None:
        return []
    if arrived.size_bytes != asset.declared_size_bytes:
        return [_part(1, arrived.size_bytes, arrived.etag)]
    return _whole(asset, arrived.etag)


def _whole(asset: Asset, etag: str) -> list[ArrivedPart]:
    size_bytes = asset.declared_size_bytes
    part_size_bytes = asset.part_size_bytes or size_bytes
    return [
        _part(number, part_length(size_bytes, part_size_bytes, number), etag)
        for number in range(1, parts_of(asset) + 1)
    ]


def _part(number: int, size_bytes: int, etag: str) -> ArrivedPart:
    return ArrivedPart(part_number=number, size_bytes=size_bytes, etag=etag)


def _copy_link(app: App, asset: Asset) -> SignedLink | None:
    if asset.clean_key is None:
        return None
    mime_type = asset.clean_mime_type or _JPEG
    name, suffixes = PurePosixPath(asset.filename), suffixes_of(mime_type)
    # The clean copy may have another type than the uploaded file.
    file_name = name.name if name.suffix.lower() in suffixes else f"{name.stem}{suffixes[0]}"
    return app.storage.download_link(asset.clean_key, file_name=file_name, mime_type=mime_type)


def _latest_job(asset: Asset) -> LatestJob | None:
    if asset.status is not AssetStatus.UPLOADED:
        return None
    for job_id in listing.list_jobs_of_file(asset.account_id, asset.asset_id, limit=1):
        job = jobs_store.find_job(job_id)
        if job is not None:
            return LatestJob(job_id=job.job_id, status=job.status.value)
    return None


def _error_message(asset: Asset, language: str) -> str | None:
    """In the language of the caller; the stored message is English."""
    if asset.error_code is None:
        return None
    if language == "en":
        return asset.error_message
    return message_of(failure_of(asset.error_code), language)
