"""Complete an upload after the client has sent everything; this does not wait for the check."""

from __future__ import annotations

from collections.abc import Mapping

from darkroom.adapters.storage import PartsChanged, StoredPart
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, AssetStatus, await_check
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import ConcurrentUpdate, Conflict
from darkroom.kernel.limits import MISSING_PARTS_SHOWN_LIMIT
from darkroom.uploads.parts import missing_parts
from darkroom.usecases.uploads.create_upload import SINGLE_PART, key_of


def complete_upload(
    app: App, *, account_id: str, asset_id: str, etags: Mapping[int, str] | None = None
) -> Asset:
    """Complete the upload and return the asset, which awaits its check, or is further if the
    storage event came first.

    For a multipart upload, the storage's own list says which parts have arrived; the given
    ``etags`` (by part number) are compared with it. Only the check validates the content, so the
    result does not depend on the order of events. Repeating changes nothing, also after a lost
    response: the joined object exists by then.

    Raises:
        NotFound; Conflict UPLOAD_INCOMPLETE: parts are missing, or differ from the given ETags.
    """
    operation = app.ids.token()

    def attempt() -> Asset:
        asset = assets_store.get_asset(account_id, asset_id)
        if asset.status is not AssetStatus.UPLOADING:
            return asset
        if not join_upload(app, asset, etags=etags) and app.storage.find(key_of(asset)) is None:
            return _already_checked(account_id, asset_id)
        waiting = await_check(asset, app.clock.now())
        commit([assets_store.save_write(asset, waiting, operation=operation)])
        return waiting

    return retry_on_conflict(app.jitter, attempt)


def join_upload(app: App, asset: Asset, *, etags: Mapping[int, str] | None = None) -> bool:
    """Join the arrived parts into the file; False if there is nothing to join.

    Raises:
        Conflict UPLOAD_INCOMPLETE; ConcurrentUpdate: a part arrived while they were joined.
    """
    if asset.upload_id is None:
        return False
    arrived = app.storage.list_parts(key_of(asset), asset.upload_id)
    if arrived is None:
        return False
    missing = _missing(asset, arrived, etags)
    if missing:
        raise Conflict(
            "parts are missing",
            code="UPLOAD_INCOMPLETE",
            assetId=asset.asset_id,
            missingParts=missing[:MISSING_PARTS_SHOWN_LIMIT],
        )
    try:
        return app.storage.join_parts(key_of(asset), asset.upload_id, arrived)
    except PartsChanged as error:
        raise ConcurrentUpdate("a part was sent again") from error


def _missing(asset: Asset, arrived: list[StoredPart], etags: Mapping[int, str] | None) -> list[int]:
    assert asset.part_size_bytes is not None, "only a file in parts has parts"
    return missing_parts(
        arrived,
        size_bytes=asset.declared_size_bytes,
        part_size_bytes=asset.part_size_bytes,
        claimed=etags,
    )


def _already_checked(account_id: str, asset_id: str) -> Asset:
    """The asset after its check, which saves its result before it deletes the quarantined object:
    so a read after the object is gone finds the result."""
    asset = assets_store.get_asset(account_id, asset_id)
    if asset.status is AssetStatus.UPLOADING:
        facts = {"missingParts": [SINGLE_PART]} if asset.upload_id is None else {}
        raise Conflict("nothing has arrived", code="UPLOAD_INCOMPLETE", assetId=asset_id, **facts)
    return asset
