"""Faces are located once, when a picture is uploaded, and crops follow them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom.adapters.clients import Clients
from darkroom.assets import reference_store
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, AssetStatus
from darkroom.bootstrap.registry import face_finder_of
from darkroom.db import commit
from darkroom.generation.ports import GenerationRequest, SourceFile
from darkroom.generation.vendors.rekognition import RekognitionFaces
from darkroom.kernel.faces import FaceBox, box_between, largest
from darkroom.studio.local_studio import LocalStudio
from darkroom.uploads.ports import FindFaces
from darkroom.workers.ingest import handle_ingest_message
from tests.support.builders import a_photo, confirm
from tests.support.face_pictures import jpeg_of, portrait
from tests.support.world import World

SMALL = FaceBox(x=0.1, y=0.1, width=0.1, height=0.1)
LARGE = FaceBox(x=0.5, y=0.2, width=0.3, height=0.4)
AS_JSON = {"x": 0.5, "y": 0.2, "width": 0.3, "height": 0.4}


def a_picture_with(world: World, *faces: FaceBox) -> str:
    """A checked picture in which these faces were found."""
    asset_id = a_photo(world)
    asset = assets_store.get_asset("alice", asset_id)
    found = replace(asset, faces=len(faces), face_boxes=largest(faces))
    commit([assets_store.save_write(asset, found, operation="arranged")])
    return asset_id


def checked(world: World, content: bytes, find: FindFaces) -> Asset:
    """An upload of this content, checked with a service that finds faces."""
    body = {"filename": "me.jpg", "mimeType": "image/jpeg", "sizeBytes": len(content)}
    session = world.call("POST", "/api/uploads/session", body).body
    world.app.storage.write(session["storageKey"], content, mime_type="image/jpeg")
    app = replace(world.app, face_finder=find)
    message = {"schemaVersion": 1, "accountId": "alice", "assetId": session["assetId"]}
    handle_ingest_message(app, {"body": json.dumps(message)})
    return assets_store.get_asset("alice", session["assetId"])


def params_of(world: World, kind: str) -> list[dict[str, Any]]:
    return [dict(request.params) for request in world.requests if request.kind == kind]


def test_boxes_are_clipped_to_the_picture() -> None:
    assert box_between(-0.2, 0.9, 0.25, 1.3) == FaceBox(x=0.0, y=0.9, width=0.25, height=0.1)


def test_the_five_largest_faces_are_kept_the_largest_first() -> None:
    crowd = [replace(SMALL, x=number / 10, width=0.01 * (number + 1)) for number in range(7)]
    nothing = replace(SMALL, width=0.0)

    kept = largest([*crowd, nothing])

    assert kept == tuple(reversed(crowd[2:]))


def test_the_check_of_an_upload_stores_the_number_and_boxes_of_faces(world: World) -> None:
    crowd = tuple(replace(SMALL, x=number / 10) for number in range(7))

    asset = checked(world, jpeg_of(portrait()), lambda picture: (*crowd, LARGE))

    assert (asset.status, asset.faces) == (AssetStatus.UPLOADED, 8)
    assert asset.face_boxes == (LARGE, *crowd[:4])


def test_a_picture_is_reduced_to_the_limit_of_the_service(world: World) -> None:
    content = jpeg_of(portrait().resize((4000, 3000)))
    sent: list[bytes] = []

    def find(picture: bytes, /) -> tuple[FaceBox, ...]:
        sent.append(picture)
        return (LARGE,)

    asset = checked(world, content, find)

    with Image.open(io.BytesIO(sent[0])) as picture:
        assert picture.size == (1920, 1440)
    assert (asset.width, asset.face_boxes) == (4000, (LARGE,))


def test_the_configuration_selects_the_face_detector(world: World) -> None:
    clients = Clients(world.settings)

    def finder(name: str) -> object:
        return face_finder_of(replace(world.settings, face_provider=name), clients)

    assert finder("local") is None
    assert isinstance(finder("rekognition"), RekognitionFaces)
    with pytest.raises(ValueError, match="unknown face provider"):
        finder("acme")


def test_keyframes_get_the_largest_face_of_each_photo(world: World) -> None:
    photos = [a_picture_with(world, SMALL, LARGE), a_picture_with(world), a_photo(world)]

    confirm(world, photoAssetIds=photos)
    world.drain()

    found = params_of(world, "keyframe")
    assert len(found) == 3 and all(params["faces"] == {"photo_1": AS_JSON} for params in found)


def test_older_pictures_without_boxes_have_no_face_parameters(world: World) -> None:
    confirm(world, photoAssetIds=[a_photo(world)])
    world.drain()

    found = params_of(world, "keyframe")
    assert found and all("faces" not in params for params in found)


def test_portraits_get_the_face_under_the_name_of_its_photo(world: World) -> None:
    photos = []
    for role, face in (("bride", SMALL), ("groom", LARGE)):
        body = {"assetId": a_picture_with(world, face), "role": role}
        response = world.call("POST", "/api/reference-photos", body)
        photos.append(response.body["referencePhotoId"])
    inputs = {
        "mode": "batch",
        "referencePhotoIds": photos,
        "styles": ["CLASSIC"],
        "totalImages": 2,
    }

    wanted = {"recipe": "portraits", "inputs": inputs, "status": "queued"}
    world.call("POST", "/api/jobs", wanted, key="k")
    world.drain()

    assert reference_store.get_reference_photo("alice", photos[1]).face == LARGE
    [groom] = [request for request in world.requests if request.params["role"] == "groom"]
    assert groom.params["faces"] == {"photo_2": AS_JSON}
    assert [source.key for source in groom.sources] == ["photo_2"]


@pytest.mark.slow
def test_the_studio_draws_the_second_person_of_a_job_too(tmp_path: Path) -> None:
    (tmp_path / "me.jpg").write_bytes(jpeg_of(portrait()))

    def drawn(key: str, face: dict[str, float] | None) -> bytes:
        folder = tmp_path / f"{key}-{face is None}"
        folder.mkdir()
        faces = {} if face is None else {"faces": {key: face}}
        request = GenerationRequest(
            job_id="job_x",
            key="img_02",
            kind="portrait",
            attempt=1,
            seed=1,
            language="en",
            params={"style": "CLASSIC", "role": "groom", "prompt": "", **faces},
            sources=(SourceFile(key=key, mime_type="image/jpeg", path=tmp_path / "me.jpg"),),
            workdir=folder,
        )
        return LocalStudio().generate(request)[0].path.read_bytes()

    first, second = drawn("photo_1", None), drawn("photo_2", None)
    elsewhere = drawn("photo_2", {"x": 0.1, "y": 0.1, "width": 0.3, "height": 0.3})

    assert first == second != elsewhere
