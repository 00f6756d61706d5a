"""Register a checked picture of exactly one person as the reference photo of a role."""

from __future__ import annotations

from dataclasses import replace

from darkroom.assets import model, reference_store
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, AssetStatus, ReferencePhoto
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import Conflict, InvalidInput
from darkroom.kernel.ids import derived_id
from darkroom.kernel.media_types import IMAGE
from darkroom.kernel.problems import problem
from darkroom.uploads.ports import FaceCheckUnavailable


def register_reference_photo(
    app: App, *, account_id: str, asset_id: str, role: str
) -> ReferencePhoto:
    """Register and return the active photo. The same picture in the same role is always the same
    photo, also when it is registered again after it was set inactive.

    The faces were counted at ingest. If the detector was unavailable then, the picture is sent to
    the check again and the client has to retry.

    Raises:
        NotFound; Conflict: ASSET_NOT_READY, ASSET_FAILED.
        InvalidInput: not a picture, NO_FACE, MULTIPLE_FACES; FaceCheckUnavailable.
    """
    operation = app.ids.token()

    def attempt() -> ReferencePhoto:
        asset = _usable(assets_store.get_asset(account_id, asset_id))
        if asset.faces is None:
            _ask_for_faces(app, asset, operation)
            raise FaceCheckUnavailable("the faces are not counted yet", assetId=asset_id)
        if asset.faces != 1:
            code = "NO_FACE" if asset.faces == 0 else "MULTIPLE_FACES"
            raise InvalidInput(f"{asset.faces} faces", code=code, faces=asset.faces)
        return _activate(app, asset, role, operation)

    return retry_on_conflict(app.jitter, attempt)


def _usable(asset: Asset) -> Asset:
    if asset.kind != IMAGE:
        found = problem("assetId", "WRONG_KIND", kinds=IMAGE)
        raise InvalidInput("not a picture", fields=[found])
    if asset.status is AssetStatus.FAILED:
        raise Conflict("the file was refused", code="ASSET_FAILED", assetId=asset.asset_id)
    if asset.status is not AssetStatus.UPLOADED:
        raise Conflict("the file is not checked", code="ASSET_NOT_READY", assetId=asset.asset_id)
    return asset


def _ask_for_faces(app: App, asset: Asset, operation: str) -> None:
    if model.wants_faces(asset) and asset.next_check_at is not None:
        # A count was requested a moment ago; if the message was lost, the sweeper sends it again.
        return
    asking = model.ask_for_faces(asset, app.clock.now())
    commit([assets_store.save_write(asset, asking, operation=operation)])


def _activate(app: App, asset: Asset, role: str, operation: str) -> ReferencePhoto:
    assert asset.clean_key is not None and asset.clean_mime_type is not None
    photo_id = derived_id(reference_store.REFERENCE_PREFIX, asset.account_id, asset.asset_id, role)
    before = reference_store.find_reference_photo(asset.account_id, photo_id)
    if before is not None and before.is_active:
        return before
    if before is None:
        photo = ReferencePhoto(
            account_id=asset.account_id,
            reference_photo_id=photo_id,
            asset_id=asset.asset_id,
            role=role,
            is_active=True,
            created_at=app.clock.now(),
            clean_key=asset.clean_key,
            mime_type=asset.clean_mime_type,
            filename=asset.filename,
            thumbnail_key=asset.thumbnail_key,
            face=next(iter(asset.face_boxes), None),
        )
        write = reference_store.create_write(photo, operation=operation)
    else:
        photo = replace(before, is_active=True)
        write = reference_store.save_write(before, photo, operation=operation)
    # The asset counts its photos, so that a concurrent deletion cannot miss a new one.
    counted = replace(asset, references=asset.references + 1)
    commit([write, assets_store.save_write(asset, counted, operation=operation)])
    return photo
