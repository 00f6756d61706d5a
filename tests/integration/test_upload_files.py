"""The client that sends many files: after a kill in the middle of a file it resumes there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import numpy as np
import pytest
from PIL import Image

from darkroom.adapters import storage
from darkroom.usecases.uploads import ingest_upload
from darkroom.workers.ingest import handle_ingest_message
from local.settings import ROOT
from local.stack import LocalStack
from tests.support.media_files import write_media
from tests.support.world import World

WAIT_SECONDS = 120
CLIP_BYTES = 120_000_000
"""Fifteen parts."""
PHOTOS = 9

pytestmark = pytest.mark.slow


class Sender:
    """Runs the client as its user does."""

    def __init__(self, stack: LocalStack, folder: Path, user: str) -> None:
        self.token, self._url, self._folder = stack.token(user), stack.api_url, folder
        headers = {"Authorization": f"Bearer {self.token}"}
        self.api = httpx.Client(base_url=self._url, headers=headers, timeout=WAIT_SECONDS)
        self.state = folder / "uploads.json"
        self.log = folder / "client.log"

    def start(self, files: list[Path], *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "clients.upload_files", "--api", self._url]
        command += ["--token", self.token, "--state", str(self.state), *options]
        with self.log.open("ab") as log:
            return subprocess.Popen([*command, *map(str, files)], cwd=ROOT, stdout=log, stderr=log)

    def asset_ids(self) -> dict[str, str]:
        """The sessions of started uploads by file name."""
        if not self.state.exists():
            return {}
        known = json.loads(self.state.read_text())
        return {Path(n).name: entry["assetId"] for n, entry in known.items() if "assetId" in entry}

    def get(self, path: str) -> Any:
        return self.api.get(path).raise_for_status().json()


def photo(path: Path, seed: int) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "JPEG")
    return path


def clip(path: Path) -> Path:
    """A real video, made large with a box that players skip."""
    write_media(path, "mp4", video="libx264", audio="aac")
    padding = CLIP_BYTES - path.stat().st_size
    noise = np.random.default_rng(1).bytes(padding - 8)
    with path.open("ab") as file:
        file.write(padding.to_bytes(4, "big") + b"free" + noise)
    return path


def test_ten_files_arrive_although_their_client_is_killed(
    stack: LocalStack, tmp_path: Path
) -> None:
    files = [photo(tmp_path / f"{number}.jpg", number) for number in range(PHOTOS)]
    files.insert(4, clip(tmp_path / "trip.mp4"))
    sender = Sender(stack, tmp_path, "uploads-killed")

    first = sender.start(files, "--parts-at-once", "1", "--max-mbps", "150")
    arrived = parts_when_killed(sender, first)
    second = sender.start(files)

    log = sender.log.read_text
    assert second.wait(WAIT_SECONDS) == 0, log()
    assert 2 <= len(arrived) < 15
    assert f"resumed   trip.mp4: {len(arrived)} of 15 parts had arrived" in log()
    assets = sender.get("/api/assets")["items"]
    assert sorted(asset["filename"] for asset in assets) == sorted(f.name for f in files)
    assert {asset["status"] for asset in assets} == {"uploaded"}
    assert {asset["assetId"] for asset in assets} == set(sender.asset_ids().values())
    [trip] = [asset for asset in assets if asset["kind"] == "video"]
    assert (trip["sizeBytes"], trip["durationMs"]) == (CLIP_BYTES, pytest.approx(2000, abs=60))


def parts_when_killed(sender: Sender, client: subprocess.Popen[bytes]) -> list[Any]:
    """Kill the client in the middle of the clip; returns the parts that had arrived."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        assert client.poll() is None, sender.log.read_text()
        asset_id = sender.asset_ids().get("trip.mp4")
        if asset_id and len(sender.get(f"/api/uploads/{asset_id}")["parts"]) >= 2:
            client.send_signal(signal.SIGKILL)
            client.wait()
            parts: list[Any] = sender.get(f"/api/uploads/{asset_id}")["parts"]
            return parts
        time.sleep(0.1)
    raise AssertionError("the clip is not being sent")


def test_an_upload_in_parts_is_given_up_with_its_roles(stack: LocalStack, tmp_path: Path) -> None:
    """The stream's function may delete parts with its role."""
    sender = Sender(stack, tmp_path, "uploads-aborted")
    body = {"filename": "a.mp4", "sizeBytes": CLIP_BYTES, "mimeType": "video/mp4"}
    session = sender.api.post("/api/uploads/session", json=body).raise_for_status().json()
    httpx.put(session["uploadUrls"][0]["url"], content=bytes(session["partSize"]))
    before = stack.client("s3").list_multipart_uploads(Bucket=stack.outputs["MediaBucket"])

    path = f"/api/uploads/{session['assetId']}"
    assert len(sender.get(path)["parts"]) == 1
    assert sender.api.delete(path).status_code == 204

    assert session["storageKey"] in {upload["Key"] for upload in before["Uploads"]}
    deadline = time.monotonic() + WAIT_SECONDS
    while session["storageKey"] in open_keys(stack):
        assert time.monotonic() < deadline, "the parts stay"
        time.sleep(0.5)


def open_keys(stack: LocalStack) -> set[str]:
    listed = stack.client("s3").list_multipart_uploads(Bucket=stack.outputs["MediaBucket"])
    return {upload["Key"] for upload in listed.get("Uploads", [])}


def test_a_dead_clients_upload_is_completed_by_the_schedule(
    stack: LocalStack, tmp_path: Path
) -> None:
    """All parts have arrived without a complete request; the sweeper's role may join them."""
    sender = Sender(stack, tmp_path, "uploads-dead")
    content = clip(tmp_path / "trip.mp4").read_bytes()
    body = {"filename": "trip.mp4", "sizeBytes": len(content), "mimeType": "video/mp4"}
    session = sender.api.post("/api/uploads/session", json=body).raise_for_status().json()
    size = session["partSize"]
    for link in session["uploadUrls"]:
        start = (link["partNumber"] - 1) * size
        httpx.put(link["url"], content=content[start : start + size]).raise_for_status()

    later = datetime.now(UTC) + timedelta(hours=24, minutes=1)
    admin = {"Authorization": f"Bearer {stack.token('uploads-operator', 'admin')}"}
    url = f"{stack.api_url}/api/admin/sweep"
    swept = httpx.post(url, json={"now": later.isoformat()}, headers=admin, timeout=60)

    assert swept.status_code == 200, swept.text
    deadline = time.monotonic() + WAIT_SECONDS
    while sender.get(f"/api/assets/{session['assetId']}")["status"] != "uploaded":
        assert time.monotonic() < deadline, sender.get(f"/api/assets/{session['assetId']}")
        time.sleep(0.5)


def test_a_file_too_large_to_download_is_inspected_in_the_storage(
    stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real ranges, and a copy in parts, of which some are edited during the copy."""
    monkeypatch.setattr(ingest_upload, "REWRITE_LIMIT_BYTES", 1_000_000)
    monkeypatch.setattr(storage, "COPY_PART_BYTES", 32 << 20)
    boto3.setup_default_session()
    world = World(endpoint_url=stack.endpoint_url)
    content = clip(tmp_path / "trip.mp4").read_bytes()
    body = {"filename": "trip.mp4", "sizeBytes": len(content), "mimeType": "video/mp4"}
    session = world.call("POST", "/api/uploads/session", body).body
    size = session["partSize"]
    for link in session["uploadUrls"]:
        start = (link["partNumber"] - 1) * size
        httpx.put(link["url"], content=content[start : start + size]).raise_for_status()
    world.call("POST", "/api/uploads/complete", {"assetId": session["assetId"]})

    notice = {"eventName": "ObjectCreated:", "s3": {"object": {"key": session["storageKey"]}}}
    handle_ingest_message(world.app, {"body": json.dumps({"Records": [notice]})})

    asset = world.call("GET", f"/api/assets/{session['assetId']}").body
    kept = httpx.get(asset["downloadUrl"]).raise_for_status().content
    world.close()
    assert asset["status"] == "uploaded" and "note" not in asset
    assert asset["durationMs"] == pytest.approx(2000, abs=150)
    assert httpx.get(asset["thumbnailUrl"]).content.startswith(b"\xff\xd8")
    index_end = content.index(b"free", content.index(b"moov"))
    assert len(kept) == len(content)
    assert kept[index_end + 4 :].count(0) == len(kept) - index_end - 4
    assert kept[: content.index(b"moov") - 4] == content[: content.index(b"moov") - 4]
