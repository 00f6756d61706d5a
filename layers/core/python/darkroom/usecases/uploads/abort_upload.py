"""Abort: an upload that its owner no longer wants leaves no trace."""

from __future__ import annotations

from darkroom.assets import store as assets_store
from darkroom.assets.model import AssetStatus
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.usecases.uploads.count_storage import buried_writes


def abort_upload(app: App, *, account_id: str, asset_id: str) -> None:
    """The asset is gone at once, and what it took is free; what has arrived follows.

    One transaction decides against a complete at the same moment. The stream, or the sweeper,
    removes the content then and aborts a multipart upload in the storage; what still comes after
    belongs to no asset, and goes with its tombstone.

    Raises:
        NotFound; Conflict UPLOAD_CLOSED: it is no longer uploading.
    """
    operation = app.ids.token()
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
        tried = True
        commit(buried_writes(asset, app.clock.now(), operation))

    retry_on_conflict(app.jitter, attempt)
