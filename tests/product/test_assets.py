"""Assets: their states, their lists and details, and their events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from darkroom.assets import model, store
from darkroom.assets.model import Asset, AssetStatus, Finding, IllegalAssetTransition
from darkroom.assets.reference_store import get_reference_photo
from darkroom.db import commit
from darkroom.events.store import list_events
from darkroom.kernel.object_keys import clean_key, owner_tag
from darkroom.plans.storage_store import count_write, find_stored
from darkroom.usecases.projections.project_asset import project_asset
from tests.support.builders import a_photo, a_reference_photo
from tests.support.world import World

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def uploading(account_id: str = "alice", asset_id: str = "ast_01KAH3T5B1C3D5E7F9G1H3J5K7") -> Asset:
    return model.begin_upload(
        account_id=account_id,
        asset_id=asset_id,
        filename="us two.png",
        kind="image",
        mime_type="image/png",
        size_bytes=100,
        now=NOW,
    )


def uploaded(asset: Asset, now: datetime = NOW) -> Asset:
    prefix = f"clean/{asset.account_id}/{asset.asset_id}"
    finding = Finding(
        kind="image",
        mime_type="image/png",
        size_bytes=100,
        width=640,
        height=480,
        clean_key=f"{prefix}/image.jpg",
        clean_mime_type="image/jpeg",
        thumbnail_key=f"{prefix}/thumbnail.jpg",
        etag="e",
    )
    return model.accept(asset, finding, now)


def failed(asset: Asset, now: datetime = NOW) -> Asset:
    return model.refuse(asset, code="CORRUPT_FILE", message="It is damaged.", now=now)


@pytest.mark.parametrize("end", [uploaded, failed])
def test_a_final_asset_never_changes_its_state(end: Callable[[Asset], Asset]) -> None:
    final = end(uploading())

    for move in (uploaded, failed, lambda asset: model.await_check(asset, NOW)):
        with pytest.raises(IllegalAssetTransition):
            move(final)


def test_every_unfinished_asset_has_a_time_of_its_next_check() -> None:
    assets = [uploading(), model.await_check(uploading(), NOW)]
    assets += [model.ask_again(assets[1], NOW), model.extend_upload(assets[0], NOW)]

    assert all(asset.next_check_at for asset in assets)


def test_a_stored_asset_is_read_back_unchanged(world: World) -> None:
    asset = uploading()
    final = failed(model.ask_again(model.await_check(asset, NOW), NOW))

    commit([store.create_write(asset, operation="op1")])
    commit([store.save_write(asset, final, operation="op2", counted=True)])

    stored = store.get_asset("alice", asset.asset_id)
    assert stored.version == 2
    assert stored.finished_at == NOW and stored.checks == 1
    assert stored.next_check_at == final.next_check_at


def test_assets_are_listed_newest_first_page_by_page(world: World) -> None:
    body = {"filename": "a.jpg", "sizeBytes": 5, "mimeType": "image/jpeg"}
    made = []
    for _ in range(5):
        world.clock.move(milliseconds=1)
        made.append(world.call("POST", "/api/uploads/session", body).body["assetId"])

    seen, path = [], "/api/assets?limit=2"
    for _ in range(3):
        page = world.call("GET", path).body
        seen += [item["assetId"] for item in page["items"]]
        path = f"/api/assets?limit=2&cursor={page['nextCursor']}"

    assert seen == made[::-1]
    assert page["nextCursor"] is None


def test_a_cursor_is_valid_only_for_its_account(world: World) -> None:
    body = {"filename": "a.jpg", "sizeBytes": 5, "mimeType": "image/jpeg"}
    for _ in range(2):
        world.call("POST", "/api/uploads/session", body)
    cursor = world.call("GET", "/api/assets?limit=1").body["nextCursor"]

    other = world.call("GET", f"/api/assets?limit=1&cursor={cursor}", user="bob")
    tampered = world.call("GET", f"/api/assets?limit=1&cursor={cursor[:-1]}")

    assert (other.status, other.body["code"]) == (400, "BAD_CURSOR")
    assert (tampered.status, tampered.body["code"]) == (400, "BAD_CURSOR")


def test_page_sizes_have_bounds(world: World) -> None:
    responses = [world.call("GET", f"/api/assets?limit={limit}") for limit in ("0", "101", "x")]

    assert [response.status for response in responses] == [400] * 3


def test_assets_need_a_token(world: World) -> None:
    responses = [
        world.call("GET", path, user=None)
        for path in ("/api/assets", f"/api/assets/{uploading().asset_id}")
    ]

    assert [response.body["code"] for response in responses] == ["UNAUTHORIZED"] * 2


def test_another_accounts_asset_looks_missing(world: World) -> None:
    commit([store.create_write(uploading("alice"), operation="op")])

    responses = [
        world.call("GET", f"/api/assets/{asset_id}", user="bob")
        for asset_id in (uploading().asset_id, "ast_x", "x" * 2000)
    ]

    assert [response.body["code"] for response in responses] == ["NOT_FOUND"] * 3
    assert world.call("GET", "/api/assets", user="bob").body["items"] == []


def test_an_unchecked_asset_shows_what_was_declared_and_no_links(world: World) -> None:
    commit([store.create_write(uploading(), operation="op")])

    shown = world.call("GET", f"/api/assets/{uploading().asset_id}").body

    assert shown == {
        "assetId": uploading().asset_id,
        "filename": "us two.png",
        "kind": "image",
        "status": "uploading",
        "mimeType": "image/png",
        "sizeBytes": 100,
        "isAiGenerated": False,
        "tags": [],
        "createdAt": "2026-01-05T09:00:00.000Z",
        "updatedAt": "2026-01-05T09:00:00.000Z",
    }


def test_downloads_of_a_checked_asset_are_of_its_clean_copy(world: World) -> None:
    commit([store.create_write(uploaded(uploading()), operation="op")])

    shown = world.call("GET", f"/api/assets/{uploading().asset_id}").body

    url = urlsplit(shown["downloadUrl"])
    query = parse_qs(url.query)
    assert "/clean/alice/" in url.path and url.path.endswith("/image.jpg")
    assert query["response-content-type"] == ["image/jpeg"]
    assert query["response-content-disposition"][0].endswith("us%20two.jpg")
    assert urlsplit(shown["thumbnailUrl"]).path.endswith("/thumbnail.jpg")


def test_each_final_state_is_reported_once(world: World) -> None:
    later = NOW + timedelta(seconds=2)
    before, good = uploading(), uploaded(uploading(), later)

    first = project_asset(world.app, before)
    second = project_asset(world.app, good, before=before)
    again = project_asset(world.app, good)
    project_asset(world.app, model.settle(good), before=good)

    events = list_events(before.asset_id)
    assert (first, second, again) == (1, 1, 0)
    assert [event.name for event in events] == ["ASSET_UPLOAD_STARTED", "ASSET_UPLOAD_SUCCEEDED"]
    assert events[1].props["latencySec"] == 2.0


def test_a_failure_is_reported_with_its_code(world: World) -> None:
    project_asset(world.app, failed(uploading(), NOW + timedelta(seconds=1)))

    names = {event.name: event.props for event in list_events(uploading().asset_id)}
    assert names["ASSET_UPLOAD_FAILED"]["errorCode"] == "CORRUPT_FILE"


def test_the_sweeper_derives_events_that_the_stream_lost(world: World) -> None:
    commit([store.create_write(uploaded(uploading()), operation="op")])

    world.clock.move(hours=1)
    done = world.sweep()
    again = world.sweep()

    assert done["upload_projected"] == 1 and again.get("upload_projected", 0) == 0
    assert len(list_events(uploading().asset_id)) == 2
    settled = store.get_asset("alice", uploading().asset_id)
    assert settled.status is AssetStatus.UPLOADED and settled.next_check_at is None


# Many at once


def delete_many(world: World, asset_ids: Any, **options: Any) -> Any:
    return world.call("POST", "/api/assets/bulk/delete", {"assetIds": asset_ids}, **options)


def test_each_of_many_files_is_deleted_on_its_own(world: World) -> None:
    kept, gone = a_photo(world), a_photo(world)
    asset = store.get_asset("alice", kept)
    in_use = replace(asset, references=1)
    commit([store.save_write(asset, in_use, operation="arranged")])
    bobs = a_photo(world, "bob")

    response = delete_many(world, [gone, kept, bobs, "ast_x"])

    assert response.status == 200
    results = response.body["results"]
    assert [result["assetId"] for result in results] == [gone, kept, bobs, "ast_x"]
    assert [(result["ok"], result.get("code")) for result in results] == [
        (True, None),
        (False, "ASSET_IN_USE"),
        (False, "NOT_FOUND"),
        (False, "NOT_FOUND"),
    ]
    assert all(result["error"] for result in results[1:])
    assert store.find_asset("alice", gone) is None
    assert store.find_asset("alice", kept) and store.find_asset("bob", bobs)


def test_deleting_many_again_changes_nothing(world: World) -> None:
    asset_id = a_photo(world)

    first, second = delete_many(world, [asset_id, asset_id]), delete_many(world, [asset_id])
    keyed = [delete_many(world, [asset_id], key="once") for _ in range(2)]

    assert [result["ok"] for result in first.body["results"]] == [True, True]
    assert second.body["results"] == [{"assetId": asset_id, "ok": True}]
    assert keyed[0].body == keyed[1].body and keyed[1].headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("asset_ids", [None, [], "ast_x", [5], ["ast_x"] * 101])
def test_a_request_without_files_or_with_too_many_is_refused(world: World, asset_ids: Any) -> None:
    assert delete_many(world, asset_ids).status == 400


def test_deleting_many_files_needs_a_token(world: World) -> None:
    assert delete_many(world, ["ast_x"], user=None).status == 401


# Damaged items

DAMAGES: dict[str, tuple[str, dict[str, Any] | None]] = {
    "no name": ("filename", None),
    "a name of another type": ("filename", {"N": "7"}),
    "an unknown state": ("status", {"S": "?"}),
    "an unknown type": ("cleanMimeType", {"S": "seven"}),
    "a version of another type": ("version", {"S": "x"}),
    "a fraction of a version": ("version", {"N": "0.5"}),
    "boxes that are no JSON": ("faceBoxes", {"S": "["}),
    "an owner of another type": ("ownerTag", {"N": "1"}),
    "an unreadable number of reference photos": ("references", {"S": "x"}),
    "an unreadable share of the counters": ("countedBytes", {"S": "x"}),
}


def a_counted_photo(world: World, user: str) -> str:
    """A photo of three bytes as uploads leave it: under the account's tag, and counted."""
    asset_id = a_photo(world, user)
    asset = store.get_asset(user, asset_id)
    tag = owner_tag(world.app.signing_secret.value, user)
    key = clean_key(tag, asset_id, "image.jpg")
    world.app.storage.write(key, b"jpg", mime_type="image/jpeg")
    counted = replace(asset, owner_tag=tag, clean_key=key, counted_bytes=3)
    commit(
        [
            store.save_write(asset, counted, operation="arranged", counted=True),
            count_write(user, used_bytes=3, uploads=0),
        ]
    )
    world.drain()
    return asset_id


def damage_asset(world: World, asset_id: str, name: str, held: dict[str, Any] | None) -> None:
    [item] = [item for item in world.scan("assets") if item["assetId"]["S"] == asset_id]
    changed = {key: value for key, value in item.items() if key != name}
    table = world.settings.tables["assets"]
    world.client("dynamodb").put_item(
        TableName=table, Item=changed | ({} if held is None else {name: held})
    )


def test_a_damaged_file_is_deleted_like_any_other(world: World) -> None:
    for number, (case, (name, held)) in enumerate(DAMAGES.items()):
        user = f"user_{number}"
        asset_id = a_counted_photo(world, user)
        damage_asset(world, asset_id, name, held)
        before = world.call("GET", f"/api/assets/{asset_id}", user=user)
        listed = world.call("GET", "/api/assets", user=user)

        responses = [
            world.call("DELETE", f"/api/assets/{asset_id}", user=user).status for _ in range(2)
        ]
        world.drain()

        assert (before.status, before.body["code"]) == (404, "ITEM_UNREADABLE"), case
        assert (listed.status, responses) == (200, [204, 204]), case
        assert world.call("GET", f"/api/assets/{asset_id}", user=user).body["code"] == "NOT_FOUND"
        tag = owner_tag(world.app.signing_secret.value, user)
        assert world.app.storage.find(clean_key(tag, asset_id, "image.jpg")) is None, case
        freed = 0 if name == "countedBytes" else 3
        assert find_stored(user).used_bytes == 3 - freed, case


def test_a_damaged_file_of_another_account_is_not_found(world: World) -> None:
    asset_id = a_counted_photo(world, "alice")
    damage_asset(world, asset_id, "filename", None)

    assert world.call("DELETE", f"/api/assets/{asset_id}", user="bob").status == 404
    assert store.is_stored("alice", asset_id)


@pytest.mark.parametrize("held", [{"S": "x"}, {"N": "1"}])
def test_a_damaged_file_that_a_reference_photo_uses_is_kept(
    world: World, held: dict[str, Any]
) -> None:
    photo_id = a_reference_photo(world)
    asset_id = get_reference_photo("alice", photo_id).asset_id
    damage_asset(world, asset_id, "references", held)
    damage_asset(world, asset_id, "filename", None)

    response = world.call("DELETE", f"/api/assets/{asset_id}")

    assert (response.status, response.body["code"]) == (409, "ASSET_IN_USE")

    deactivated = world.call("DELETE", f"/api/reference-photos/{photo_id}")
    world.drain()

    assert deactivated.status < 300
    assert world.call("DELETE", f"/api/assets/{asset_id}").status == 204


@pytest.mark.parametrize("name", ["countedBytes", "countedUploads"])
def test_an_impossible_share_of_the_counters_frees_nothing(world: World, name: str) -> None:
    asset_id = a_counted_photo(world, "alice")
    damage_asset(world, asset_id, name, {"N": "900000000000000"})
    damage_asset(world, asset_id, "filename", None)

    world.call("DELETE", f"/api/assets/{asset_id}")

    counters = find_stored("alice")
    assert min(counters.used_bytes, counters.open_uploads) >= 0
