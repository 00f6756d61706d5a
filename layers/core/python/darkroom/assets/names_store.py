"""Names and tags of many assets and reference photos at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from darkroom.assets.reference_store import (
    REFERENCE_PREFIX,
    ReferencePhotoItem,
    to_reference_photo,
)
from darkroom.assets.store import AssetItem, to_asset
from darkroom.db.damage import read_all


@dataclass(frozen=True, kw_only=True)
class FileName:
    """The name of a file, by the id in a job's inputs."""

    file_id: str
    asset_id: str
    name: str
    tags: tuple[str, ...] = ()
    """An asset's tags; a reference photo's role."""


def find_names(account_id: str, file_ids: Iterable[str]) -> dict[str, FileName]:
    """The names of the files that exist, a hundred per call. A reference photo has its role, and
    the name of the asset that it was made from."""
    wanted = dict.fromkeys(file_ids)
    references = [name for name in wanted if name.startswith(f"{REFERENCE_PREFIX}_")]
    found_photos = ReferencePhotoItem.batch_get([(account_id, name) for name in references])
    photos = {
        photo.reference_photo_id: photo for photo in read_all(found_photos, to_reference_photo)
    }
    asset_ids = {name for name in wanted if name not in references}
    asset_ids |= {photo.asset_id for photo in photos.values()}
    found_assets = AssetItem.batch_get([(account_id, name) for name in sorted(asset_ids)])
    assets = {asset.asset_id: asset for asset in read_all(found_assets, to_asset)}
    found: dict[str, FileName] = {}
    for file_id in wanted:
        photo = photos.get(file_id)
        asset_id = photo.asset_id if photo else file_id
        asset = assets.get(asset_id)
        if asset is None and photo is None:
            continue
        tags = (photo.role,) if photo else (asset.tags if asset else ())
        name = asset.filename if asset else ""
        found[file_id] = FileName(file_id=file_id, asset_id=asset_id, name=name, tags=tags)
    return found
