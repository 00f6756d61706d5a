"""Lists of assets by state, kind, word, tag and order; what their owner changes; deletion."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from darkroom.assets import store as assets_store
from darkroom.assets.lists import facets
from darkroom.assets.lists import store as list_store
from darkroom.assets.lists.store import AssetEntryItem
from darkroom.assets.model import AssetStatus
from darkroom.db import commit
from darkroom.kernel.limits import PROJECTION_CHECK_SECONDS, UPLOAD_URL_SECONDS
from darkroom.usecases.projections.index_asset import index_asset
from darkroom.workers.ingest import handle_ingest_message
from tests.support.builders import a_photo, confirm
from tests.support.world import Response, World

TYPES = {"image": "image/jpeg", "video": "video/mp4", "audio": "audio/mpeg"}


def an_asset(
    world: World,
    filename: str = "a.jpg",
    *,
    kind: str = "image",
    status: str = "uploaded",
    seconds: int | None = None,
    tags: tuple[str, ...] = (),
    user: str = "alice",
) -> str:
    """An asset in any state, a second younger than the last, in its lists."""
    world.clock.move(seconds=1)
    body = {"filename": filename, "sizeBytes": 3, "mimeType": TYPES[kind]}
    asset_id = world.call("POST", "/api/uploads/session", body, user=user).body["assetId"]
    asset = assets_store.get_asset(user, asset_id)
    duration_ms = None if seconds is None else seconds * 1000
    after = replace(asset, status=AssetStatus(status), duration_ms=duration_ms, tags=tags)
    commit([assets_store.save_write(asset, after, operation="arranged")])
    world.pump_stream()
    return asset_id


def found(world: World, query: str = "", *, user: str = "alice", limit: int = 2) -> list[str]:
    """Ids over all pages."""
    ids: list[str] = []
    cursor = ""
    for _ in range(50):
        response = world.call("GET", f"/api/assets?limit={limit}{query}{cursor}", user=user)
        assert response.status == 200, response.body
        ids += [item["assetId"] for item in response.body["items"]]
        if response.body["nextCursor"] is None:
            return ids
        cursor = f"&cursor={response.body['nextCursor']}"
    raise AssertionError("the pages do not end")


def patch(world: World, asset_id: str, user: str | None = "alice", **body: Any) -> Response:
    response = world.call("PATCH", f"/api/assets/{asset_id}", body, user=user)
    world.pump_stream()
    return response


def test_assets_are_found_by_state_and_kind(world: World) -> None:
    photo, failed = an_asset(world), an_asset(world, status="failed")
    film = an_asset(world, "f.mp4", kind="video")
    song = an_asset(world, "s.mp3", kind="audio", status="checking")
    photos = [an_asset(world) for _ in range(3)]

    assert found(world) == [*photos[::-1], song, film, failed, photo]
    assert found(world, "&sort=oldest") == [photo, failed, film, song, *photos]
    assert found(world, "&kind=image") == [*photos[::-1], failed, photo]
    assert found(world, "&status=uploaded") == [*photos[::-1], film, photo]
    assert found(world, "&status=uploaded&kind=image&sort=oldest") == [photo, *photos]
    assert found(world, "&status=failed&kind=video") == []
    assert found(world, user="bob") == []


def test_an_asset_leaves_the_list_of_its_old_state(world: World) -> None:
    asset_id = an_asset(world, status="checking")
    before = found(world, "&status=checking")

    asset = assets_store.get_asset("alice", asset_id)
    commit(
        [
            assets_store.save_write(
                asset, replace(asset, status=AssetStatus.UPLOADED), operation="op"
            )
        ]
    )
    stale = found(world, "&status=checking")
    world.pump_stream()

    assert before == [asset_id] and stale == []
    assert found(world, "&status=checking") == []
    assert found(world, "&status=uploaded") == [asset_id]


def test_names_sort_without_case_and_durations_from_the_longest(world: World) -> None:
    b = an_asset(world, "Beach.mp4", kind="video", seconds=5)
    c = an_asset(world, "city.mp4", kind="video", seconds=100)
    a = an_asset(world, "ARCH.mp4", kind="video", seconds=20)
    photo = an_asset(world, "0.jpg")

    assert found(world, "&sort=name") == [photo, a, b, c]
    assert found(world, "&sort=name&kind=video&status=uploaded") == [a, b, c]
    assert found(world, "&sort=duration") == [c, a, b, photo]
    assert found(world, "&sort=duration&kind=video") == [c, a, b]


@pytest.mark.parametrize(
    "search",
    ["wed", "WEDD", "wedding", "DAY wed", "2026", "%ED%95%9C", "%E1%84%92%E1%85%A1%E1%86%AB"],
)
def test_words_are_found_by_their_prefixes(world: World, search: str) -> None:
    wanted = an_asset(world, "Wedding-day_2026 한강.jpg")
    an_asset(world, "unwedded.jpg")

    assert found(world, f"&search={search}") == [wanted]


def test_search_covers_names_tags_and_whole_ids(world: World) -> None:
    by_name, by_tag = an_asset(world, "seoul.jpg"), an_asset(world, tags=("Seoul trip",))
    other = an_asset(world, "busan.jpg")

    assert found(world, "&search=seo") == [by_tag, by_name]
    assert found(world, "&search=seo&sort=oldest") == [by_name, by_tag]
    assert found(world, f"&search={other}") == [other]
    assert found(world, f"&search={other[:-1]}") == []
    assert found(world, f"&search={other}", user="bob") == []
    assert found(world, "&search=...") == []


def test_search_tag_and_filters_combine(world: World) -> None:
    photos = [an_asset(world, f"sea {n}.jpg", tags=("Best", "sea")) for n in range(5)]
    film = an_asset(world, "sea.mp4", kind="video", seconds=9, tags=("best",))
    an_asset(world, "sea 9.jpg", tags=("bestest",))

    assert found(world, "&tag=best") == [film, *photos[::-1]]
    assert found(world, "&tag=BEST&kind=image&sort=name") == photos
    assert found(world, "&tag=best&search=sea&kind=video") == [film]
    assert found(world, "&tag=best&search=sea&sort=duration")[0] == film
    assert found(world, "&tag=be") == []


@pytest.mark.parametrize(
    "query",
    ["status=ready", "kind=text", "sort=size", "search=", "tag=", f"search={'x' * 201}"],
)
def test_invalid_filters_are_refused(world: World, query: str) -> None:
    response = world.call("GET", f"/api/assets?{query}")

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")


def test_a_cursor_is_valid_only_for_its_filters(world: World) -> None:
    for _ in range(3):
        an_asset(world)
    cursor = world.call("GET", "/api/assets?limit=1&kind=image").body["nextCursor"]

    responses = [
        world.call("GET", f"/api/assets?limit=1&{query}&cursor={cursor}")
        for query in ("kind=video", "kind=image&sort=name", "search=a&kind=image")
    ]

    assert [response.body["code"] for response in responses] == ["BAD_CURSOR"] * 3


def test_an_asset_names_its_latest_job(world: World) -> None:
    photo = a_photo(world)
    before = world.call("GET", f"/api/assets/{photo}").body

    job_id = confirm(world, photo=photo).body["jobId"]
    world.drain()

    after = world.call("GET", f"/api/assets/{photo}").body
    assert "latestJob" not in before
    assert after["latestJob"] == {"jobId": job_id, "status": "succeeded"}


# --- Changes ----------------------------------------------------------------------------------


def test_a_file_is_renamed_tagged_and_put_in_a_folder(world: World) -> None:
    asset_id = an_asset(world, "IMG_1.jpg")

    response = patch(
        world, asset_id, filename="../우리.jpg", tags=["Sea", "sea", "Sea"], folder=" A "
    )
    partly = patch(world, asset_id, folder=None)

    assert response.status == 200
    assert (response.body["filename"], response.body["folder"]) == ("우리.jpg", "A")
    assert response.body["tags"] == ["Sea", "sea"]
    assert "folder" not in partly.body and partly.body["tags"] == ["Sea", "sea"]
    assert found(world, "&search=%EC%9A%B0%EB%A6%AC") == [asset_id]
    assert found(world, "&search=img") == [] and found(world, "&tag=sea") == [asset_id]


def test_the_sweeper_indexes_a_change_that_the_stream_lost(world: World) -> None:
    asset_id = an_asset(world, "old.jpg")
    world.call("PATCH", f"/api/assets/{asset_id}", {"filename": "new.jpg"})

    world.clock.move(seconds=PROJECTION_CHECK_SECONDS)
    world.sweep()

    assert found(world, "&search=new") == [asset_id] and found(world, "&search=old") == []


def test_an_index_that_was_stopped_halfway_is_completed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset_id = an_asset(world, "old.jpg")
    asset = assets_store.get_asset("alice", asset_id)
    renamed = replace(asset, filename="new.jpg")
    commit([assets_store.save_write(asset, renamed, operation="op")])
    remember, calls = list_store._remember, []

    def stopping(*args: Any, **options: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        remember(*args, **options)

    monkeypatch.setattr(list_store, "_remember", stopping)
    with pytest.raises(KeyboardInterrupt):
        index_asset("alice", asset_id)
    monkeypatch.undo()
    index_asset("alice", asset_id)

    assert index_asset("alice", asset_id) == 0
    stored = {(i["list"]["S"], i["place"]["S"]) for i in world.scan("assetlists")}
    wanted = {(e.list, e.place) for e in facets.entries_of(renamed)}
    assert stored - wanted == {("alice\x1fknown", asset_id)} and wanted <= stored


def test_an_index_that_was_stopped_before_its_first_entry_is_completed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset_id = an_asset(world)
    AssetEntryItem("alice\x1fknown", asset_id).delete()
    for entry in facets.entries_of(assets_store.get_asset("alice", asset_id)):
        AssetEntryItem(entry.list, entry.place).delete()

    def failing(*args: Any, **options: Any) -> Any:
        raise RuntimeError("throttled")

    monkeypatch.setattr(AssetEntryItem, "batch_write", failing)
    with pytest.raises(RuntimeError):
        index_asset("alice", asset_id)
    monkeypatch.undo()

    assert index_asset("alice", asset_id) > 0
    assert found(world, "&kind=image") == [asset_id]
    assert index_asset("alice", asset_id) == 0


def test_an_older_record_of_entries_is_written_once_more(world: World) -> None:
    asset_id = an_asset(world, "old.jpg")
    known = AssetEntryItem.get("alice\x1fknown", asset_id)
    known.is_written = None
    known.save()
    for entry in facets.entries_of(assets_store.get_asset("alice", asset_id)):
        AssetEntryItem(entry.list, entry.place).delete()

    index_asset("alice", asset_id)

    assert found(world, "&search=old") == [asset_id]
    assert index_asset("alice", asset_id) == 0


@pytest.mark.parametrize(
    ("filename", "search"),
    [
        ("İSTANBUL.jpg", "istanbul"),
        ("istanbul.jpg", "İSTANBUL"),
        ("ISPARTA.jpg", "ısparta"),
        ("Straße.jpg", "STRASSE"),
        ("ＦＵＬＬ.jpg", "full"),
        ("Ὀδυσσεύς.jpg", "ὈΔΥΣΣΕΎΣ"),
        ("x" * 120 + ".jpg", "x" * 119),
        ("ﷺ" * 50 + ".jpg", "ﷺ" * 50),
    ],
)
def test_a_file_is_found_whatever_its_spelling_and_length(
    world: World, filename: str, search: str
) -> None:
    asset_id = an_asset(world, filename)

    assert found(world, f"&search={quote(search)}") == [asset_id]


def test_a_tag_that_grows_when_it_is_folded_keeps_its_file_findable(world: World) -> None:
    asset_id = an_asset(world, "a.jpg")
    grown, sibling = "ﷺ" * 50, "ﷺ" * 49 + "x"

    response = patch(world, asset_id, tags=[grown, sibling])

    assert response.status == 200
    for query in (f"&tag={quote(grown)}", f"&tag={quote(sibling)}", "&search=a", "&kind=image"):
        assert found(world, query) == [asset_id]
    assert found(world, f"&tag={quote('ﷺ' * 48)}") == []


def test_labels_are_normalized_before_their_length_is_checked(world: World) -> None:
    asset_id = an_asset(world)
    decomposed = unicodedata.normalize("NFD", "가" * 50)

    response = patch(world, asset_id, tags=[decomposed], folder=decomposed)

    assert (response.status, response.body["tags"], response.body["folder"]) == (
        200,
        ["가" * 50],
        "가" * 50,
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"filename": None},
        {"filename": ""},
        {"filename": "a\nb"},
        {"tags": None},
        {"tags": [""]},
        {"tags": ["a\x1fb"]},
        {"tags": ["a"] * 21},
        {"tags": ["x" * 51]},
        {"tags": "sea"},
        {"folder": ""},
        {"folder": "x" * 201},
        {"status": "uploaded"},
    ],
)
def test_invalid_changes_are_refused(world: World, body: dict[str, Any]) -> None:
    asset_id = an_asset(world)
    before = assets_store.get_asset("alice", asset_id)

    response = patch(world, asset_id, **body)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert assets_store.get_asset("alice", asset_id) == before


# --- Deletion ---------------------------------------------------------------------------------


def delete(world: World, asset_id: str, user: str | None = "alice") -> Response:
    return world.call("DELETE", f"/api/assets/{asset_id}", user=user)


def files(world: World) -> list[str]:
    listed = world.client("s3").list_objects_v2(Bucket=world.settings.media_bucket)
    return [found["Key"] for found in listed.get("Contents", [])]


def test_a_deleted_asset_is_gone_at_once_and_its_files_follow(world: World) -> None:
    photo, kept = a_photo(world), a_photo(world)
    world.pump_stream()

    first, second = delete(world, photo), delete(world, photo)
    gone, listed = world.call("GET", f"/api/assets/{photo}"), found(world)
    world.pump_stream()

    assert (first.status, second.status, gone.status, listed) == (204, 204, 404, [kept])
    assert all(kept in key for key in files(world)) and len(files(world)) == 1
    assert found(world, "&kind=image") == [kept]


def test_the_sweeper_removes_files_whose_stream_record_was_lost(world: World) -> None:
    photo = a_photo(world)
    delete(world, photo)

    world.clock.move(seconds=UPLOAD_URL_SECONDS)
    done = world.sweep()

    assert done["upload_erased"] == 1
    assert files(world) == [] and world.scan("assets") == [] and world.scan("assetlists") == []
    assert delete(world, photo).status == 404


def test_content_that_arrives_after_its_asset_was_deleted_is_deleted(world: World) -> None:
    body = {"filename": "a.jpg", "sizeBytes": 3, "mimeType": "image/jpeg"}
    session = world.call("POST", "/api/uploads/session", body).body
    delete(world, session["assetId"])
    world.app.storage.write(session["storageKey"], b"abc", mime_type="image/jpeg")
    notice = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": session["storageKey"]}}}

    record = {"body": json.dumps({"Records": [notice]})}
    outcome = handle_ingest_message(world.app, record)

    assert outcome == "unknown" and files(world) == []


def test_a_file_of_an_active_reference_photo_stays(world: World) -> None:
    photo = a_photo(world)
    asset = assets_store.get_asset("alice", photo)
    commit([assets_store.save_write(asset, replace(asset, faces=1), operation="op")])
    body = {"assetId": photo, "role": "self"}
    reference = world.call("POST", "/api/reference-photos", body).body["referencePhotoId"]

    refused = delete(world, photo)
    world.call("DELETE", f"/api/reference-photos/{reference}")
    allowed = delete(world, photo)

    assert (refused.status, refused.body["code"]) == (409, "ASSET_IN_USE")
    assert allowed.status == 204


def test_another_account_changes_and_deletes_nothing(world: World) -> None:
    asset_id = an_asset(world)

    responses = [
        patch(world, asset_id, "bob", folder="x").status,
        delete(world, asset_id, "bob").status,
        patch(world, asset_id, None, folder="x").status,
        delete(world, asset_id, None).status,
        delete(world, "ast_x").status,
    ]

    assert responses == [404, 404, 401, 401, 404]
    assert found(world) == [asset_id]


@pytest.mark.parametrize(
    ("attribute", "odd"),
    [
        ("status", {"S": "nowhere"}),
        ("createdAt", {"S": "yesterday"}),
        ("declaredSizeBytes", {"S": "many"}),
        ("version", {"BOOL": True}),
        ("tags", {"S": "not a list"}),
    ],
)
def test_a_damaged_file_hides_no_other(world: World, attribute: str, odd: dict[str, Any]) -> None:
    first, damaged, last = (an_asset(world, f"{name}.jpg") for name in ("a", "b", "c"))
    name = {"declaredSizeBytes": assets_store.AssetItem.declared_size_bytes.attr_name}
    world.client("dynamodb").update_item(
        TableName=world.settings.tables["assets"],
        Key={"accountId": {"S": "alice"}, "assetId": {"S": damaged}},
        UpdateExpression="SET #odd = :odd",
        ExpressionAttributeNames={"#odd": name.get(attribute, attribute)},
        ExpressionAttributeValues={":odd": odd},
    )

    seen = found(world)
    one = world.call("GET", f"/api/assets/{damaged}", user="alice")
    job = confirm(world, photo=damaged)

    assert {first, last} <= set(seen) and damaged not in seen
    assert one.status == 404
    assert (job.status, job.body["code"]) == (409, "ASSET_FAILED")
