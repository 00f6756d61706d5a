"""The client that uploads many files, with the product in one process: requests and responses
between them are lost and refused, and every file still arrives once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from clients import upload_files
from clients.upload_files import Api, Refused, State, Uploader
from darkroom.assets import store as assets_store
from darkroom.kernel.limits import UPLOAD_URL_SECONDS
from darkroom.kernel.object_keys import pipeline_of
from darkroom.plans.storage_store import find_stored
from darkroom.uploads import parts
from darkroom.uploads.ports import CleanFile, CleanUpload
from darkroom.usecases.uploads.ingest_upload import ingest_upload
from tests.support.crash import Stage
from tests.support.moto_world import moto_world
from tests.support.world import World

MIB = 1 << 20
CLIP = bytes(range(256)) * (12 * MIB // 256)
"""Three parts."""


Disturb = Callable[[httpx.Request], httpx.Response | None]


class Killed(BaseException):
    """The client is killed."""


class Line(httpx.BaseTransport):
    """The connection from the client to the API and the storage. ``disturb`` sees every request
    before it is handled, and every response before it is returned."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self.before: Disturb = lambda request: None
        self.after: Disturb = lambda request: None
        self.puts = 0
        # The gateway's adapter needs a loop in its thread, and would use the test's.
        self._there = ThreadPoolExecutor(1, initializer=_with_a_loop)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            response = self.before(request)
            if response is None:
                is_put = request.method == "PUT"
                response = self._there.submit(self._put if is_put else self._ask, request).result()
            self.after(request)
            return response

    def _ask(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        if request.method == "GET" and path.startswith("/api/assets/"):
            check(self._world, path.rpartition("/")[2])
        key = request.headers.get("Idempotency-Key")
        body = request.read().decode() or None
        response = self._world.call(request.method, path, body, key=key)
        return httpx.Response(response.status, json=response.body)

    def _put(self, request: httpx.Request) -> httpx.Response:
        self.puts += 1
        query = parse_qs(urlsplit(str(request.url)).query)
        where = {
            "Bucket": self._world.settings.media_bucket,
            "Key": request.url.path.lstrip("/"),
            "Body": request.read(),
        }
        s3 = self._world.client("s3")
        if "uploadId" in query:
            number = int(query["partNumber"][0])
            put = s3.upload_part(UploadId=query["uploadId"][0], PartNumber=number, **where)
        else:
            put = s3.put_object(**where)
        return httpx.Response(200, headers={"ETag": put["ETag"]})


def _with_a_loop() -> None:
    asyncio.set_event_loop(asyncio.new_event_loop())


def check(world: World, asset_id: str) -> None:
    """Check the upload as its storage event would."""
    asset = assets_store.get_asset("alice", asset_id)
    pipeline = pipeline_of(asset.kind)
    ingest_upload(world.app, accept, pipeline=pipeline, account_id="alice", asset_id=asset_id)


def accept(source: Path, workdir: Path, /) -> CleanUpload:
    kind = "video" if source.stat().st_size > MIB else "image"
    copy = CleanFile(name="media.mp4", mime_type="video/mp4", path=source)
    return CleanUpload(kind=kind, mime_type="video/mp4", copy=copy)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with moto_world() as world:
        yield Stage(world)


@pytest.fixture
def world(stage: Stage) -> World:
    """An empty world."""
    stage.changes()
    stage.restore(stage.empty())
    return stage.world


@pytest.fixture
def line(world: World, monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setattr(parts, "SINGLE_PUT_LIMIT_BYTES", MIB)
    monkeypatch.setattr(parts, "PART_MIN_BYTES", 5 * MIB)
    monkeypatch.setattr(upload_files, "FILES_AT_ONCE", 1)
    monkeypatch.setattr(upload_files, "POLL_SECONDS", 0)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return Line(world)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "trip.mp4").write_bytes(CLIP)
    (tmp_path / "us.jpg").write_bytes(b"us")
    return [tmp_path / "trip.mp4", tmp_path / "us.jpg"]


def run(line: Line, files: list[Path], *, printed: list[str] | None = None) -> bool:
    """Run the client once."""
    api = Api("https://api.example", lambda: "token")
    lines: list[str] = [] if printed is None else printed
    state = State(files[0].parent / "uploads.json")
    uploader = Uploader(api, state, parts_at_once=1, max_mbps=None, say=lines.append)
    api._client = httpx.Client(base_url="https://api.example", transport=line)
    uploader._storage = httpx.Client(transport=line)
    return uploader.upload(files)


def uploaded(world: World) -> list[str]:
    """Names of the files that are usable; no others may be there."""
    assets = assets_store.list_assets("alice", limit=100)[0]
    assert find_stored("alice").open_uploads == sum(not asset.is_final for asset in assets)
    return sorted(asset.filename for asset in assets if asset.status.value == "uploaded")


def once(act: Disturb, *words: str) -> Disturb:
    """Act on the first request that contains all these words."""
    left = [True]

    def disturb(request: httpx.Request) -> httpx.Response | None:
        name = f"{request.method} {request.url}"
        if left and all(word in name for word in words):
            left.clear()
            return act(request)
        return None

    return disturb


def kill(request: httpx.Request) -> httpx.Response | None:
    raise Killed


def lose(request: httpx.Request) -> httpx.Response | None:
    raise httpx.ReadError("planted")


def refuse(request: httpx.Request) -> httpx.Response | None:
    return httpx.Response(403, text="<Error><Code>AccessDenied</Code></Error>")


STEPS = {
    "opening": ("POST", "/api/uploads/session"),
    "signing": ("POST", "/urls"),
    "the first part": ("PUT", "partNumber=1"),
    "the last part": ("PUT", "partNumber=3"),
    "completing": ("POST", "/api/uploads/complete"),
    "waiting": ("GET", "/api/assets/"),
}


def test_files_are_sent_and_checked(world: World, line: Line, files: list[Path]) -> None:
    assert run(line, files)

    assert uploaded(world) == ["trip.mp4", "us.jpg"]
    assert line.puts == 4


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_killed_client_resumes_where_it_stopped(
    world: World, line: Line, files: list[Path], step: str, moment: str
) -> None:
    setattr(line, moment, once(kill, *STEPS[step]))
    with pytest.raises(Killed):
        run(line, files)

    world.clock.move(seconds=31)
    assert run(line, files)

    assert uploaded(world) == ["trip.mp4", "us.jpg"]
    assert len(assets_store.list_assets("alice", limit=9)[0]) == 2
    assert line.puts == 4


@pytest.mark.parametrize("step", STEPS)
def test_a_request_with_a_lost_response_is_repeated(
    world: World, line: Line, files: list[Path], step: str
) -> None:
    line.after = once(lose, *STEPS[step])

    assert run(line, files)

    assert uploaded(world) == ["trip.mp4", "us.jpg"]
    assert len(assets_store.list_assets("alice", limit=9)[0]) == 2


def test_an_expired_link_is_replaced(world: World, line: Line, files: list[Path]) -> None:
    line.before = once(refuse, "PUT", "partNumber=2")

    assert run(line, files)

    assert uploaded(world) == ["trip.mp4", "us.jpg"]


def test_an_upload_that_expired_meanwhile_starts_again(
    world: World, line: Line, files: list[Path]
) -> None:
    line.before = once(kill, "PUT", "partNumber=3")
    with pytest.raises(Killed):
        run(line, files)
    world.advance_time(seconds=UPLOAD_URL_SECONDS * 25)
    printed: list[str] = []

    assert run(line, files, printed=printed)

    assert "again     trip.mp4 UPLOAD_EXPIRED" in printed
    assert uploaded(world) == ["trip.mp4", "us.jpg"]


def test_a_changed_file_is_uploaded_with_its_new_content(
    world: World, line: Line, files: list[Path]
) -> None:
    assert run(line, files)
    files[1].write_bytes(b"us two")

    assert run(line, files)

    assert uploaded(world) == ["trip.mp4", "us.jpg", "us.jpg"]


def test_more_files_than_may_be_open_are_uploaded_in_turns(
    world: World, line: Line, tmp_path: Path
) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(25)]
    for file in files:
        file.write_bytes(b"us")

    assert run(line, files)

    assert len(uploaded(world)) == 25


def test_a_file_over_the_plans_limit_is_refused_at_once(
    world: World, line: Line, tmp_path: Path
) -> None:
    photo = tmp_path / "large.jpg"
    photo.write_bytes(bytes(10_000_001))

    with pytest.raises(Refused) as refused:
        run(line, [photo])

    assert (refused.value.status, refused.value.code) == (413, "FILE_TOO_LARGE")
    assert line.puts == 0
