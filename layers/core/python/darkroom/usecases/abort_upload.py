"""Abort: an upload that its owner no longer wants leaves no trace."""

from __future__ import annotations

from darkroom.adapters.storage import lane_of, quarantine_key
from darkroom.assets import store as assets_store
from darkroom.assets.model import AssetStatus
from darkroom.bootstrap import App
from darkroom.db import commit
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.usecases.racing import until_won


def abort_upload(app: App, *, account_id: str, asset_id: str) -> None:
    """Remove what has arrived, and then the asset.

    In this order, a stop in between leaves an upload that can be aborted again. Content that
    still comes after belongs to no asset, and the ingest worker deletes it.

    Raises:
        NotFound; Conflict UPLOAD_CLOSED: it is no longer uploading.
    """
    tried = False

    def attempt() -> None:
        nonlocal tried
        asset = assets_store.find_asset(account_id, asset_id)
        if asset is None:
            if tried:
                # Our own deletion, whose answer was lost.
                return
            raise NotFound("no such upload")
        if asset.status is not AssetStatus.UPLOADING:
            raise Conflict("the upload is finished", code="UPLOAD_CLOSED")
        app.storage.delete(quarantine_key(lane_of(asset.kind), account_id, asset_id))
        tried = True
        commit([assets_store.delete_write(asset)])

    until_won(app, attempt)
