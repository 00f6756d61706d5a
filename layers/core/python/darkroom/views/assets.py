"""What an account sees of its files and of their uploads."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from darkroom.adapters.storage import quarantine_key
from darkroom.assets import store
from darkroom.assets.model import Asset, AssetStatus
from darkroom.bootstrap import App
from darkroom.kernel.clock import to_iso
from darkroom.uploads.failures import failure_of, message_of

_CLEAN_TYPE = "image/jpeg"
_CLEAN_SUFFIXES = frozenset({".jpg", ".jpeg"})


def list_assets(
    app: App, account_id: str, *, limit: int, before: str | None, language: str
) -> tuple[list[dict[str, Any]], str | None]:
    """The account's assets, newest first, and the id to go on before."""
    assets, position = store.list_assets(account_id, limit=limit, before=before)
    return [asset_detail(app, asset, language=language) for asset in assets], position


def asset_detail(app: App, asset: Asset, *, language: str) -> dict[str, Any]:
    """An asset; until it is checked, type and size are those that were declared."""
    shape: dict[str, Any] = {
        "assetId": asset.asset_id,
        "filename": asset.filename,
        "kind": asset.kind,
        "status": asset.status.value,
        "mimeType": asset.mime_type or asset.declared_mime_type,
        "sizeBytes": asset.declared_size_bytes if asset.size_bytes is None else asset.size_bytes,
        "width": asset.width,
        "height": asset.height,
        "thumbnailUrl": _link(app, asset, asset.thumbnail_key),
        "downloadUrl": _link(app, asset, asset.clean_key),
        "tags": [],
        "errorCode": asset.error_code,
        "errorMessage": _error_message(asset, language),
        "createdAt": to_iso(asset.created_at),
        "updatedAt": to_iso(asset.updated_at),
    }
    return {name: value for name, value in shape.items() if value is not None}


def get_upload(app: App, account_id: str, asset_id: str) -> dict[str, Any]:
    """How far an upload is, part by part.

    Raises:
        NotFound: missing, or another account's.
    """
    asset = store.get_asset(account_id, asset_id)
    arrived = None
    if not asset.is_final:
        arrived = app.storage.find(quarantine_key(account_id, asset_id))
        if arrived is None:
            # The check may have emptied the quarantine since; its verdict was saved before.
            asset = store.get_asset(account_id, asset_id)
    parts = []
    if arrived is not None:
        parts = [{"partNumber": 1, "sizeBytes": arrived.size_bytes, "etag": arrived.etag}]
    elif asset.status is AssetStatus.UPLOADED:
        parts = [{"partNumber": 1, "sizeBytes": asset.size_bytes, "etag": asset.checked_etag}]
    return {
        "assetId": asset.asset_id,
        "status": asset.status.value,
        "partSize": asset.declared_size_bytes,
        "parts": parts,
    }


def _link(app: App, asset: Asset, key: str | None) -> str | None:
    if key is None:
        return None
    name = PurePosixPath(asset.filename)
    # The clean copy is a JPEG, whatever was sent.
    file_name = name.name if name.suffix.lower() in _CLEAN_SUFFIXES else f"{name.stem}.jpg"
    return app.storage.download_url(key, file_name=file_name, mime_type=_CLEAN_TYPE)


def _error_message(asset: Asset, language: str) -> str | None:
    """In the reader's language; what is stored is what was said when it failed."""
    if asset.error_code is None:
        return None
    if language == "en":
        return asset.error_message
    return message_of(failure_of(asset.error_code), language)
