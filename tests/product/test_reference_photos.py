"""Reference photos: one person each, registered once, listed while active, never removed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from darkroom.assets import reference_store
from darkroom.assets import store as assets_store
from darkroom.assets.model import AssetStatus
from darkroom.db import commit
from tests.support.world import Response, World

OTHER_ID = "ref_01KAH3T5B1C3D5E7F9G1H3J400"


def a_picture_of(world: World, faces: int | None, user: str = "alice", **changes: Any) -> str:
    """A checked picture with this many faces; returns its asset id."""
    body = {"filename": "me.jpg", "sizeBytes": 3, "mimeType": "image/jpeg"}
    asset_id = world.call("POST", "/api/uploads/session", body, user=user).body["assetId"]
    asset = assets_store.get_asset(user, asset_id)
    checked = {
        "status": AssetStatus.UPLOADED,
        "mime_type": "image/png",
        "clean_key": f"clean/{user}/{asset_id}/image.jpg",
        "clean_mime_type": "image/jpeg",
        "faces": faces,
        "next_check_at": None,
    }
    after = replace(asset, **{**checked, **changes})
    commit([assets_store.save_write(asset, after, operation="arranged")])
    return asset_id


def register(
    world: World, asset_id: str, role: Any = "self", user: str | None = "alice", **options: Any
) -> Response:
    body = {"assetId": asset_id, "role": role}
    return world.call("POST", "/api/reference-photos", body, user=user, **options)


def listed(world: World, query: str = "") -> list[str]:
    items = world.call("GET", f"/api/reference-photos{query}").body["items"]
    return [item["referencePhotoId"] for item in items]


def test_a_picture_of_one_person_becomes_a_reference_photo(world: World) -> None:
    asset_id = a_picture_of(world, 1)

    response = register(world, asset_id, "groom")

    assert response.status == 201
    photo = response.body
    assert photo["referencePhotoId"].startswith("ref_")
    assert (photo["assetId"], photo["role"], photo["isActive"]) == (asset_id, "groom", True)
    assert f"/clean/alice/{asset_id}/image.jpg" in photo["downloadUrl"]
    stored = reference_store.get_reference_photo("alice", photo["referencePhotoId"])
    assert (stored.clean_key, stored.mime_type) == (
        f"clean/alice/{asset_id}/image.jpg",
        "image/jpeg",
    )


@pytest.mark.parametrize(
    ("faces", "code"), [(0, "NO_FACE"), (2, "MULTIPLE_FACES"), (9, "MULTIPLE_FACES")]
)
def test_any_other_number_of_faces_is_refused_with_the_number(
    world: World, faces: int, code: str
) -> None:
    response = register(world, a_picture_of(world, faces))

    assert (response.status, response.body["code"], response.body["faces"]) == (400, code, faces)
    assert listed(world) == []


def without_link(response: Response) -> dict[str, Any]:
    """The signature of a link changes each second."""
    return {name: value for name, value in response.body.items() if name != "downloadUrl"}


def test_registering_again_returns_the_same_photo(world: World) -> None:
    asset_id = a_picture_of(world, 1)

    first, second = register(world, asset_id), register(world, asset_id)
    other_role = register(world, asset_id, "bride")

    assert second.status == 201 and without_link(first) == without_link(second)
    assert other_role.body["referencePhotoId"] != first.body["referencePhotoId"]
    assert assets_store.get_asset("alice", asset_id).references == 2


def test_an_inactive_photo_is_kept_and_can_become_active_again(world: World) -> None:
    asset_id = a_picture_of(world, 1)
    photo_id = register(world, asset_id).body["referencePhotoId"]
    path = f"/api/reference-photos/{photo_id}"

    first, second = world.call("DELETE", path), world.call("DELETE", path)

    assert (first.status, first.body["isActive"]) == (200, False)
    assert without_link(second) == without_link(first)
    assert listed(world) == []
    stored = reference_store.get_reference_photo("alice", photo_id)
    assert not stored.is_active
    assert assets_store.get_asset("alice", asset_id).references == 0

    again = register(world, asset_id)

    assert (again.body["referencePhotoId"], again.body["isActive"]) == (photo_id, True)
    assert again.body["createdAt"] == first.body["createdAt"]
    assert listed(world) == [photo_id]


def test_only_usable_pictures_of_the_account_can_be_registered(world: World) -> None:
    waiting = a_picture_of(world, None, status=AssetStatus.CHECKING)
    sending = a_picture_of(world, None, status=AssetStatus.UPLOADING)
    failed = a_picture_of(world, None, status=AssetStatus.FAILED)
    video = a_picture_of(world, None, kind="video")
    bobs = a_picture_of(world, 1, user="bob")

    responses = [
        (response.status, response.body["code"])
        for response in (
            register(world, asset_id)
            for asset_id in (waiting, sending, failed, video, bobs, "ast_x", OTHER_ID)
        )
    ]

    assert responses == [
        (409, "ASSET_NOT_READY"),
        (409, "ASSET_NOT_READY"),
        (409, "ASSET_FAILED"),
        (400, "VALIDATION_FAILED"),
        (404, "NOT_FOUND"),
        (404, "NOT_FOUND"),
        (404, "NOT_FOUND"),
    ]


def test_uncounted_faces_are_503_and_one_count_is_requested(world: World) -> None:
    asset_id = a_picture_of(world, None)
    world.pump_stream()

    first, second = register(world, asset_id), register(world, asset_id)
    world.pump_stream()

    assert (first.status, first.body["code"]) == (503, "FACE_CHECK_UNAVAILABLE")
    assert first.body["assetId"] == asset_id and int(first.headers["retry-after"]) >= 1
    assert second.status == 503
    queue = world.settings.ingest_queue_url
    messages = world.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    assert len(messages["Messages"]) == 1 and asset_id in messages["Messages"][0]["Body"]


def test_the_same_key_registers_once(world: World) -> None:
    asset_id = a_picture_of(world, 1)

    first, second = (register(world, asset_id, key="k") for _ in range(2))
    other = register(world, asset_id, "bride", key="k")

    assert second.body == first.body and second.headers["idempotent-replayed"] == "true"
    assert (other.status, other.body["code"]) == (422, "IDEMPOTENCY_MISMATCH")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"assetId": "ast_x"},
        {"assetId": "ast_x", "role": ""},
        {"assetId": "ast_x", "role": "Groom"},
        {"assetId": "ast_x", "role": "1st"},
        {"assetId": "ast_x", "role": "a" * 33},
        {"assetId": "ast_x", "role": "self\n"},
        {"assetId": "ast_x", "role": 5},
        {"assetId": 5, "role": "self"},
        {"assetId": "ast_x", "role": "self", "accountId": "bob"},
    ],
)
def test_invalid_registrations_are_refused(world: World, body: dict[str, Any]) -> None:
    response = world.call("POST", "/api/reference-photos", body)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")


def test_photos_are_listed_by_role_and_page_by_page(world: World) -> None:
    made: dict[str, list[str]] = {"bride": [], "groom": []}
    for role in ("bride", "groom", "bride", "groom", "bride"):
        world.clock.move(seconds=1)
        made[role].append(register(world, a_picture_of(world, 1), role).body["referencePhotoId"])

    brides = listed(world, "?role=bride")
    seen: list[str] = []
    path: str | None = "/api/reference-photos?limit=2"
    while path:
        page = world.call("GET", path).body
        seen += [item["referencePhotoId"] for item in page["items"]]
        cursor = page["nextCursor"]
        path = f"/api/reference-photos?limit=2&cursor={cursor}" if cursor else None

    assert brides == made["bride"][::-1]
    assert seen == made["groom"][::-1] + made["bride"][::-1]
    assert listed(world, "?role=self") == []


def test_a_cursor_is_valid_only_for_its_account_and_role(world: World) -> None:
    for _ in range(2):
        register(world, a_picture_of(world, 1))
    cursor = world.call("GET", "/api/reference-photos?limit=1").body["nextCursor"]

    others = [
        world.call("GET", f"/api/reference-photos?limit=1&cursor={cursor}", user="bob"),
        world.call("GET", f"/api/reference-photos?limit=1&role=self&cursor={cursor}"),
        world.call("GET", "/api/reference-photos?role=No"),
        world.call("GET", "/api/reference-photos?limit=0"),
    ]

    assert [response.status for response in others] == [400] * 4


def test_reference_photos_are_not_listed_as_assets(world: World) -> None:
    asset_id = a_picture_of(world, 1)
    photo_id = register(world, asset_id).body["referencePhotoId"]

    items = world.call("GET", "/api/assets").body["items"]

    assert [item["assetId"] for item in items] == [asset_id]
    assert world.call("GET", f"/api/assets/{photo_id}").status == 404
    world.drain()


def test_another_accounts_photo_looks_missing(world: World) -> None:
    photo_id = register(world, a_picture_of(world, 1)).body["referencePhotoId"]

    responses = [
        world.call("DELETE", f"/api/reference-photos/{photo_id}", user="bob"),
        world.call("DELETE", f"/api/reference-photos/{OTHER_ID}"),
        world.call("DELETE", "/api/reference-photos/x"),
    ]

    assert [response.status for response in responses] == [404] * 3
    assert world.call("GET", "/api/reference-photos", user="bob").body["items"] == []
    assert listed(world) == [photo_id]


def test_reference_photos_need_a_token(world: World) -> None:
    responses = [
        register(world, "ast_x", user=None),
        world.call("GET", "/api/reference-photos", user=None),
        world.call("DELETE", f"/api/reference-photos/{OTHER_ID}", user=None),
    ]

    assert [response.status for response in responses] == [401] * 3
