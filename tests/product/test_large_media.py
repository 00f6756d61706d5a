"""Files too large to be downloaded: probed with range requests, copied within the storage."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import av
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from PIL import Image

from darkroom.adapters import storage as storage_module
from darkroom.assets import store as assets_store
from darkroom.kernel.edits import Edits
from darkroom.kernel.object_keys import MEDIA_PIPELINE
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
    """A storage that serves ranges of one file, and records them."""

    address: str = ""
    content: bytes = b""
    requested: list[tuple[int, int]] = field(default_factory=list)
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
            shelf.requested.append((first, last))
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
            """Log nothing."""

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


def test_a_refused_range_is_requested_again_and_then_cached(shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 50)
    url, size = shelf.put(path)
    shelf.refusals = 2

    with RangedFile(url, size) as file:
        file.read(10)
        file.read(10)

    assert shelf.requested == [(0, 49)] * 3


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


# Probing media

KINDS = [
    ("mp4", "libx264", "aac", "video", "video/mp4"),
    ("mov", "libx264", "aac", "video", "video/quicktime"),
    ("webm", "libvpx", "libopus", "video", "video/webm"),
    ("ipod", None, "aac", "audio", "audio/mp4"),
    ("mp3", None, "libmp3lame", "audio", "audio/mpeg"),
    ("wav", None, "pcm_s16le", "audio", "audio/wav"),
]


@pytest.mark.parametrize(("container", "video", "audio", "kind", "mime_type"), KINDS)
def test_a_file_is_probed_without_being_downloaded(
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

    assert (media.kind, media.mime_type, media.note) == (kind, mime_type, None)
    assert media.duration_ms == pytest.approx(SECONDS * 1000, abs=150)
    assert not media.path.exists()
    if kind == "video":
        assert (media.width, media.height) == (160, 90)
        assert media.thumbnail is not None
        red = Image.open(media.thumbnail).getpixel((20, 40))
        assert isinstance(red, tuple) and red[0] > 200 and red[2] < 90


def test_the_duration_of_a_large_recording_leaves_out_its_late_start(
    shelf: Shelf, tmp_path: Path
) -> None:
    early = write_media(tmp_path / "early", "webm", video="libvpx", seconds=SECONDS)
    late = moved(early, tmp_path / "late", seconds=3600)

    media = probe(*shelf.put(late), tmp_path)

    assert media.duration_ms == pytest.approx(SECONDS * 1000, abs=150)


def test_most_of_a_large_file_is_never_read(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index is at the end, after forty megabytes that the probe does not need."""
    path = write_media(tmp_path / "source", "mov", video="libx264", seconds=SECONDS)
    content = path.read_bytes()
    at = content.index(b"moov") - 4
    padding = 40 * MIB
    path.write_bytes(
        content[:at] + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8) + content[at:]
    )

    media = probe(*shelf.put(path), tmp_path)

    read_bytes = sum(last + 1 - first for first, last in set(shelf.requested))
    assert media.duration_ms == pytest.approx(SECONDS * 1000, abs=150)
    assert read_bytes < 10 * MIB


def test_a_truncated_file_is_refused(shelf: Shelf, tmp_path: Path) -> None:
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


def test_a_file_that_is_not_media_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5000))

    with pytest.raises(MediaRejected) as refused:
        probe(*shelf.put(path), tmp_path)

    assert refused.value.error_code == "TYPE_MISMATCH"


def test_an_unavailable_storage_gives_no_result(shelf: Shelf, tmp_path: Path) -> None:
    path = write_media(tmp_path / "source", "mp4", video="libx264", seconds=1)
    url, size = shelf.put(path)
    shelf.refusals = 99

    with pytest.raises(ranged_file.FetchBroken):
        probe(url, size, tmp_path)


# Copying


def open_clip(world: World, content: bytes) -> str:
    body = {"filename": "trip.mp4", "mimeType": "video/mp4", "sizeBytes": len(content)}
    session = world.call("POST", "/api/uploads/session", body).body
    world.app.storage.write(session["storageKey"], content, mime_type="video/mp4")
    return str(session["assetId"])


def ingest(world: World, asset_id: str, **changes: Any) -> str:
    options: dict[str, Any] = {"probe": probe_media, **changes}
    return ingest_upload(
        world.app,
        check_media,
        pipeline=MEDIA_PIPELINE,
        account_id="alice",
        asset_id=asset_id,
        **options,
    )


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "REWRITE_LIMIT_BYTES", 1000)
    monkeypatch.setattr(storage_module, "COPY_PART_BYTES", 5 * MIB)


def arrives(world: World, shelf: Shelf, path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    asset_id = open_clip(world, path.read_bytes())
    url, _ = shelf.put(path)
    monkeypatch.setattr(world.app.storage, "source_url", lambda key: url)
    return asset_id


PLACE = b"37.5665+126.9780"


def long_sound(path: Path, *, index_first: bool) -> Path:
    """A MOV file of 15 MB with a location in its index and another one across the border of two
    parts, in a box between the others."""
    options = {"movflags": "+faststart"} if index_first else {}
    place = {"location": f"+{PLACE.decode()}/"}
    write_media(path, "mov", audio="pcm_s24le", seconds=100, metadata=place, options=options)
    content = path.read_bytes()
    assert (content.index(b"moov") < content.index(b"mdat")) is index_first
    border = (len(content) // (5 * MIB) + 1) * 5 * MIB
    filling = border - len(content) - 8 - len(PLACE) // 2
    size = 8 + filling + len(PLACE)
    path.write_bytes(content + size.to_bytes(4, "big") + b"uuid" + b"\1" * filling + PLACE)
    return path


@pytest.mark.parametrize("index_first", [True, False])
def test_the_copy_of_a_large_file_has_its_samples_and_no_location(
    world: World,
    shelf: Shelf,
    tmp_path: Path,
    everything_is_large: None,
    monkeypatch: pytest.MonkeyPatch,
    index_first: bool,
) -> None:
    path = long_sound(tmp_path / "source", index_first=index_first)
    asset_id = arrives(world, shelf, path, monkeypatch)

    outcome = ingest(world, asset_id)

    asset = assets_store.get_asset("alice", asset_id)
    assert (outcome, asset.note) == ("uploaded", None)
    assert asset.clean_key is not None and asset.counted_bytes == path.stat().st_size
    copied = tmp_path / "copied"
    copied.write_bytes(world.app.storage.read(asset.clean_key, limit_bytes=99 * MIB))
    assert PLACE in path.read_bytes() and PLACE not in copied.read_bytes()
    assert packets_of(copied) == packets_of(path)
    assert world.app.storage.find(f"quarantine/media/{owner_of(world)}/{asset_id}") is None
    listed = world.client("s3").list_multipart_uploads(Bucket=world.settings.media_bucket)
    assert listed.get("Uploads", []) == []


def packets_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as media:
        return [bytes(packet) for packet in media.demux() if packet.size]


CONTENT = b"".join(bytes([number]) * MIB for number in range(1, 13))
EDITS = Edits(erased=[(5 * MIB - 3, 5 * MIB + 4)], patches=[(7, b"free")])
"""In the first part, and across the border to the second of three."""


def erased(url: str, size_bytes: int, workdir: Path, /) -> CleanUpload:
    copy = CleanFile(name="media.mp4", mime_type="video/mp4", path=None, edits=EDITS)
    return CleanUpload(kind="video", mime_type="video/mp4", copy=copy)


def before_requests(world: World, act: Callable[[str], None]) -> None:
    events = world.app.storage._clients.s3.meta.events
    events.register("before-call.s3", lambda model, **_: act(model.name))


def test_parts_without_an_edit_never_leave_the_storage(
    world: World, everything_is_large: None
) -> None:
    asset_id = open_clip(world, CONTENT)
    requests: list[str] = []
    before_requests(world, requests.append)

    ingest(world, asset_id, probe=erased)

    asset = assets_store.get_asset("alice", asset_id)
    assert asset.clean_key is not None
    copied = world.app.storage.read(asset.clean_key, limit_bytes=99 * MIB)
    assert copied == EDITS.apply(CONTENT, 0) and copied != CONTENT
    counted = [requests.count(name) for name in ("UploadPartCopy", "UploadPart")]
    assert counted == [1, 2]


@pytest.mark.parametrize(
    "request_name", ["UploadPartCopy", "UploadPart", "CompleteMultipartUpload"]
)
def test_an_interrupted_copy_leaves_nothing_and_is_made_again(
    world: World, everything_is_large: None, request_name: str
) -> None:
    asset_id = open_clip(world, CONTENT)
    broken = [request_name]

    def interrupt(name: str) -> None:
        if name in broken:
            raise InterruptedError("the process is stopped")

    before_requests(world, interrupt)

    with pytest.raises(InterruptedError):
        ingest(world, asset_id, probe=erased)

    listed = world.client("s3").list_multipart_uploads(Bucket=world.settings.media_bucket)
    assert listed.get("Uploads", []) == []
    broken.clear()
    assert ingest(world, asset_id, probe=erased) == "uploaded"


def test_a_truncated_part_is_read_again(
    world: World, everything_is_large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset_id = open_clip(world, CONTENT)
    reads = iter([ReadTimeoutError(endpoint_url="s3")])
    read = StreamingBody.read

    def broken(body: StreamingBody, *amount: int) -> bytes:
        for error in reads:
            raise error
        return read(body, *amount)

    monkeypatch.setattr(StreamingBody, "read", broken)

    assert ingest(world, asset_id, probe=erased) == "uploaded"
    assert list(reads) == []


def test_content_that_was_replaced_before_it_was_copied_is_checked_again(
    world: World, everything_is_large: None
) -> None:
    asset_id = open_clip(world, b"a" * 2000)
    key = f"quarantine/media/{owner_of(world)}/{asset_id}"
    probes = []

    def probed(url: str, size_bytes: int, workdir: Path, /) -> CleanUpload:
        probes.append(size_bytes)
        if len(probes) == 1:
            world.app.storage.write(key, b"b" * 2000, mime_type="video/mp4")
        copy = CleanFile(name="media.mp4", mime_type="video/mp4", path=None)
        return CleanUpload(kind="video", mime_type="video/mp4", copy=copy)

    outcome = ingest(world, asset_id, probe=probed)

    asset = assets_store.get_asset("alice", asset_id)
    assert (outcome, len(probes)) == ("uploaded", 2)
    assert asset.clean_key is not None
    assert world.app.storage.read(asset.clean_key, limit_bytes=9999) == b"b" * 2000


def test_a_worker_without_a_probe_refuses_large_files(
    world: World, everything_is_large: None
) -> None:
    asset_id = open_clip(world, b"a" * 2000)

    assert ingest(world, asset_id, probe=None) == "failed"
    assert assets_store.get_asset("alice", asset_id).error_code == "FILE_TOO_LARGE"
