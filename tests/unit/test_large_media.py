"""Files that are too large to be fetched: looked at over ranges, and copied within the storage."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom.adapters import storage as storage_module
from darkroom.adapters.storage import MEDIA_LANE
from darkroom.assets import store as assets_store
from darkroom.uploads.inspection import ranged_file
from darkroom.uploads.inspection.checks import check_media, probe_media
from darkroom.uploads.inspection.media import MediaRejected, probe
from darkroom.uploads.inspection.ranged_file import RangedFile, ReadTooMuch
from darkroom.uploads.ports import CleanFile, CleanUpload
from darkroom.usecases.uploads import ingest_upload as ingest_module
from darkroom.usecases.uploads.ingest_upload import ingest_upload
from tests.support.builders import owner_of
from tests.support.media_files import moved, write_media
from tests.support.threaded_server import ThreadedServer
from tests.support.world import World

MIB = 1 << 20
SECONDS = 6


@dataclass
class Shelf:
    """A storage that gives out ranges of one file, and counts them."""

    address: str = ""
    content: bytes = b""
    asked: list[tuple[int, int]] = field(default_factory=list)
    refusals: int = 0

    def put(self, path: Path) -> tuple[str, int]:
        self.content = path.read_bytes()
        return f"{self.address}/file", len(self.content)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            shelf.asked.append((first, last))
            body = shelf.content[first : last + 1]
            status = 206
            if shelf.refusals:
                shelf.refusals -= 1
                status, body = 503, b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Says nothing."""

    server = ThreadedServer(("127.0.0.1", 0), Handler)
    shelf.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield shelf
    server.shutdown()
    server.server_close()


# Reading ranges


def test_a_ranged_file_reads_like_a_file(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged_file, "PIECE_BYTES", 100)
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 4)
    url, size = shelf.put(path)

    with RangedFile(url, size) as ours, path.open("rb") as real:
        for offset, whence, length in ((0, 0, 10), (-7, 2, 50), (350, 0, 1), (-1, 1, 260)):
            assert ours.seek(offset, whence) == real.seek(offset, whence)
            assert ours.read(length) == real.read(length)
        ours.seek(0)
        assert ours.read() == path.read_bytes()
        assert ours.read(1) == b""


def test_a_piece_is_fetched_once_and_asked_for_again_when_refused(
    shelf: Shelf, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 50)
    url, size = shelf.put(path)
    shelf.refusals = 2

    with RangedFile(url, size) as file:
        file.read(10)
        file.read(10)

    assert shelf.asked == [(0, 49)] * 3


def test_no_more_is_read_than_is_allowed(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged_file, "PIECE_BYTES", 100)
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)

    with (
        RangedFile(*shelf.put(path), read_limit_bytes=250) as file,
        pytest.raises(ReadTooMuch),
    ):
        file.read()


# Looking at media

KINDS = [
    ("mp4", "libx264", "aac", "video", "video/mp4"),
    ("mov", "libx264", "aac", "video", "video/quicktime"),
    ("webm", "libvpx", "libopus", "video", "video/webm"),
    ("ipod", None, "aac", "audio", "audio/mp4"),
    ("mp3", None, "libmp3lame", "audio", "audio/mpeg"),
    ("wav", None, "pcm_s16le", "audio", "audio/wav"),
]


@pytest.mark.parametrize(("container", "video", "audio", "kind", "mime_type"), KINDS)
def test_a_file_is_known_without_being_fetched(
    shelf: Shelf,
    tmp_path: Path,
    container: str,
    video: str | None,
    audio: str,
    kind: str,
    mime_type: str,
) -> None:
    path = write_media(tmp_path / "source", container, video=video, audio=audio, seconds=SECONDS)

    media = probe(*shelf.put(path), tmp_path)

    assert (media.kind, media.mime_type, media.note) == (kind, mime_type, "METADATA_KEPT")
    assert media.duration_ms == pytest.approx(SECONDS * 1000, abs=150)
    assert not media.path.exists()
    if kind == "video":
        assert (media.width, media.height) == (160, 90)
        assert media.thumbnail is not None
        red = Image.open(media.thumbnail).getpixel((20, 40))
        assert isinstance(red, tuple) and red[0] > 200 and red[2] < 90


def test_a_large_recording_that_begins_late_is_as_long_as_it_lasts(
    shelf: Shelf, tmp_path: Path
) -> None:
    early = write_media(tmp_path / "early", "webm", video="libvpx", seconds=SECONDS)
    late = moved(early, tmp_path / "late", seconds=3600)

    media = probe(*shelf.put(late), tmp_path)

    assert media.duration_ms == pytest.approx(SECONDS * 1000, abs=150)


def test_most_of_a_large_file_is_never_read(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index stands at the end, behind forty megabytes that nobody needs."""
    path = write_media(tmp_path / "source", "mov", video="libx264", seconds=SECONDS)
    content = path.read_bytes()
    at = content.index(b"moov") - 4
    padding = 40 * MIB
    path.write_bytes(
        content[:at] + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8) + content[at:]
    )

    media = probe(*shelf.put(path), tmp_path)

    read_bytes = sum(last + 1 - first for first, last in set(shelf.asked))
    assert media.duration_ms == pytest.approx(SECONDS * 1000, abs=150)
    assert read_bytes < 10 * MIB


def test_a_file_that_breaks_off_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "source",
        "mp4",
        video="libx264",
        audio="aac",
        seconds=SECONDS,
        options={"movflags": "+faststart"},
    )
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    with pytest.raises(MediaRejected) as refused:
        probe(*shelf.put(path), tmp_path)

    assert refused.value.error_code == "CORRUPT_FILE"


def test_what_is_no_media_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5000))

    with pytest.raises(MediaRejected) as refused:
        probe(*shelf.put(path), tmp_path)

    assert refused.value.error_code == "TYPE_MISMATCH"


def test_a_storage_that_does_not_answer_is_no_verdict(shelf: Shelf, tmp_path: Path) -> None:
    path = write_media(tmp_path / "source", "mp4", video="libx264", seconds=1)
    url, size = shelf.put(path)
    shelf.refusals = 99

    with pytest.raises(ranged_file.FetchBroken):
        probe(url, size, tmp_path)


# Keeping them


def open_clip(world: World, content: bytes) -> str:
    body = {"filename": "trip.mp4", "mimeType": "video/mp4", "sizeBytes": len(content)}
    session = world.call("POST", "/api/uploads/session", body).body
    world.app.storage.write(session["storageKey"], content, mime_type="video/mp4")
    return str(session["assetId"])


def ingest(world: World, asset_id: str, **changes: Any) -> str:
    asked: dict[str, Any] = {"probe": probe_media, **changes}
    return ingest_upload(
        world.app, check_media, lane=MEDIA_LANE, account_id="alice", asset_id=asset_id, **asked
    )


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "REWRITE_LIMIT_BYTES", 1000)
    monkeypatch.setattr(storage_module, "COPY_PART_BYTES", 5 * MIB)


def test_a_large_file_is_kept_as_it_was_sent(
    world: World,
    shelf: Shelf,
    tmp_path: Path,
    everything_is_large: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_media(tmp_path / "source", "mp4", video="libx264", audio="aac")
    # So that the copy has several parts; bytes behind the last box mean nothing.
    content = path.read_bytes()
    padding = 12 * MIB
    path.write_bytes(content + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8))
    asset_id = open_clip(world, path.read_bytes())
    url, _ = shelf.put(path)
    monkeypatch.setattr(world.app.storage, "source_url", lambda key: url)

    outcome = ingest(world, asset_id)

    asset = assets_store.get_asset("alice", asset_id)
    assert (outcome, asset.note) == ("uploaded", "METADATA_KEPT")
    assert asset.clean_key is not None and asset.thumbnail_key is not None
    assert asset.counted_bytes == len(path.read_bytes())
    assert world.app.storage.read(asset.clean_key, limit_bytes=99 * MIB) == path.read_bytes()
    assert world.app.storage.find(f"quarantine/media/{owner_of(world)}/{asset_id}") is None
    listed = world.client("s3").list_multipart_uploads(Bucket=world.settings.media_bucket)
    assert listed.get("Uploads", []) == []


def test_content_that_was_replaced_before_it_was_copied_is_checked_again(
    world: World, everything_is_large: None
) -> None:
    asset_id = open_clip(world, b"a" * 2000)
    key = f"quarantine/media/{owner_of(world)}/{asset_id}"
    looks = []

    def looked_at(url: str, size_bytes: int, workdir: Path, /) -> CleanUpload:
        looks.append(size_bytes)
        if len(looks) == 1:
            world.app.storage.write(key, b"b" * 2000, mime_type="video/mp4")
        copy = CleanFile(name="media.mp4", mime_type="video/mp4", path=None)
        return CleanUpload(kind="video", mime_type="video/mp4", copy=copy)

    outcome = ingest(world, asset_id, probe=looked_at)

    asset = assets_store.get_asset("alice", asset_id)
    assert (outcome, len(looks)) == ("uploaded", 2)
    assert asset.clean_key is not None
    assert world.app.storage.read(asset.clean_key, limit_bytes=9999) == b"b" * 2000


def test_a_worker_that_cannot_look_refuses_what_is_too_large(
    world: World, everything_is_large: None
) -> None:
    asset_id = open_clip(world, b"a" * 2000)

    assert ingest(world, asset_id, probe=None) == "failed"
    assert assets_store.get_asset("alice", asset_id).error_code == "FILE_TOO_LARGE"
