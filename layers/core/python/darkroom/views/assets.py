"""An account's files and uploads, as the API shows them."""

from __future__ import annotations

from pathlib import PurePosixPath

from pydantic import Field

from darkroom.adapters.storage import SignedLink
from darkroom.assets import store
from darkroom.assets.model import Asset, AssetStatus
from darkroom.bootstrap.composition import App
from darkroom.jobs import store as jobs_store
from darkroom.jobs.lists import pages as listing
from darkroom.kernel.clock import to_iso
from darkroom.kernel.media_types import VIDEO, suffixes_of
from darkroom.uploads.failures import failure_of, message_of
from darkroom.uploads.parts import part_length
from darkroom.usecases.uploads.create_upload import key_of, parts_of
from darkroom.views import asset_lists
from darkroom.views.asset_lists import AssetFilters
from darkroom.views.base import LinksEnd, Omittable, PictureLink, ResponseBody
from darkroom.views.links import expiry, picture_link

_JPEG = "image/jpeg"


class LatestJob(ResponseBody):
    job_id: str
    status: str


class AssetResponse(ResponseBody):
    """``downloadUrl`` leads to the clean copy.

    ``faces`` is missing until faces have been counted. ``note`` names a flaw of a file that is
    usable all the same: ``NO_THUMBNAIL``, ``METADATA_KEPT`` or ``TRACKS_LEFT_OUT``.
    """

    asset_id: str
    filename: str
    kind: str
    status: str
    mime_type: str
    size_bytes: int
    width: Omittable[int] = None
    height: Omittable[int] = None
    duration_ms: Omittable[int] = None
    faces: Omittable[int] = None
    thumbnail_url: Omittable[str] = None
    poster_url: Omittable[PictureLink] = Field(
        None, description="Of a video, the same as `thumbnailUrl`: a signed link to one frame."
    )
    download_url: Omittable[str] = None
    expires_at: Omittable[LinksEnd] = None
    is_ai_generated: bool
    generation_prompt: Omittable[str] = None
    tags: list[str]
    folder: Omittable[str] = None
    note: Omittable[str] = None
    error_code: Omittable[str] = None
    error_message: Omittable[str] = None
    created_at: str
    updated_at: str
    latest_job: Omittable[LatestJob] = None


class AssetPage(ResponseBody):
    items: list[AssetResponse]
    next_cursor: str | None


class ArrivedPart(ResponseBody):
    """After the parts have been joined, ``etag`` is that of the file."""

    part_number: int
    size_bytes: int
    etag: str


class UploadResponse(ResponseBody):
    asset_id: str
    status: str
    part_size: int
    parts: list[ArrivedPart]


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
        note=asset.note,
        error_code=asset.error_code,
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
