"""An account's files and uploads, as the API shows them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from darkroom.assets import store
from darkroom.assets.model import Asset, AssetStatus
from darkroom.bootstrap.composition import App
from darkroom.jobs import store as jobs_store
from darkroom.jobs.lists import pages as listing
from darkroom.kernel.clock import to_iso
from darkroom.kernel.media_types import suffixes_of
from darkroom.uploads.failures import failure_of, message_of
from darkroom.uploads.parts import part_length
from darkroom.usecases.uploads.create_upload import key_of, parts_of
from darkroom.views import asset_lists
from darkroom.views.asset_lists import AssetFilters

_JPEG = "image/jpeg"


def list_assets(
    app: App,
    account_id: str,
    filters: AssetFilters,
    *,
    limit: int,
    after: str | None,
    language: str,
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the account's assets, and where the next page starts."""
    assets, position = asset_lists.list_assets(account_id, filters, limit=limit, after=after)
    items = [asset_with_job(app, asset, language=language) for asset in assets]
    return items, position


def asset_with_job(app: App, asset: Asset, *, language: str) -> dict[str, Any]:
    """An asset with the newest job that uses it; the index of jobs lags by a moment."""
    detail, job = asset_detail(app, asset, language=language), _latest_job(asset)
    return detail if job is None else {**detail, "latestJob": job}


def asset_detail(app: App, asset: Asset, *, language: str) -> dict[str, Any]:
    """An asset; until it has been checked, with its declared type and size."""
    shape: dict[str, Any] = {
        "assetId": asset.asset_id,
        "filename": asset.filename,
        "kind": asset.kind,
        "status": asset.status.value,
        "mimeType": asset.mime_type or asset.declared_mime_type,
        "sizeBytes": asset.declared_size_bytes if asset.size_bytes is None else asset.size_bytes,
        "width": asset.width,
        "height": asset.height,
        "durationMs": asset.duration_ms,
        "faces": asset.faces,
        "thumbnailUrl": _link(app, asset, asset.thumbnail_key, _thumbnail_type(asset)),
        "downloadUrl": _link(app, asset, asset.clean_key, asset.clean_mime_type or _JPEG),
        "isAiGenerated": asset.is_ai_generated,
        "generationPrompt": asset.generation_prompt,
        "tags": list(asset.tags),
        "folder": asset.folder,
        "note": asset.note,
        "errorCode": asset.error_code,
        "errorMessage": _error_message(asset, language),
        "createdAt": to_iso(asset.created_at),
        "updatedAt": to_iso(asset.updated_at),
    }
    return {name: value for name, value in shape.items() if value is not None}


def get_upload(app: App, account_id: str, asset_id: str) -> dict[str, Any]:
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
    return {
        "assetId": asset.asset_id,
        "status": asset.status.value,
        "partSize": asset.part_size_bytes or asset.declared_size_bytes,
        "parts": parts,
    }


def _sent_parts(app: App, asset: Asset) -> list[dict[str, Any]]:
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


def _whole(asset: Asset, etag: str) -> list[dict[str, Any]]:
    size_bytes = asset.declared_size_bytes
    part_size_bytes = asset.part_size_bytes or size_bytes
    return [
        _part(number, part_length(size_bytes, part_size_bytes, number), etag)
        for number in range(1, parts_of(asset) + 1)
    ]


def _part(number: int, size_bytes: int, etag: str) -> dict[str, Any]:
    return {"partNumber": number, "sizeBytes": size_bytes, "etag": etag}


def _link(app: App, asset: Asset, key: str | None, mime_type: str) -> str | None:
    if key is None:
        return None
    name, suffixes = PurePosixPath(asset.filename), suffixes_of(mime_type)
    # The clean copy may have another type than the uploaded file.
    file_name = name.name if name.suffix.lower() in suffixes else f"{name.stem}{suffixes[0]}"
    return app.storage.download_url(key, file_name=file_name, mime_type=mime_type)


def _thumbnail_type(asset: Asset) -> str:
    """The output of a job is its own thumbnail; all other thumbnails are JPEG."""
    is_itself = asset.thumbnail_key == asset.clean_key
    return (asset.clean_mime_type if is_itself else None) or _JPEG


def _latest_job(asset: Asset) -> dict[str, str] | None:
    if asset.status is not AssetStatus.UPLOADED:
        return None
    for job_id in listing.list_jobs_of_file(asset.account_id, asset.asset_id, limit=1):
        job = jobs_store.find_job(job_id)
        if job is not None:
            return {"jobId": job.job_id, "status": job.status.value}
    return None


def _error_message(asset: Asset, language: str) -> str | None:
    """In the language of the caller; the stored message is English."""
    if asset.error_code is None:
        return None
    if language == "en":
        return asset.error_message
    return message_of(failure_of(asset.error_code), language)
