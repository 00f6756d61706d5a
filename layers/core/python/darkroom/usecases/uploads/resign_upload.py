"""Sign an upload's links again, after they have expired."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.assets import store as assets_store
from darkroom.assets.model import AssetStatus, extend_upload
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import Conflict, InvalidInput
from darkroom.kernel.problems import problem
from darkroom.usecases.uploads.create_upload import UploadSession, open_session, parts_of


def resign_upload(
    app: App, *, account_id: str, asset_id: str, part_numbers: Sequence[int]
) -> UploadSession:
    """New links for the parts, each once, in order; the upload stays open until they expire.

    Raises:
        NotFound; Conflict UPLOAD_CLOSED: it no longer awaits content; InvalidInput.
    """
    operation = app.ids.token()

    def attempt() -> UploadSession:
        asset = assets_store.get_asset(account_id, asset_id)
        if asset.status is not AssetStatus.UPLOADING:
            raise Conflict("nothing is uploaded here any more", code="UPLOAD_CLOSED")
        if max(part_numbers) > parts_of(asset):
            found = problem("partNumbers", "TOO_LARGE", limit=parts_of(asset))
            raise InvalidInput("no such part", fields=[found])
        extended = extend_upload(asset, app.clock.now())
        commit([assets_store.save_write(asset, extended, operation=operation)])
        return open_session(app, extended, sorted(set(part_numbers)))

    return retry_on_conflict(app.jitter, attempt)
