"""Change an asset's name, tags and folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from darkroom.assets import model
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.uploads import policy


def describe_asset(
    app: App, *, account_id: str, asset_id: str, changes: Mapping[str, Any]
) -> Asset:
    """Apply ``changes`` (``filename``, ``tags``, ``folder``) and return the asset.

    Raises:
        NotFound; InvalidInput: the name cannot be used.
    """
    operation = app.ids.token()
    wanted = dict(changes)
    if "filename" in wanted:
        wanted["filename"] = policy.clean_name(wanted["filename"])

    def attempt() -> Asset:
        before = assets_store.get_asset(account_id, asset_id)
        after = model.describe(before, wanted, app.clock.now())
        commit([assets_store.save_write(before, after, operation=operation)])
        return after

    return retry_on_conflict(app.jitter, attempt)
