"""Fail an upload whose check cannot be done, as an unreadable file."""

from __future__ import annotations

from darkroom.assets import store as assets_store
from darkroom.assets.model import refuse
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.uploads.failures import UploadFailure, message_of
from darkroom.usecases.uploads.count_storage import counted_writes


def fail_ingest(app: App, *, account_id: str, asset_id: str) -> bool:
    """Fail the asset unless its check has ended; False if there was nothing to do.

    The bucket's lifecycle rule removes content that is left in quarantine.
    """
    operation = app.ids.token()
    failure = UploadFailure.CORRUPT_FILE

    def attempt() -> bool:
        asset = assets_store.find_asset(account_id, asset_id)
        if asset is None or asset.is_final:
            return False
        failed = refuse(asset, code=failure.value, message=message_of(failure), now=app.clock.now())
        commit(counted_writes(asset, failed, operation=operation))
        return True

    return retry_on_conflict(app.jitter, attempt)
