"""Multipart uploads: parts, signed links, resuming, completing and aborting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.adapters.storage import StoredPart
from darkroom.assets import store as assets_store
from darkroom.db import commit
from darkroom.kernel.limits import (
    MULTIPART_LIMIT_SECONDS,
    MULTIPART_SECONDS,
    PARTS_LIMIT,
    SINGLE_PUT_LIMIT_BYTES,
    UPLOAD_LIMIT_BYTES,
    UPLOAD_URL_SECONDS,
)
from darkroom.plans.storage_store import Stored, find_stored
from darkroom.plans.store import plan_write
from darkroom.uploads import parts
from tests.support.crash import Call, Fault, Point, Wire
from tests.support.world import World

MIB = 1 << 20
SIZE = 12 * MIB
"""Three parts of 5, 5 and 2 MiB, once single PUTs are made smaller."""
CONTENT = bytes(range(256)) * (SIZE // 256)
CLIP = {"filename": "trip.mp4", "sizeBytes": SIZE, "mimeType": "video/mp4"}


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SINGLE_PUT_LIMIT_BYTES", MIB)
    monkeypatch.setattr(parts, "PART_MIN_BYTES", 5 * MIB)


@pytest.fixture
def session(world: World, small_parts: None) -> dict[str, Any]:
    response = world.call("POST", "/api/uploads/session", CLIP)
    assert response.status == 201, response.body
    return response.body


def upload_id(session: dict[str, Any]) -> str:
    asset = assets_store.get_asset("alice", session["assetId"])
    assert asset.upload_id is not None
    return asset.upload_id


def send(world: World, session: dict[str, Any], *numbers: int, content: bytes = CONTENT) -> None:
    size = session["partSize"]
    for number in numbers:
        world.client("s3").upload_part(
            Bucket=world.settings.media_bucket,
            Key=session["storageKey"],
            UploadId=upload_id(session),
            PartNumber=number,
            Body=content[(number - 1) * size : number * size],
        )


def complete(world: World, session: dict[str, Any], **more: Any) -> Any:
    return world.call("POST", "/api/uploads/complete", {"assetId": session["assetId"], **more})


def arrived(world: World, session: dict[str, Any]) -> Any:
    return world.call("GET", f"/api/uploads/{session['assetId']}").body


def open_uploads(world: World) -> list[str]:
    listed = world.client("s3").list_multipart_uploads(Bucket=world.settings.media_bucket)
    return [upload["UploadId"] for upload in listed.get("Uploads", [])]


def is_stored(world: World, session: dict[str, Any]) -> bool:
    return world.app.storage.find(session["storageKey"]) is not None


# Part sizes


@given(st.integers(SINGLE_PUT_LIMIT_BYTES + 1, UPLOAD_LIMIT_BYTES))
def test_parts_of_every_size_are_within_the_limits_of_the_storage(size_bytes: int) -> None:
    part_size = parts.part_size_of(size_bytes)
    count = parts.part_count(size_bytes, part_size)

    lengths = [parts.part_length(size_bytes, part_size, n) for n in (1, count - 1, count)]

    assert 1 < count <= PARTS_LIMIT
    assert part_size >= 8 * MIB
    assert lengths[0] == part_size
    assert 0 < lengths[2] <= part_size
    assert part_size * (count - 1) + lengths[2] == size_bytes


def test_only_files_larger_than_a_put_have_parts() -> None:
    assert not parts.is_cut(SINGLE_PUT_LIMIT_BYTES)
    assert parts.is_cut(SINGLE_PUT_LIMIT_BYTES + 1)


@given(st.data())
def test_a_part_is_missing_if_it_is_absent_short_or_different(data: st.DataObject) -> None:
    size, part_size = data.draw(st.integers(2, 90)), data.draw(st.integers(1, 30))
    numbers = range(1, parts.part_count(size, part_size) + 1)
    absent, short, other = (data.draw(st.sets(st.sampled_from(numbers))) for _ in range(3))
    there = [
        StoredPart(n, parts.part_length(size, part_size, n) - (n in short), f"e{n}")
        for n in numbers
        if n not in absent
    ]
    claimed = {n: '"other"' if n in other else f'"E{n}"' for n in numbers}

    missing = parts.missing_parts(there, size_bytes=size, part_size_bytes=part_size)
    wrong = parts.missing_parts(there, size_bytes=size, part_size_bytes=part_size, claimed=claimed)

    assert missing == sorted(absent | short)
    assert wrong == sorted(absent | short | other)


# Sessions


def test_a_session_of_50_gb_returns_the_first_hundred_links(world: World) -> None:
    commit([plan_write("alice", plan="professional", operation="op")])

    session = world.call(
        "POST", "/api/uploads/session", {**CLIP, "sizeBytes": UPLOAD_LIMIT_BYTES}
    ).body

    numbers = [link["partNumber"] for link in session["uploadUrls"]]
    assert numbers == list(range(1, 101))
    assert session["headers"] == {}
    assert 8 * MIB <= session["partSize"] <= 64 * MIB
    assert len(open_uploads(world)) == 1


def test_links_are_signed_for_one_part_and_its_length(session: dict[str, Any]) -> None:
    links = session["uploadUrls"]

    queries = [parse_qs(urlsplit(link["url"]).query) for link in links]

    assert session["partSize"] == 5 * MIB
    assert [query["partNumber"] for query in queries] == [["1"], ["2"], ["3"]]
    assert {query["uploadId"][0] for query in queries} == {upload_id(session)}
    assert all("content-length" in query["X-Amz-SignedHeaders"][0] for query in queries)


def test_a_hundred_links_are_shared_by_all_files_of_a_request(world: World) -> None:
    files = [{**CLIP, "sizeBytes": 400_000_000}, {**CLIP, "sizeBytes": 400_000_000}]

    sessions = world.call("POST", "/api/uploads/session", {"files": files}).body["sessions"]

    assert [len(session["uploadUrls"]) for session in sessions] == [48, 48]


def test_links_of_later_parts_are_returned_on_request(
    world: World, session: dict[str, Any]
) -> None:
    path = f"/api/uploads/{session['assetId']}/urls"

    response = world.call("POST", path, {"partNumbers": [3, 2, 3]})
    beyond = world.call("POST", path, {"partNumbers": [4]})

    assert [link["partNumber"] for link in response.body["uploadUrls"]] == [2, 3]
    assert response.body["expiresAt"] == "2026-01-05T10:00:00.000Z"
    assert (beyond.status, beyond.body["code"]) == (400, "VALIDATION_FAILED")


# Resuming


def test_the_status_lists_each_part_that_arrived(world: World, session: dict[str, Any]) -> None:
    before = arrived(world, session)
    send(world, session, 3, 1)

    after = arrived(world, session)

    assert (before["partSize"], before["parts"]) == (5 * MIB, [])
    assert [(p["partNumber"], p["sizeBytes"]) for p in after["parts"]] == [
        (1, 5 * MIB),
        (3, 2 * MIB),
    ]
    assert all(len(part["etag"]) == 32 for part in after["parts"])


def test_more_than_a_page_of_parts_is_listed(
    world: World, session: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    send(world, session, 1, 2, 3)
    monkeypatch.setattr(world.app.storage, "_parts_after", _paged(world))

    listed = world.app.storage.list_parts(session["storageKey"], upload_id(session))

    assert [part.part_number for part in listed or []] == [1, 2, 3]


def _paged(world: World) -> Any:
    """One part a page: the emulator never reports that there are more."""
    real = world.app.storage._parts_after

    def page(key: str, upload: str, after: int) -> Any:
        response = real(key, upload, after)
        found = [p for p in response.get("Parts", []) if p["PartNumber"] > after]
        return {
            "Parts": found[:1],
            "IsTruncated": len(found) > 1,
            "NextPartNumberMarker": found[0]["PartNumber"] if found else 0,
        }

    return page


def test_an_upload_in_parts_outlives_its_links(world: World, session: dict[str, Any]) -> None:
    send(world, session, 1)
    world.advance_time(seconds=UPLOAD_URL_SECONDS * 5)

    path = f"/api/uploads/{session['assetId']}/urls"
    signed = world.call("POST", path, {"partNumbers": [2, 3]})
    world.advance_time(seconds=MULTIPART_SECONDS - 1)
    send(world, session, 2, 3)

    assert signed.status == 200
    assert complete(world, session).body["asset"]["status"] == "checking"


def test_new_links_do_not_extend_an_upload_beyond_its_limit(
    world: World, session: dict[str, Any]
) -> None:
    path = f"/api/uploads/{session['assetId']}/urls"
    days = MULTIPART_LIMIT_SECONDS // MULTIPART_SECONDS

    for _ in range(days + 1):
        world.call("POST", path, {"partNumbers": [1]})
        world.advance_time(seconds=MULTIPART_SECONDS - 60)
    world.advance_time(seconds=MULTIPART_SECONDS)

    assert arrived(world, session)["status"] == "failed"
    assert open_uploads(world) == []


# Completing


def test_complete_names_the_parts_that_are_missing(world: World, session: dict[str, Any]) -> None:
    send(world, session, 2)

    response = complete(world, session)

    assert (response.status, response.body["code"]) == (409, "UPLOAD_INCOMPLETE")
    assert response.body["missingParts"] == [1, 3]
    assert arrived(world, session)["status"] == "uploading"


def test_a_part_of_the_wrong_length_is_missing(world: World, session: dict[str, Any]) -> None:
    send(world, session, 1, 2)
    send(world, session, 3, content=CONTENT[:-1])

    assert complete(world, session).body["missingParts"] == [3]


def test_parts_with_other_etags_are_missing(world: World, session: dict[str, Any]) -> None:
    send(world, session, 1, 2, 3)
    etags = [
        {"partNumber": part["partNumber"], "etag": f'"{part["etag"]}"'}
        for part in arrived(world, session)["parts"]
    ]
    wrong = [*etags[:2], {"partNumber": 3, "etag": '"0"'}]

    refused, taken = (complete(world, session, etags=sent) for sent in (wrong, etags))

    assert (refused.status, refused.body["missingParts"]) == (409, [3])
    assert taken.body["asset"]["status"] == "checking"


def test_complete_needs_no_etags_and_repeating_it_changes_nothing(
    world: World, session: dict[str, Any]
) -> None:
    send(world, session, 1, 2, 3)

    first, second = complete(world, session), complete(world, session)

    assert first.status == second.status == 200
    assert first.body == second.body
    assert world.app.storage.read(session["storageKey"], limit_bytes=SIZE) == CONTENT
    assert [part["sizeBytes"] for part in arrived(world, session)["parts"]] == [
        5 * MIB,
        5 * MIB,
        2 * MIB,
    ]


def test_a_complete_with_a_lost_storage_response_can_be_repeated(
    world: World, session: dict[str, Any]
) -> None:
    send(world, session, 1, 2, 3)
    listed = world.app.storage.list_parts(session["storageKey"], upload_id(session))
    world.app.storage.join_parts(session["storageKey"], upload_id(session), listed or [])

    response = complete(world, session)

    assert (response.status, response.body["asset"]["status"]) == (200, "checking")


def test_an_upload_that_the_storage_has_dropped_is_incomplete(
    world: World, session: dict[str, Any]
) -> None:
    world.app.storage.abort_parts(session["storageKey"], upload_id(session))

    response = complete(world, session)

    assert (response.status, response.body["code"]) == (409, "UPLOAD_INCOMPLETE")
    assert arrived(world, session)["parts"] == []


# Expired and aborted uploads


def test_parts_of_an_expired_upload_are_deleted(world: World, session: dict[str, Any]) -> None:
    send(world, session, 1, 2)

    world.advance_time(seconds=MULTIPART_SECONDS)

    asset = world.call("GET", f"/api/assets/{session['assetId']}").body
    assert (asset["status"], asset["errorCode"]) == ("failed", "UPLOAD_EXPIRED")
    assert open_uploads(world) == []
    assert find_stored("alice") == Stored()


def test_the_sweeper_deletes_parts_when_the_stream_record_was_lost(
    world: World, session: dict[str, Any]
) -> None:
    send(world, session, 1)
    world.clock.move(seconds=MULTIPART_SECONDS)
    world.sweep()
    world.take_changes()  # lost
    left = open_uploads(world)

    world.clock.move(minutes=11)
    world.sweep()

    assert len(left) == 1
    assert open_uploads(world) == []


def test_an_upload_with_all_parts_is_completed_for_a_client_that_stopped(
    world: World, session: dict[str, Any]
) -> None:
    send(world, session, 1, 2, 3)

    world.advance_time(seconds=MULTIPART_SECONDS)

    assert arrived(world, session)["status"] == "checking"
    assert world.app.storage.read(session["storageKey"], limit_bytes=SIZE) == CONTENT
    assert queued_checks(world) == [session["assetId"]]


def queued_checks(world: World) -> list[str]:
    messages = world.client("sqs").receive_message(QueueUrl=world.settings.ingest_media_queue_url)
    return [json.loads(m["Body"])["assetId"] for m in messages.get("Messages", [])]


@pytest.mark.parametrize("verb", ["/api/uploads/{id}", "/api/assets/{id}"])
def test_an_aborted_upload_leaves_no_parts(
    world: World, session: dict[str, Any], verb: str
) -> None:
    send(world, session, 1)

    response = world.call("DELETE", verb.format(id=session["assetId"]))
    world.drain()

    assert response.status == 204
    assert open_uploads(world) == []
    assert complete(world, session).status == 404
    assert find_stored("alice") == Stored()


def test_parts_that_arrived_after_an_abort_are_deleted_with_the_tombstone(
    world: World, session: dict[str, Any]
) -> None:
    world.call("DELETE", f"/api/uploads/{session['assetId']}")
    world.take_changes()  # lost, so that the parts are still there
    left = open_uploads(world)

    world.clock.move(seconds=UPLOAD_URL_SECONDS)
    world.sweep()

    assert len(left) == 1
    assert open_uploads(world) == []
    assert not is_stored(world, session)


# Crashes at any point


def give_up(world: World, session: dict[str, Any]) -> None:
    world.call("DELETE", f"/api/uploads/{session['assetId']}")


def expire(world: World, session: dict[str, Any]) -> None:
    world.clock.move(seconds=MULTIPART_SECONDS)
    world.sweep()


ENDS: dict[str, tuple[Any, tuple[int, ...], str | None]] = {
    "complete": (complete, (1, 2, 3), "checking"),
    "give up": (give_up, (1, 2), None),
    "expire": (expire, (1, 2), "failed"),
    "expire, all there": (expire, (1, 2, 3), "checking"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDS)
def test_an_upload_ends_the_same_wherever_its_end_crashes(
    world: World, small_parts: None, name: str
) -> None:
    """Every fault at every call; then the caller repeats, and stream and sweeper run."""
    act, numbers, status = ENDS[name]

    def perform(point: Point | None) -> list[Call]:
        session = world.call("POST", "/api/uploads/session", CLIP).body
        send(world, session, *numbers)
        wire = Wire(world)
        with wire.armed(point):
            act(world, session)
        act(world, session)
        world.advance_time(minutes=11)
        found = assets_store.find_asset("alice", session["assetId"])
        assert (found and found.status.value) == status, point
        assert open_uploads(world) == [], point
        assert is_stored(world, session) == (status == "checking"), point
        world.call("DELETE", f"/api/assets/{session['assetId']}")
        world.advance_time(seconds=UPLOAD_URL_SECONDS)
        assert find_stored("alice") == Stored(), point
        assert not is_stored(world, session), point
        return list(wire.calls)

    calls = perform(None)
    for place, call in enumerate(calls):
        for fault in call.faults():
            # The emulator fails on a join that is repeated; the real storage does not.
            if not (fault is Fault.RESENT and call.name == "s3.CompleteMultipartUpload"):
                perform(Point(place, call, fault))

    assert len(calls) > 1


def test_only_media_may_be_so_large(world: World) -> None:
    photo = {"filename": "a.jpg", "sizeBytes": 10_000_001, "mimeType": "image/jpeg"}

    response = world.call("POST", "/api/uploads/session", photo)

    assert (response.status, response.body["code"]) == (413, "FILE_TOO_LARGE")


@pytest.fixture(autouse=True)
def counters_are_checked(world: World) -> Iterator[None]:
    """After each test the counters agree with the assets."""
    yield
    assets, _ = assets_store.list_assets("alice", limit=100)
    counted = Stored(
        used_bytes=sum(asset.counted_bytes for asset in assets),
        open_uploads=sum(asset.counted_uploads for asset in assets),
    )
    assert find_stored("alice") == counted
