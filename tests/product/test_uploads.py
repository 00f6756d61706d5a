"""Upload sessions: accepted files, signed links, and the end of a session."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import ASGITransport, AsyncClient, Response

from darkroom.api.app import create_app
from darkroom.api.auth import Caller, current_caller
from darkroom.api.routers import uploads
from darkroom.db import commit
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import UPLOAD_URL_SECONDS
from darkroom.plans.store import plan_write
from darkroom.uploads.policy import clean_name
from darkroom.usecases.uploads.fail_ingest import fail_ingest
from tests.support.builders import owner_of
from tests.support.world import World

SIGNED_AT = datetime(2026, 1, 5, 10, tzinfo=UTC)
PHOTO = {"filename": "us two.jpg", "sizeBytes": 11, "mimeType": "image/jpeg"}
ALICE = Caller(account_id="alice", groups=frozenset(), language="en", idempotency_key=None)


def open_upload(world: World, **changes: Any) -> dict[str, Any]:
    response = world.call("POST", "/api/uploads/session", {**PHOTO, **changes})
    assert response.status == 201, response.body
    return response.body


def send(world: World, session: dict[str, Any], content: bytes = b"hello world") -> None:
    world.client("s3").put_object(
        Bucket=world.settings.media_bucket,
        Key=session["storageKey"],
        Body=content,
        ContentType=session["headers"]["Content-Type"],
    )


def delete_as_alice(world: World, session: dict[str, Any]) -> Response:
    """Without the gateway's adapter, which adds a content type to an empty response."""
    api = create_app(uploads.router, app=world.app)
    api.dependency_overrides[current_caller] = lambda: ALICE

    async def delete() -> Response:
        async with AsyncClient(transport=ASGITransport(api), base_url="https://api") as client:
            return await client.delete(f"/api/uploads/{session['assetId']}")

    # Not asyncio.run: it leaves the thread without the loop that the adapter needs.
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(delete())
    finally:
        loop.close()


def is_stored(world: World, session: dict[str, Any]) -> bool:
    return world.app.storage.find(session["storageKey"]) is not None


def test_a_session_has_an_asset_and_a_link_to_upload_it(world: World) -> None:
    session = open_upload(world)

    assert session["assetId"].startswith("ast_")
    assert session["storageKey"] == f"quarantine/image/{owner_of(world)}/{session['assetId']}"
    assert session["headers"] == {"Content-Type": "image/jpeg"}
    assert session["partSize"] == 11
    assert session["expiresAt"] == "2026-01-05T10:00:00.000Z"


def test_the_link_is_signed_for_key_type_and_length(world: World) -> None:
    session = open_upload(world)

    [link] = session["uploadUrls"]
    url = urlsplit(link["url"])
    assert link["partNumber"] == 1
    assert session["storageKey"] in url.path
    signed = parse_qs(url.query)["X-Amz-SignedHeaders"][0].split(";")
    assert {"content-length", "content-type", "host"} <= set(signed)


def test_the_link_is_signed_for_the_type_that_the_client_declared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A signature contains the second of signing. Either module may sign.
    for module in ("botocore.auth", "botocore.crt.auth"):
        monkeypatch.setattr(f"{module}.get_current_datetime", lambda **_: SIGNED_AT)
    declared = [
        ("video/webm;codecs=vp9,opus", "recording.webm", "video/webm;codecs=vp9,opus"),
        ("Audio/X-WAV", "a.wav", "Audio/X-WAV"),
        (" image/pjpeg ", "a.jpg", "image/pjpeg"),
        ("", "IMG_1.HEIC", "image/heic"),
        ("application/octet-stream", "a.mov", "application/octet-stream"),
    ]

    sessions = [
        open_upload(world, mimeType=mime_type, filename=filename)
        for mime_type, filename, _ in declared
    ]

    for session, (_, _, signed) in zip(sessions, declared, strict=True):
        assert session["headers"] == {"Content-Type": signed}
        url = world.app.storage.upload_url(session["storageKey"], mime_type=signed, size_bytes=11)
        assert session["uploadUrls"][0]["url"] == url


def test_many_files_get_sessions_in_their_order(world: World) -> None:
    commit([plan_write("alice", plan="standard", operation="op")])
    files = [{**PHOTO, "filename": f"{number}.jpg"} for number in range(100)]

    response = world.call("POST", "/api/uploads/session", {"files": files})

    assert response.status == 201
    ids = [session["assetId"] for session in response.body["sessions"]]
    assert len(set(ids)) == 100 and ids == sorted(ids)
    first = world.call("GET", f"/api/assets/{ids[0]}")
    assert first.body["filename"] == "0.jpg"


def test_one_refused_file_refuses_them_all(world: World) -> None:
    files = [PHOTO, {**PHOTO, "mimeType": "image/gif"}]

    response = world.call("POST", "/api/uploads/session", {"files": files})

    assert (response.status, response.body["code"]) == (415, "UNSUPPORTED_TYPE")
    assert response.body["fields"][0]["path"] == "files.1.mimeType"
    assert world.call("GET", "/api/assets").body["items"] == []


DECLARED: list[tuple[dict[str, Any], int, str | None]] = [
    ({"sizeBytes": 10_000_000}, 201, None),
    ({"sizeBytes": 10_000_001}, 413, "FILE_TOO_LARGE"),
    ({"mimeType": "image/svg+xml"}, 415, "UNSUPPORTED_TYPE"),
    ({"mimeType": "video/mp4"}, 201, None),
    ({"mimeType": "video/quicktime", "sizeBytes": 500_000_000}, 201, None),
    ({"mimeType": "video/webm", "sizeBytes": 500_000_001}, 413, "FILE_TOO_LARGE"),
    ({"mimeType": "audio/mpeg", "sizeBytes": 100_000_001}, 201, None),
    ({"mimeType": "audio/x-m4a", "sizeBytes": 50_000_000_001}, 413, "FILE_TOO_LARGE"),
    ({"mimeType": "Audio/X-WAV"}, 201, None),
    ({"mimeType": "audio/webm"}, 201, None),
    ({"mimeType": "", "filename": "IMG_1.HEIC"}, 201, None),
    ({"mimeType": "", "filename": "IMG_1"}, 415, "UNSUPPORTED_TYPE"),
    ({"mimeType": "video/x-matroska"}, 415, "UNSUPPORTED_TYPE"),
    ({"mimeType": "image/png"}, 201, None),
    ({"mimeType": "image/webp"}, 201, None),
    ({"role": "bride"}, 201, None),
    ({"role": "x" * 41}, 400, "VALIDATION_FAILED"),
    ({"sizeBytes": 0}, 400, "VALIDATION_FAILED"),
    ({"sizeBytes": -1}, 400, "VALIDATION_FAILED"),
    ({"sizeBytes": 11.0}, 400, "VALIDATION_FAILED"),
    ({"sizeBytes": "11"}, 400, "VALIDATION_FAILED"),
    ({"sizeBytes": True}, 400, "VALIDATION_FAILED"),
    ({"userId": "bob"}, 400, "VALIDATION_FAILED"),
    ({"files": [PHOTO]}, 400, "VALIDATION_FAILED"),
    ({"filename": None}, 400, "VALIDATION_FAILED"),
    ({"filename": ""}, 400, "VALIDATION_FAILED"),
    ({"filename": "a\nb.jpg"}, 400, "VALIDATION_FAILED"),
]


def test_only_allowed_declarations_are_accepted(world: World) -> None:
    responses = [
        world.call("POST", "/api/uploads/session", {**PHOTO, **changes})
        for changes, _, _ in DECLARED
    ]

    for response, (changes, status, code) in zip(responses, DECLARED, strict=True):
        assert (response.status, response.body.get("code")) == (status, code), changes


def test_a_session_needs_one_file_or_up_to_a_hundred(world: World) -> None:
    bodies = [{}, {"files": []}, {"files": [PHOTO] * 101}, {"filename": "a.jpg"}, [], "{"]

    responses = [world.call("POST", "/api/uploads/session", body) for body in bodies]

    assert [response.status for response in responses] == [400] * len(bodies)
    assert {response.body["code"] for response in responses} == {"VALIDATION_FAILED"}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd.jpg", "passwd.jpg"),
        ("C:\\photos\\us.jpg", "us.jpg"),
        (" 우리 둘.jpg ", "우리 둘.jpg"),
        ("<b>&\"'.jpg", "<b>&\"'.jpg"),
        ("x" * 255, "x" * 255),
    ],
)
def test_the_last_part_of_a_path_is_the_name(sent: str, kept: str) -> None:
    assert clean_name(sent) == kept


@pytest.mark.parametrize("sent", ["", " ", "album/", "..", "a\x00b", "a\ud800b", "x" * 256])
def test_names_that_cannot_be_shown_or_stored_are_refused(sent: str) -> None:
    with pytest.raises(InvalidInput):
        clean_name(sent)


def test_the_same_key_opens_one_session(world: World) -> None:
    first = world.call("POST", "/api/uploads/session", PHOTO, key="k1")
    second = world.call("POST", "/api/uploads/session", PHOTO, key="k1")
    other = world.call("POST", "/api/uploads/session", {**PHOTO, "sizeBytes": 5}, key="k1")

    assert second.body == first.body
    assert second.headers["idempotent-replayed"] == "true"
    assert (other.status, other.body["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert len(world.call("GET", "/api/assets").body["items"]) == 1


def test_complete_before_anything_arrived_is_a_conflict(world: World) -> None:
    session = open_upload(world)

    response = world.call("POST", "/api/uploads/complete", {"assetId": session["assetId"]})

    assert (response.status, response.body["code"]) == (409, "UPLOAD_INCOMPLETE")
    assert response.body["assetId"] == session["assetId"]


def test_complete_checks_the_storage_and_a_repeat_changes_nothing(world: World) -> None:
    session = open_upload(world)
    send(world, session)
    body = {"assetId": session["assetId"], "etags": [{"partNumber": 1, "etag": '"x"'}]}

    first = world.call("POST", "/api/uploads/complete", body)
    second = world.call("POST", "/api/uploads/complete", body)

    assert first.status == second.status == 200
    assert first.body["asset"]["status"] == "checking"
    assert first.body == second.body


def test_a_check_that_ends_during_complete_is_not_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_upload(world)

    def checked_meanwhile(key: str) -> None:
        fail_ingest(world.app, account_id="alice", asset_id=session["assetId"])

    monkeypatch.setattr(world.app.storage, "find", checked_meanwhile)
    response = world.call("POST", "/api/uploads/complete", {"assetId": session["assetId"]})

    assert (response.status, response.body["asset"]["status"]) == (200, "failed")


def test_complete_refuses_unknown_uploads(world: World) -> None:
    bodies = [{}, {"assetId": 5}, {"assetId": "x", "accountId": "bob"}, {"assetId": "x" * 65}]

    responses = [world.call("POST", "/api/uploads/complete", body) for body in bodies]

    assert [response.status for response in responses] == [400] * len(bodies)


def test_an_upload_reports_what_has_arrived(world: World) -> None:
    session = open_upload(world)
    path = f"/api/uploads/{session['assetId']}"

    before = world.call("GET", path).body
    send(world, session)
    after = world.call("GET", path).body

    assert before == {
        "assetId": session["assetId"],
        "status": "uploading",
        "partSize": 11,
        "parts": [],
    }
    [part] = after["parts"]
    assert (part["partNumber"], part["sizeBytes"]) == (1, 11)
    assert part["etag"] == "5eb63bbbe01eeed093cb22bb8f5acdc3"


def test_links_can_be_signed_again_and_extend_the_upload(world: World) -> None:
    session = open_upload(world)
    world.clock.move(seconds=UPLOAD_URL_SECONDS - 1)

    path = f"/api/uploads/{session['assetId']}"
    response = world.call("POST", f"{path}/urls", {"partNumbers": [1]})
    world.advance_time(seconds=2)

    assert response.status == 200
    assert [link["partNumber"] for link in response.body["uploadUrls"]] == [1]
    assert response.body["expiresAt"] == "2026-01-05T10:59:59.000Z"
    assert world.call("GET", path).body["status"] == "uploading"


def test_only_parts_of_the_upload_can_be_signed(world: World) -> None:
    path = f"/api/uploads/{open_upload(world)['assetId']}/urls"
    wrong: list[Any] = [[], [0], [2], [1, 2], [True], ["1"], [10_001], [1] * 101, None]

    responses = [world.call("POST", path, {"partNumbers": numbers}) for numbers in wrong]

    assert [response.status for response in responses] == [400] * len(wrong)
    assert {response.body["code"] for response in responses} == {"VALIDATION_FAILED"}


def test_an_aborted_upload_leaves_no_trace(world: World) -> None:
    session = open_upload(world)
    send(world, session)

    first, second = (delete_as_alice(world, session) for _ in range(2))
    world.drain()

    assert (first.status_code, first.content) == (204, b"")
    assert (second.status_code, second.json()["code"]) == (404, "NOT_FOUND")
    assert not is_stored(world, session)
    assert world.call("GET", "/api/assets").body["items"] == []


def test_a_completed_upload_can_be_neither_signed_nor_aborted(world: World) -> None:
    session = open_upload(world)
    send(world, session)
    world.call("POST", "/api/uploads/complete", {"assetId": session["assetId"]})
    path = f"/api/uploads/{session['assetId']}"

    signed = world.call("POST", f"{path}/urls", {"partNumbers": [1]})
    aborted = world.call("DELETE", path)

    assert (signed.status, signed.body["code"]) == (409, "UPLOAD_CLOSED")
    assert (aborted.status, aborted.body["code"]) == (409, "UPLOAD_CLOSED")
    assert is_stored(world, session)


ROUTES = [
    ("POST", "/api/uploads/session", PHOTO),
    ("POST", "/api/uploads/complete", {"assetId": "{id}"}),
    ("GET", "/api/uploads/{id}", None),
    ("POST", "/api/uploads/{id}/urls", {"partNumbers": [1]}),
    ("DELETE", "/api/uploads/{id}", None),
]


def test_uploads_need_a_token(world: World) -> None:
    responses = [world.call(method, path, body, user=None) for method, path, body in ROUTES]

    assert [response.status for response in responses] == [401] * len(ROUTES)
    assert {response.body["code"] for response in responses} == {"UNAUTHORIZED"}


@pytest.mark.parametrize("kind", ["another account's", "missing", "no id"])
def test_another_accounts_upload_looks_missing(world: World, kind: str) -> None:
    session = open_upload(world)
    send(world, session)
    asset_id = {
        "another account's": session["assetId"],
        "missing": "ast_01KAH3T5B1C3D5E7F9G1H3J5K7",
        "no id": "ast_x",
    }[kind]

    responses = [
        world.call(
            method,
            path.replace("{id}", asset_id),
            {"assetId": asset_id} if path.endswith("complete") else body,
            user="bob",
        )
        for method, path, body in ROUTES[1:]
    ]

    assert [response.status for response in responses] == [404] * len(responses)
    assert {response.body["code"] for response in responses} == {"NOT_FOUND"}
    assert is_stored(world, session)
