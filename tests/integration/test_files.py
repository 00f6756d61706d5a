"""Files on the deployed template: checks in two pipelines, faces, lists, albums; with its roles."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.run_demo import PHOTO
from local.stack import LocalStack
from tests.support.face_pictures import jpeg_of, portrait
from tests.support.media_files import write_media

WAIT_SECONDS = 60


class Files:
    """One signed-in user with files."""

    def __init__(self, stack: LocalStack, user: str) -> None:
        headers = {"Authorization": f"Bearer {stack.token(user)}"}
        self._api = httpx.Client(base_url=stack.api_url, headers=headers, timeout=30)

    def call(self, method: str, path: str, status: int, body: Any = None) -> Any:
        response = self._api.request(method, path, json=body)
        assert response.status_code == status, f"{method} {path}: {response.text}"
        return response.json() if response.content else None

    def upload(self, name: str, mime_type: str, content: bytes) -> dict[str, Any]:
        """The asset after its check, which the storage event starts."""
        body = {"filename": name, "mimeType": mime_type, "sizeBytes": len(content)}
        session = self.call("POST", "/api/uploads/session", 201, body)
        [link] = session["uploadUrls"]
        httpx.put(link["url"], content=content, headers=session["headers"]).raise_for_status()
        path = f"/api/assets/{session['assetId']}"
        eventually(lambda: self.call("GET", path, 200)["status"] in ("uploaded", "failed"))
        return self.call("GET", path, 200)


def eventually(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not ready():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.3)


@pytest.fixture
def alice(stack: LocalStack, request: pytest.FixtureRequest) -> Files:
    return Files(stack, f"files-{request.node.name[:30]}")


def test_a_video_is_checked_in_its_pipeline_and_served_clean(alice: Files, tmp_path: Path) -> None:
    secret = {"comment": "Mapo-gu 37.5665"}
    path = write_media(tmp_path / "f", "mov", video="libx264", audio="aac", metadata=secret)

    asset = alice.upload("Trip.MOV", "video/quicktime", path.read_bytes())

    assert (asset["status"], asset["kind"], asset["width"]) == ("uploaded", "video", 160)
    assert asset["durationMs"] == pytest.approx(2000, abs=60)
    clean = httpx.get(asset["downloadUrl"]).raise_for_status()
    assert clean.headers["content-type"] == "video/quicktime"
    assert b"37.5665" in path.read_bytes() and b"37.5665" not in clean.content
    thumbnail = httpx.get(asset["thumbnailUrl"]).raise_for_status()
    assert thumbnail.content.startswith(b"\xff\xd8")


def test_a_file_that_only_pretends_to_be_a_video_fails(alice: Files) -> None:
    asset = alice.upload("a.mp4", "video/mp4", b"\0\0\0\x18ftypisom" + bytes(5000))

    assert (asset["status"], asset["errorCode"]) == ("failed", "CORRUPT_FILE")


def test_a_face_is_counted_and_makes_a_reference_photo(alice: Files) -> None:
    one = alice.upload("me.jpg", "image/jpeg", PHOTO.read_bytes())
    without_face = alice.upload(
        "suit.jpg", "image/jpeg", jpeg_of(portrait().crop((0, 210, 512, 512)))
    )

    photo = alice.call(
        "POST", "/api/reference-photos", 201, {"assetId": one["assetId"], "role": "self"}
    )
    refused = alice.call(
        "POST", "/api/reference-photos", 400, {"assetId": without_face["assetId"], "role": "self"}
    )

    assert (one["faces"], without_face["faces"]) == (1, 0)
    assert (refused["code"], refused["faces"]) == ("NO_FACE", 0)
    listed = alice.call("GET", "/api/reference-photos?role=self", 200)["items"]
    assert [item["referencePhotoId"] for item in listed] == [photo["referencePhotoId"]]
    assert alice.call("DELETE", f"/api/assets/{one['assetId']}", 409)["code"] == "ASSET_IN_USE"
    path = f"/api/reference-photos/{photo['referencePhotoId']}"
    assert alice.call("DELETE", path, 200)["isActive"] is False


def test_files_are_described_found_and_deleted(alice: Files) -> None:
    asset = alice.upload("IMG_1.jpg", "image/jpeg", PHOTO.read_bytes())
    path = f"/api/assets/{asset['assetId']}"

    alice.call("PATCH", path, 200, {"filename": "Sea side.jpg", "tags": ["Best"], "folder": "A"})

    def found(query: str) -> list[str]:
        page = alice.call("GET", f"/api/assets?{query}", 200)
        return [item["assetId"] for item in page["items"]]

    eventually(lambda: found("search=sid") == [asset["assetId"]])
    assert found("tag=best&kind=image&status=uploaded&sort=name") == [asset["assetId"]]
    assert found("kind=image&sort=name") == [asset["assetId"]]
    alice.call("DELETE", path, 204)
    alice.call("GET", path, 404)
    assert found("search=sid") == []
    eventually(lambda: httpx.get(asset["downloadUrl"]).status_code == 404)


def test_an_album_is_kept_by_its_owner(alice: Files) -> None:
    album = alice.call("POST", "/api/albums", 201, {"name": "Wedding"})
    path = f"/api/albums/{album['albumId']}"

    alice.call("PATCH", path, 200, {"name": "Honeymoon"})
    missing = {"outputIds": ["out_01KAH3T5B1C3D5E7F9G1H3J401"]}
    alice.call("POST", f"{path}/outputs", 404, missing)

    assert alice.call("GET", path, 200)["outputs"] == []
    assert [a["name"] for a in alice.call("GET", "/api/albums", 200)["items"]] == ["Honeymoon"]
    alice.call("DELETE", path, 204)
    alice.call("GET", path, 404)
