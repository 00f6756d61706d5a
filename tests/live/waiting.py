"""For live tests of asynchronous vendors: poll until the result is there, then fetch it."""

from __future__ import annotations

import time
from pathlib import Path

from darkroom.adapters.fetch import Fetcher, FetchLimits
from darkroom.generation.ports import AsyncProvider, GenerationRequest, SourceFile
from darkroom.media.media_size import MediaSize, read_size

PHOTO = Path(__file__).parents[2] / "local" / "demo" / "portrait.jpg"
# No callback can reach a live test, so its address is a placeholder.
CALLBACK = "https://example.com/api/webhooks/live?nonce=live"
LIMIT_SECONDS, PAUSE_SECONDS = 600, 3
SIZE_LIMIT_BYTES = 50_000_000


def a_keyframe_request(folder: Path) -> GenerationRequest:
    prompt = "The person in the photo under an umbrella. No text."
    source = SourceFile(key="photo_1", mime_type="image/jpeg", path=PHOTO)
    return _request(folder, "keyframe", {"prompt": prompt}, source)


def a_clip_request(folder: Path) -> GenerationRequest:
    params = {"genre": "romance", "look": {"motion": "push_in"}, "durationSec": 3}
    return _request(
        folder, "clip", params, SourceFile(key="kf_1", mime_type="image/jpeg", path=PHOTO)
    )


def a_picture_request(folder: Path) -> GenerationRequest:
    return _request(folder, "picture", {"prompt": "A lighthouse at dawn.", "aspectRatio": "16:9"})


def made(provider: AsyncProvider, request: GenerationRequest) -> MediaSize:
    """The size of the file that the request produces."""
    ref = provider.submit(request, CALLBACK)
    ends_at, result = time.monotonic() + LIMIT_SECONDS, None
    while result is None and time.monotonic() < ends_at:
        time.sleep(PAUSE_SECONDS)
        result = provider.poll(ref)
    assert result is not None, "it took too long"
    file = result.files[0]
    limits = FetchLimits(
        hosts=provider.result_hosts,
        mime_types={file.mime_type},
        size_bytes=SIZE_LIMIT_BYTES,
        seconds=60,
    )
    path = request.workdir / f"out{file.suffix}"
    Fetcher().fetch(file.url, path, limits)
    return read_size(path, file.mime_type)


def _request(
    folder: Path, kind: str, params: dict[str, object], *sources: SourceFile
) -> GenerationRequest:
    return GenerationRequest(
        job_id="job_live", key=f"{kind}_1", kind=kind, attempt=1, seed=7, language="en",
        params=params, sources=sources, workdir=folder,
    )  # fmt: skip
