"""Ingest: one result per upload with lost, late and repeated storage events; and its sweep."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, quote_plus, urlsplit

import pytest
from botocore.client import BaseClient
from PIL import Image

from darkroom.assets import store as assets_store
from darkroom.kernel.errors import InvalidInput, Unavailable
from darkroom.kernel.limits import (
    CHECKING_LIMIT_SECONDS,
    CHECKS_LIMIT,
    FACES_CHECK_SECONDS,
    UPLOAD_URL_SECONDS,
)
from darkroom.uploads.inspection.checks import check_picture
from darkroom.uploads.ports import (
    CheckUpload,
    CleanFile,
    CleanUpload,
    FaceBox,
    FaceCheckUnavailable,
    FindFaces,
    UploadRefused,
)
from darkroom.usecases.sweeps.sweep_uploads import sweep_uploads
from darkroom.usecases.uploads.abort_upload import abort_upload
from darkroom.usecases.uploads.fail_ingest import fail_ingest
from darkroom.workers.edge import metrics
from darkroom.workers.ingest import assets_of, handle_ingest_message
from tests.support.builders import owner_of
from tests.support.media_files import Track, write_media, write_tracks
from tests.support.world import World

EVENTS = Path(__file__).resolve().parents[2] / "events"
PICTURE = b"a picture"
A_FACE = FaceBox(x=0.4, y=0.2, width=0.1, height=0.15)
PATHS = {"PYTHONPATH": str(EVENTS.parent / "layers/core/python")}


def paper_picture(workdir: Path, jpeg: bytes, *, kind: str = "image") -> CleanUpload:
    for name, body in {"image.jpg": jpeg, "thumbnail.jpg": b"small"}.items():
        (workdir / name).write_bytes(body)
    files = [
        CleanFile(name=name, mime_type="image/jpeg", path=workdir / name)
        for name in ("image.jpg", "thumbnail.jpg")
    ]
    return CleanUpload(
        kind=kind,
        mime_type="image/png",
        copy=files[0],
        thumbnail=files[1],
        width=640,
        height=480,
        faces=(A_FACE, A_FACE),
    )


class PaperCheck:
    """Stands in for Pillow: a text that starts with "a picture" is a picture."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def __call__(self, source: Path, workdir: Path, /) -> CleanUpload:
        content = source.read_bytes()
        self.seen.append(content)
        if not content.startswith(PICTURE):
            raise UploadRefused("no picture", code="UNSUPPORTED_TYPE")
        return paper_picture(workdir, b"clean " + content)


@pytest.fixture(autouse=True)
def no_metrics_pile_up() -> Iterator[None]:
    """A handler flushes metrics after each batch; these tests have no handler."""
    yield
    metrics.clear_metrics()


@pytest.fixture
def check() -> PaperCheck:
    return PaperCheck()


@dataclass(frozen=True)
class Upload:
    world: World
    asset_id: str
    key: str

    def send(self, content: bytes = PICTURE) -> None:
        self.world.app.storage.write(self.key, content, mime_type="image/jpeg")

    def event(self, name: str = "ObjectCreated:Put", key: str | None = None) -> dict[str, Any]:
        notice = {"eventName": name, "s3": {"object": {"key": quote_plus(key or self.key)}}}
        return {"body": json.dumps({"Records": [notice]}), "messageId": "m"}

    def asset(self) -> dict[str, Any]:
        response = self.world.call("GET", f"/api/assets/{self.asset_id}", user="alice+1")
        assert response.status == 200
        return {name: value for name, value in response.body.items() if not name.endswith("Url")}

    def complete(self) -> dict[str, Any]:
        body = {"assetId": self.asset_id}
        return self.world.call("POST", "/api/uploads/complete", body, user="alice+1").body

    @property
    def is_quarantined(self) -> bool:
        return self.world.app.storage.find(self.key) is not None

    def stored(self, name: str) -> bytes | None:
        key = f"clean/{owner_of(self.world, 'alice+1')}/{self.asset_id}/{name}"
        if self.world.app.storage.find(key) is None:
            return None
        return self.world.app.storage.read(key, limit_bytes=1 << 20)


def begin(
    world: World,
    size_bytes: int = len(PICTURE),
    *,
    mime_type: str = "image/jpeg",
    filename: str = "us.png",
) -> Upload:
    body = {"filename": filename, "sizeBytes": size_bytes, "mimeType": mime_type}
    # An account id that storage events have to encode.
    session = world.call("POST", "/api/uploads/session", body, user="alice+1").body
    return Upload(world, session["assetId"], session["storageKey"])


def test_a_checked_upload_has_clean_copies_and_an_empty_quarantine(
    world: World, check: PaperCheck
) -> None:
    upload = begin(world)
    upload.send()

    outcome = handle_ingest_message(world.app, upload.event(), check=check)

    asset = upload.asset()
    assert (outcome, asset["status"]) == ("uploaded", "uploaded")
    assert (asset["mimeType"], asset["sizeBytes"]) == ("image/png", len(PICTURE))
    assert (asset["width"], asset["height"]) == (640, 480)
    assert upload.stored("image.jpg") == b"clean a picture"
    assert upload.stored("thumbnail.jpg") == b"small"
    assert not upload.is_quarantined


def test_the_event_completes_an_upload_that_the_client_does_not(
    world: World, check: PaperCheck
) -> None:
    upload = begin(world)
    upload.send()

    handle_ingest_message(world.app, upload.event(), check=check)

    assert upload.complete()["asset"]["status"] == "uploaded"
    parts = world.call("GET", f"/api/uploads/{upload.asset_id}", user="alice+1").body["parts"]
    assert [(part["partNumber"], part["sizeBytes"]) for part in parts] == [(1, len(PICTURE))]


def test_the_event_after_complete_gives_the_same_asset(world: World, check: PaperCheck) -> None:
    early, late = begin(world), begin(world)
    early.send()
    late.send()

    handle_ingest_message(world.app, early.event(), check=check)
    early.complete()
    late.complete()
    handle_ingest_message(world.app, late.event(), check=check)

    assert {**early.asset(), "assetId": ""} == {**late.asset(), "assetId": ""}


def without_links(asset: dict[str, Any]) -> dict[str, Any]:
    """Links change with the time."""
    return {name: asset[name] for name in asset if name != "expiresAt" and "Url" not in name}


def test_repeated_events_change_nothing(world: World, check: PaperCheck) -> None:
    upload = begin(world)
    upload.send()
    handle_ingest_message(world.app, upload.event(), check=check)
    before = upload.asset()

    world.clock.move(seconds=5)
    outcomes = [handle_ingest_message(world.app, upload.event(), check=check) for _ in range(2)]

    assert outcomes == ["ignored", "ignored"]
    assert without_links(upload.asset()) == without_links(before)
    assert len(check.seen) == 1


def test_content_sent_again_after_the_check_is_deleted(world: World, check: PaperCheck) -> None:
    upload = begin(world)
    upload.send()
    handle_ingest_message(world.app, upload.event(), check=check)
    before = upload.asset()

    upload.send(b"a picture of something else")
    outcome = handle_ingest_message(world.app, upload.event(), check=check)

    assert outcome == "ignored"
    assert upload.asset() == before
    assert upload.stored("image.jpg") == b"clean a picture"
    assert not upload.is_quarantined


def test_content_replaced_during_the_check_is_checked_instead(
    world: World, check: PaperCheck
) -> None:
    upload = begin(world)
    upload.send(b"a picturX")

    def replacing(source: Path, workdir: Path, /) -> CleanUpload:
        upload.send()
        return check(source, workdir)

    handle_ingest_message(world.app, upload.event(), check=replacing)

    assert upload.asset()["status"] == "uploaded"
    assert upload.stored("image.jpg") == b"clean a picture"


def test_content_that_keeps_changing_is_checked_later(world: World) -> None:
    upload = begin(world)
    upload.send()
    versions = iter(b"0123456789")

    def replacing(source: Path, workdir: Path, /) -> CleanUpload:
        upload.send(PICTURE[:-1] + bytes([next(versions)]))
        return paper_picture(workdir, source.read_bytes())

    with pytest.raises(Unavailable):
        handle_ingest_message(world.app, upload.event(), check=replacing)

    assert upload.asset()["status"] == "uploading"
    assert upload.is_quarantined


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"hello you", "UNSUPPORTED_TYPE"),
        (b"", "CORRUPT_FILE"),
        (PICTURE + b"!", "FILE_TOO_LARGE"),
        (PICTURE[:-1], "UPLOAD_INCOMPLETE"),
    ],
)
def test_content_that_differs_from_its_declaration_fails(
    world: World, check: PaperCheck, content: bytes, code: str
) -> None:
    upload = begin(world)
    upload.send(content)

    outcome = handle_ingest_message(world.app, upload.event(), check=check)

    asset = upload.asset()
    assert (outcome, asset["status"], asset["errorCode"]) == ("failed", "failed", code)
    assert asset["errorMessage"]
    assert upload.stored("image.jpg") is None
    assert not upload.is_quarantined


def test_a_failure_has_a_message_in_the_callers_language(world: World, check: PaperCheck) -> None:
    upload = begin(world)
    upload.send(b"hello you")
    handle_ingest_message(world.app, upload.event(), check=check)

    path = f"/api/assets/{upload.asset_id}"
    korean = world.call("GET", path, user="alice+1", headers={"accept-language": "ko"})

    assert korean.body["errorCode"] == upload.asset()["errorCode"]
    assert korean.body["errorMessage"] != upload.asset()["errorMessage"]


def test_an_upload_aborted_during_its_check_leaves_nothing(world: World, check: PaperCheck) -> None:
    upload = begin(world)
    upload.send()

    def aborting(source: Path, workdir: Path, /) -> CleanUpload:
        abort_upload(world.app, account_id="alice+1", asset_id=upload.asset_id)
        upload.send()  # A second PUT that was in progress.
        return check(source, workdir)

    outcome = handle_ingest_message(world.app, upload.event(), check=aborting)

    assert outcome == "unknown"
    assert not upload.is_quarantined
    assert upload.stored("image.jpg") is None and upload.stored("thumbnail.jpg") is None


@pytest.mark.parametrize(
    "key",
    [
        "quarantine/image/alice/../x",
        "quarantine/image/ast_01KAH3T5B1C3D5E7F9G1H3J5K7",
        "quarantine/image/a/b",
        "quarantine/a/ast_01KAH3T5B1C3D5E7F9G1H3J5K7",
        "quarantine/other/a/ast_01KAH3T5B1C3D5E7F9G1H3J5K7",
    ],
)
def test_objects_under_keys_without_an_upload_are_deleted(
    world: World, check: PaperCheck, key: str
) -> None:
    upload = begin(world)
    world.app.storage.write(key, PICTURE, mime_type="image/jpeg")

    outcome = handle_ingest_message(world.app, upload.event(key=key), check=check)

    assert outcome == "discarded"
    assert world.app.storage.find(key) is None


def test_only_quarantine_is_ever_emptied(world: World, check: PaperCheck) -> None:
    upload = begin(world)
    world.app.storage.write("clean/alice/x", PICTURE, mime_type="image/jpeg")

    handle_ingest_message(world.app, upload.event(key="clean/alice/x"), check=check)

    assert world.app.storage.find("clean/alice/x") is not None


def test_an_event_without_content_leaves_the_upload_open(world: World, check: PaperCheck) -> None:
    upload = begin(world)

    assert handle_ingest_message(world.app, upload.event(), check=check) == "absent"
    assert upload.asset()["status"] == "uploading"


def test_the_test_event_of_s3_is_ignored(world: World, check: PaperCheck) -> None:
    [record] = json.loads((EVENTS / "ingest_image_test_event.json").read_text())["Records"]

    assert handle_ingest_message(world.app, record, check=check) == "nothing"


def test_removal_events_are_ignored(world: World, check: PaperCheck) -> None:
    upload = begin(world)

    event = upload.event("ObjectRemoved:Delete")

    assert handle_ingest_message(world.app, event, check=check) == "nothing"


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "[]",
        "{}",
        '{"Records": [{}]}',
        '{"Records": 5}',
        '{"schemaVersion": 1, "accountId": 5}',
        '{"schemaVersion": 1, "accountId": "a", "assetId": "b", "lane": "c"}',
        '{"schemaVersion": 99, "accountId": "a", "assetId": "b"}',
    ],
)
def test_invalid_messages_are_refused(body: str) -> None:
    with pytest.raises(InvalidInput):
        assets_of({"body": body})


class Stopped(BaseException):
    """The process has ended; no exception handler can catch this."""


@contextmanager
def stopped_at(number: int, *, after: bool) -> Iterator[None]:
    sdk: Any = BaseClient
    original, calls = sdk._make_api_call, 0

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != number:
            return original(self, *args, **kwargs)
        if after:
            original(self, *args, **kwargs)
        raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", counting)
        yield


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("content", [PICTURE, b"hello you"])
def test_a_check_that_crashed_at_any_point_gives_the_same_result(
    world: World, check: PaperCheck, content: bytes, after: bool
) -> None:
    smooth = begin(world)
    smooth.send(content)
    handle_ingest_message(world.app, smooth.event(), check=check)

    stops = 0
    for number in range(1, 20):
        upload = begin(world)
        upload.send(content)
        try:
            with stopped_at(number, after=after):
                handle_ingest_message(world.app, upload.event(), check=check)
        except Stopped:
            stops += 1
        handle_ingest_message(world.app, upload.event(), check=check)

        assert {**upload.asset(), "assetId": ""} == {**smooth.asset(), "assetId": ""}
        assert upload.stored("image.jpg") == smooth.stored("image.jpg")
        assert not upload.is_quarantined
    assert stops >= 6


def test_the_sweeper_replaces_a_lost_event(world: World, check: PaperCheck) -> None:
    upload = begin(world)
    upload.send()

    world.clock.move(seconds=UPLOAD_URL_SECONDS)
    done = world.sweep()

    assert done["upload_check_asked"] == 1
    assert upload.asset()["status"] == "checking"
    assert ingest_all(world, check) == ["uploaded"]


def test_a_lost_check_is_requested_again(world: World, check: PaperCheck) -> None:
    upload = begin(world)
    upload.send()
    upload.complete()

    world.clock.move(seconds=CHECKING_LIMIT_SECONDS)
    world.sweep()

    assert ingest_all(world, check) == ["uploaded"]


def test_a_check_that_never_succeeds_is_given_up(world: World) -> None:
    upload = begin(world)
    upload.send()
    upload.complete()

    for _ in range(CHECKS_LIMIT + 1):
        assert upload.asset()["status"] == "checking"
        world.clock.move(seconds=CHECKING_LIMIT_SECONDS)
        world.sweep()

    assert (upload.asset()["status"], upload.asset()["errorCode"]) == ("failed", "CORRUPT_FILE")


def test_an_upload_that_never_arrives_expires(world: World) -> None:
    upload = begin(world)

    world.clock.move(seconds=UPLOAD_URL_SECONDS - 1)
    early = world.sweep()
    world.clock.move(seconds=1)
    due = world.sweep()

    assert early.get("upload_expired", 0) == 0 and due["upload_expired"] == 1
    assert (upload.asset()["status"], upload.asset()["errorCode"]) == ("failed", "UPLOAD_EXPIRED")


def test_one_broken_asset_does_not_stop_the_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = begin(world), begin(world)
    find = world.app.storage.find

    def failing(key: str) -> Any:
        if key == first.key:
            raise RuntimeError("storage is down")
        return find(key)

    world.clock.move(seconds=UPLOAD_URL_SECONDS)
    monkeypatch.setattr(world.app.storage, "find", failing)
    reported: list[str] = []
    done = sweep_uploads(world.app, lambda item, error: reported.append(item))

    assert (done["error"], done["expired"]) == (1, 1)
    assert reported == [f"alice+1 {first.asset_id}"]
    assert second.asset()["errorCode"] == "UPLOAD_EXPIRED"


def test_a_dead_letter_fails_its_asset_once(world: World) -> None:
    upload = begin(world)
    upload.send()
    [(account_id, asset_id)] = assets_of(upload.event())

    first = fail_ingest(world.app, account_id=account_id, asset_id=asset_id)
    second = fail_ingest(world.app, account_id=account_id, asset_id=asset_id)

    assert (first, second) == (True, False)
    assert (upload.asset()["status"], upload.asset()["errorCode"]) == ("failed", "CORRUPT_FILE")


def test_the_event_after_a_failure_only_cleans_up(world: World, check: PaperCheck) -> None:
    upload = begin(world)
    upload.send()
    fail_ingest(world.app, account_id="alice+1", asset_id=upload.asset_id)

    assert handle_ingest_message(world.app, upload.event(), check=check) == "ignored"
    assert upload.asset()["errorCode"] == "CORRUPT_FILE"
    assert not upload.is_quarantined


def test_a_real_photo_is_rotated_and_its_metadata_is_stripped(world: World) -> None:
    photo = Image.new("RGB", (40, 20), "teal")
    exif = Image.Exif()
    exif[0x0112] = 6  # Turn by 90 degrees.
    exif[0x010E] = "where I live"
    encoded = io.BytesIO()
    photo.save(encoded, "JPEG", exif=exif)
    upload = begin(world, len(encoded.getvalue()))
    upload.send(encoded.getvalue())

    handle_ingest_message(world.app, upload.event())

    asset = upload.asset()
    assert (asset["status"], asset["mimeType"]) == ("uploaded", "image/jpeg")
    assert (asset["width"], asset["height"]) == (20, 40)
    clean = upload.stored("image.jpg")
    assert clean is not None and b"where I live" not in clean


def test_text_declared_as_a_picture_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"this is not a jpeg at all")

    with pytest.raises(UploadRefused) as refused:
        check_picture(source, tmp_path)

    assert refused.value.error_code == "UNSUPPORTED_TYPE"


def test_pillow_is_imported_only_with_the_first_picture() -> None:
    program = "import sys, darkroom.workers.ingest, darkroom.api.routers.uploads; "
    program += "assert not {'PIL', 'numpy', 'av', 'ai_edge_litert'} & set(sys.modules)"

    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, **PATHS})


# --- Videos and sounds ------------------------------------------------------------------------


def send_media(world: World, path: Path, mime_type: str) -> Upload:
    content = path.read_bytes()
    upload = begin(world, len(content), mime_type=mime_type, filename="우리.MOV")
    upload.send(content)
    return upload


def test_a_video_becomes_usable_with_its_length_and_thumbnail(world: World, tmp_path: Path) -> None:
    path = write_media(tmp_path / "f", "mp4", video="libx264", audio="aac")
    upload = send_media(world, path, "video/mp4")

    outcome = handle_ingest_message(world.app, upload.event())

    response = world.call("GET", f"/api/assets/{upload.asset_id}", user="alice+1").body
    assert (outcome, response["status"], response["kind"]) == ("uploaded", "uploaded", "video")
    assert (response["mimeType"], response["width"], response["height"]) == ("video/mp4", 160, 90)
    assert response["durationMs"] == pytest.approx(2000, abs=60)
    assert "faces" not in response and "note" not in response
    link = parse_qs(urlsplit(response["downloadUrl"]).query)
    assert link["response-content-type"] == ["video/mp4"]
    assert link["response-content-disposition"][0].endswith(quote("우리.mp4"))
    assert upload.key.startswith("quarantine/media/") and not upload.is_quarantined
    asset = assets_store.get_asset("alice+1", upload.asset_id)
    assert asset.clean_key == f"clean/{owner_of(world, 'alice+1')}/{upload.asset_id}/media.mp4"
    assert asset.clean_mime_type == "video/mp4"
    assert upload.stored("media.mp4") and upload.stored("thumbnail.jpg")


def test_a_sound_has_a_length_and_no_thumbnail(world: World, tmp_path: Path) -> None:
    path = write_media(tmp_path / "f", "wav", audio="pcm_s16le")
    upload = send_media(world, path, "audio/x-wav")

    handle_ingest_message(world.app, upload.event())

    response = world.call("GET", f"/api/assets/{upload.asset_id}", user="alice+1").body
    assert (response["status"], response["kind"], response["durationMs"]) == (
        "uploaded",
        "audio",
        2000,
    )
    assert response["mimeType"] == "audio/wav" and "thumbnailUrl" not in response


@pytest.mark.parametrize(
    ("mime_type", "audio", "video", "kind"),
    [("video/mp4", "aac", None, "audio"), ("audio/mp4", "aac", "libx264", "video")],
)
def test_the_content_decides_between_sound_and_video(
    world: World, tmp_path: Path, mime_type: str, audio: str, video: str | None, kind: str
) -> None:
    upload = send_media(
        world, write_media(tmp_path / "f", "mp4", video=video, audio=audio), mime_type
    )

    handle_ingest_message(world.app, upload.event())
    world.pump_stream()

    asset = upload.asset()
    assert (asset["status"], asset["kind"]) == ("uploaded", kind)
    assert asset["mimeType"] == f"{kind}/mp4"
    listed = {
        name: world.call("GET", f"/api/assets?kind={name}", user="alice+1").body["items"]
        for name in ("audio", "video")
    }
    assert {name for name, items in listed.items() if items} == {kind}


def test_a_dropped_track_is_recorded_on_the_asset(world: World, tmp_path: Path) -> None:
    film = Track(codec="libx264")
    path = write_tracks(tmp_path / "f", "mp4", pictures=[film, film], sounds=[Track(codec="aac")])
    upload = send_media(world, path, "video/mp4")

    handle_ingest_message(world.app, upload.event())

    asset = upload.asset()
    assert (asset["status"], asset["note"]) == ("uploaded", "TRACKS_LEFT_OUT")


def test_aac_is_detected_and_stored_as_m4a(world: World, tmp_path: Path) -> None:
    upload = send_media(world, write_media(tmp_path / "f", "adts", audio="aac"), "audio/aac")

    handle_ingest_message(world.app, upload.event())

    response = world.call("GET", f"/api/assets/{upload.asset_id}", user="alice+1").body
    assert (response["status"], response["mimeType"]) == ("uploaded", "audio/aac")
    link = parse_qs(urlsplit(response["downloadUrl"]).query)
    assert link["response-content-type"] == ["audio/mp4"]
    assert link["response-content-disposition"][0].endswith(quote("우리.m4a"))


def test_an_unusable_file_has_its_error_code_after_its_first_check(world: World) -> None:
    broken = {
        b"this is no film": "UNSUPPORTED_TYPE",
        b"\xff\xd8\xff\xe0 a picture": "TYPE_MISMATCH",
        b"\0\0\0\x14ftypisom\0\0\0\0isom\0\0\0\x08moov": "CORRUPT_FILE",
        b"\0\0\0\x08free\xff\xff\xff\xffmdat": "CORRUPT_FILE",
        b"ID3\4\0\0\0\0\x7f\x7f": "CORRUPT_FILE",
    }
    uploads = {begin(world, len(content), mime_type="video/mp4"): content for content in broken}
    for upload, content in uploads.items():
        upload.send(content)

    outcomes = [handle_ingest_message(world.app, upload.event()) for upload in uploads]

    assert outcomes == ["failed"] * len(broken)
    codes = [upload.asset()["errorCode"] for upload in uploads]
    assert codes == list(broken.values())


def test_a_video_declared_as_a_picture_is_a_mismatch(world: World, tmp_path: Path) -> None:
    path = write_media(tmp_path / "f", "mp4", video="libx264")
    upload = send_media(world, path, "image/jpeg")

    handle_ingest_message(world.app, upload.event())

    assert upload.asset()["errorCode"] == "TYPE_MISMATCH"


def test_content_in_the_other_pipeline_is_deleted(world: World, check: PaperCheck) -> None:
    upload = begin(world)
    upload.send()
    stray = upload.key.replace("quarantine/image/", "quarantine/media/")
    world.app.storage.write(stray, PICTURE, mime_type="image/jpeg")

    outcome = handle_ingest_message(world.app, upload.event(key=stray), check=check)

    assert outcome == "stray"
    assert world.app.storage.find(stray) is None
    assert upload.is_quarantined and upload.asset()["status"] == "uploading"


def test_a_lost_event_of_a_video_is_replaced_in_the_queue_of_videos(
    world: World, tmp_path: Path
) -> None:
    upload = send_media(world, write_media(tmp_path / "f", "mp4", video="libx264"), "video/mp4")

    world.clock.move(seconds=UPLOAD_URL_SECONDS)
    world.sweep()

    assert ingest_all(world, None) == []
    url = world.settings.ingest_media_queue_url
    [message] = world.client("sqs").receive_message(QueueUrl=url)["Messages"]
    assert handle_ingest_message(world.app, {"body": message["Body"]}) == "uploaded"
    assert upload.asset()["status"] == "uploaded"


# --- Faces ------------------------------------------------------------------------------------


def unavailable(picture: bytes, /) -> tuple[FaceBox, ...]:
    raise FaceCheckUnavailable("the detector is down")


def small_jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(out, "JPEG")
    return out.getvalue()


def test_an_unavailable_face_detector_does_not_prevent_uploads(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "source").write_bytes(small_jpeg())

    found = check_picture(tmp_path / "source", tmp_path, find=unavailable)

    assert found.faces is None
    assert found.copy.path is not None and found.copy.path.exists()


def uncounted(world: World) -> Upload:
    """A checked picture whose faces could not be counted."""

    def check(source: Path, workdir: Path, /) -> CleanUpload:
        return replace(paper_picture(workdir, b"clean"), faces=None)

    upload = begin(world)
    upload.send()
    assert handle_ingest_message(world.app, upload.event(), check=check) == "uploaded"
    return upload


def test_faces_are_counted_later_on_request(world: World) -> None:
    upload = uncounted(world)
    seen: list[bytes] = []

    def find(picture: bytes, /) -> tuple[FaceBox, ...]:
        seen.append(picture)
        return (A_FACE,)

    unrequested = handle_ingest_message(world.app, upload.event(), find=find)
    world.call(
        "POST",
        "/api/reference-photos",
        {"assetId": upload.asset_id, "role": "self"},
        user="alice+1",
    )
    world.pump_stream()
    outcomes = ingest_all(world, None, find=find)
    again = handle_ingest_message(world.app, upload.event(), find=find)

    assert (unrequested, outcomes, again) == ("ignored", ["counted"], "ignored")
    assert seen == [b"clean"] and upload.asset()["faces"] == 1
    assert assets_store.get_asset("alice+1", upload.asset_id).face_boxes == (A_FACE,)


def test_a_lost_request_to_count_faces_is_repeated(world: World) -> None:
    upload = uncounted(world)
    body = {"assetId": upload.asset_id, "role": "self"}
    world.call("POST", "/api/reference-photos", body, user="alice+1")

    world.clock.move(seconds=FACES_CHECK_SECONDS)
    world.sweep()

    assert ingest_all(world, None, find=unavailable) == ["uncounted"]
    response = world.call("POST", "/api/reference-photos", body, user="alice+1")
    world.pump_stream()
    assert (response.status, response.body["code"]) == (503, "FACE_CHECK_UNAVAILABLE")
    assert ingest_all(world, None, find=lambda picture: (A_FACE,)) == ["counted"]


def ingest_all(
    world: World, check: CheckUpload | None, *, find: FindFaces = unavailable
) -> list[str]:
    """The outcome of every message in the queue of pictures."""
    sqs, url = world.client("sqs"), world.settings.ingest_queue_url
    outcomes = []
    for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        record = {"body": message["Body"]}
        outcomes.append(handle_ingest_message(world.app, record, check=check, find=find))
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return outcomes
