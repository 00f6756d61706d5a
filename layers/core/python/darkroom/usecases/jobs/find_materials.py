"""Find materials: the checked files that a job's inputs name, as its recipe uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from darkroom.albums import store as albums_store
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, AssetStatus, ReferencePhoto
from darkroom.assets.reference_store import (
    REFERENCE_PREFIX,
    ReferencePhotoItem,
    to_reference_photo,
)
from darkroom.db import snapshot
from darkroom.db.damage import read_item, read_or
from darkroom.jobs.model import FileKind, InputFile, InputFiles, Job
from darkroom.jobs.naming import shortened
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.kernel.limits import FILE_NAME_SHOWN_CHARS, FILES_SHOWN_LIMIT
from darkroom.kernel.object_keys import clean_key
from darkroom.recipes.base import Material, Recipe, require_kind

CLEAN_IMAGE, CLEAN_IMAGE_TYPE = "image.jpg", "image/jpeg"
Key = tuple[Any, str, str | None]


def material_keys(account_id: str, ids: Sequence[str]) -> list[Key]:
    """The keys of these materials' items, for a snapshot that also reads other items."""
    return [(_item_class(material_id), account_id, material_id) for material_id in ids]


def to_materials(ids: Sequence[str], items: Sequence[Any]) -> tuple[Material, ...]:
    """The materials from a snapshot of their keys.

    Raises:
        NotFound: a file is missing or another account's.
        Conflict: ASSET_NOT_READY, ASSET_FAILED, with the ``assetId``.
    """
    return tuple(_material(material_id, item) for material_id, item in zip(ids, items, strict=True))


def find_materials(account_id: str, ids: Sequence[str]) -> tuple[Material, ...]:
    """Read the materials; raises what ``to_materials`` raises."""
    return to_materials(ids, snapshot(material_keys(account_id, ids))) if ids else ()


def shown_files(materials: Sequence[Material]) -> InputFiles:
    """The first files of a job, as lists show them, with names of a limited length."""
    shown = tuple(
        InputFile(
            asset_id=None if material.asset_id == material.id else material.asset_id,
            filename=shortened(material.name, FILE_NAME_SHOWN_CHARS),
            kind=cast(FileKind, material.kind),
            duration_ms=material.duration_ms,
        )
        for material in materials[:FILES_SHOWN_LIMIT]
    )
    return InputFiles(shown=shown, count=len(materials))


def with_files(job: Job, materials: Sequence[Material]) -> Job:
    """The job with its files as lists show them, and the small picture of the first one."""
    covers = (material.thumbnail_key for material in materials if material.thumbnail_key)
    return replace(job, files=shown_files(materials), cover_key=next(covers, None))


def check_drafted(
    account_id: str, *, recipe: Recipe, inputs: Mapping[str, Any]
) -> tuple[Material, ...]:
    """Check that a draft's files exist and are of the right kind; they may still be unchecked.

    Returns the files, as far as they are known. They are no materials for a plan.

    Raises:
        NotFound: a file or the album is missing or another account's.
        InvalidInput: a file is of the wrong kind.
    """
    if "albumId" in inputs:
        albums_store.get_album(account_id, inputs["albumId"])
    ids = recipe.material_ids(inputs)
    items = snapshot(material_keys(account_id, ids)) if ids else []
    if not all(items):
        raise NotFound("no such file")
    declared = tuple(
        _declared(material_id, item) for material_id, item in zip(ids, items, strict=True)
    )
    if recipe.material_field:
        require_kind(declared, recipe.material_kinds, recipe.material_field)
    return declared


def _declared(material_id: str, item: Any) -> Material:
    """A file that may be unchecked, or even damaged: a draft can still name it."""
    if isinstance(item, ReferencePhotoItem):
        photo = read_or(item, to_reference_photo, None)
        if photo is None:
            return Material(id=material_id, kind="image", storage_key="", mime_type="")
        return _of_photo(photo)
    asset = assets_store.read_asset(item)
    if asset is None:
        return Material(
            id=material_id, kind=item.kind, storage_key="", mime_type="", asset_id=material_id
        )
    return _of_asset(asset)


def _item_class(material_id: str) -> Any:
    is_reference = material_id.startswith(f"{REFERENCE_PREFIX}_")
    return ReferencePhotoItem if is_reference else assets_store.AssetItem


def _material(material_id: str, item: Any) -> Material:
    if item is None:
        raise NotFound("no such file")
    if isinstance(item, ReferencePhotoItem):
        return _of_photo(read_item(item, to_reference_photo))
    asset = assets_store.read_asset(item)
    if asset is None:
        raise Conflict("the file's record is damaged", code="ASSET_FAILED", assetId=material_id)
    _require_usable(asset)
    return _of_asset(asset)


def _of_photo(photo: ReferencePhoto) -> Material:
    return Material(
        id=photo.reference_photo_id,
        kind="image",
        storage_key=photo.clean_key,
        mime_type=photo.mime_type,
        role=photo.role,
        is_active=photo.is_active,
        name=photo.filename or f"{photo.role}.jpg",
        asset_id=photo.asset_id,
        thumbnail_key=photo.thumbnail_key,
        face=photo.face,
    )


def _of_asset(asset: Asset) -> Material:
    # Assets of the previous version may lack the key of their clean copy: all were pictures.
    known = asset.clean_key or clean_key(asset.owner, asset.asset_id, CLEAN_IMAGE)
    return Material(
        id=asset.asset_id,
        kind=asset.kind,
        storage_key=known,
        mime_type=asset.clean_mime_type or CLEAN_IMAGE_TYPE,
        duration_ms=asset.duration_ms,
        size_bytes=asset.size_bytes,
        name=asset.filename,
        asset_id=asset.asset_id,
        thumbnail_key=asset.thumbnail_key,
        face=next(iter(asset.face_boxes), None),
    )


def _require_usable(asset: Asset) -> None:
    if asset.status is AssetStatus.FAILED:
        raise Conflict("the file was refused", code="ASSET_FAILED", assetId=asset.asset_id)
    if asset.status is not AssetStatus.UPLOADED:
        raise Conflict(
            "the file is not checked yet", code="ASSET_NOT_READY", assetId=asset.asset_id
        )
