"""Count the faces of a checked picture for which the detector was unavailable at ingest."""

from __future__ import annotations

from darkroom.assets import model
from darkroom.assets import store as assets_store
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import NotFound
from darkroom.kernel.limits import CLEAN_IMAGE_LIMIT_BYTES
from darkroom.uploads.ports import FaceCheckUnavailable, FindFaces


def count_faces(app: App, find: FindFaces, *, account_id: str, asset_id: str) -> str:
    """Count the faces if that was requested and not done yet; repeating changes nothing.

    Returns what happened: ``idle``, ``counted``, or ``uncounted`` (the detector is unavailable;
    the client has to request the count again).
    """
    asset = assets_store.find_asset(account_id, asset_id)
    if asset is None or not model.wants_faces(asset) or asset.clean_key is None:
        return "idle"
    try:
        faces = find(app.storage.read(asset.clean_key, limit_bytes=CLEAN_IMAGE_LIMIT_BYTES))
    except (FaceCheckUnavailable, NotFound):
        return "uncounted"
    operation = app.ids.token()

    def attempt() -> str:
        current = assets_store.find_asset(account_id, asset_id)
        if current is None or not model.wants_faces(current):
            return "idle"
        counted = model.count_faces(current, faces)
        commit([assets_store.save_write(current, counted, operation=operation)])
        return "counted"

    return retry_on_conflict(app.jitter, attempt)
