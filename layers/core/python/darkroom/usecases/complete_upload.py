"""Complete: the client says that everything was sent; we look ourselves, and wait for nothing."""

from __future__ import annotations

from darkroom.adapters.storage import lane_of, quarantine_key
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, AssetStatus, await_check
from darkroom.bootstrap import App
from darkroom.db import commit
from darkroom.kernel.errors import Conflict
from darkroom.usecases.racing import until_won


def complete_upload(app: App, *, account_id: str, asset_id: str) -> Asset:
    """The asset, now waiting for its check, or further if the storage event was faster.

    Whether size and content are right is the check's to say, so that the asset ends the same
    whichever came first. Repeating changes nothing.

    Raises:
        NotFound; Conflict UPLOAD_INCOMPLETE: nothing has arrived.
    """
    operation = app.ids.token()

    def attempt() -> Asset:
        asset = assets_store.get_asset(account_id, asset_id)
        if asset.status is not AssetStatus.UPLOADING:
            return asset
        if app.storage.find(quarantine_key(lane_of(asset.kind), account_id, asset_id)) is None:
            return _already_checked(account_id, asset_id)
        waiting = await_check(asset, app.clock.now())
        commit([assets_store.save_write(asset, waiting, operation)])
        return waiting

    return until_won(app, attempt)


def _already_checked(account_id: str, asset_id: str) -> Asset:
    """The check saves its verdict before it empties the quarantine, so a look after tells."""
    asset = assets_store.get_asset(account_id, asset_id)
    if asset.status is AssetStatus.UPLOADING:
        raise Conflict("nothing has arrived", code="UPLOAD_INCOMPLETE", assetId=asset_id)
    return asset
