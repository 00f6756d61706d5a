"""Creatomate itself: a film of three public clips of its documentation, for a few credits."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import httpx
import pytest

from darkroom.generation.ports import GenerationRequest, SourceFile
from darkroom.generation.vendors.creatomate import Creatomate

KEY = os.environ.get("CREATOMATE_API_KEY", "")
pytestmark = pytest.mark.skipif(not KEY, reason="CREATOMATE_API_KEY is not set")
CLIPS = ("drone", "river", "video5")
WAIT_SECONDS = 600


def test_it_renders_a_film(tmp_path: Path) -> None:
    provider = Creatomate(lambda: json.dumps({"apiKey": KEY}))
    sources = tuple(
        SourceFile(
            key=f"clip_{number}", mime_type="video/mp4", path=tmp_path / f"{name}.mp4",
            url=f"https://cdn.creatomate.com/demo/{name}.mp4",
        )
        for number, name in enumerate(CLIPS, start=1)
    )  # fmt: skip
    request = GenerationRequest(
        job_id="live", key="film", kind="film", attempt=1, seed=1, language="ko",
        params={"captions": ["하늘", "강", "끝"], "hook": "첫 장면", "ending": "The end."},
        sources=sources, workdir=tmp_path,
    )  # fmt: skip

    ref = provider.submit(request, "https://example.com/hook")
    deadline = time.monotonic() + WAIT_SECONDS
    while (result := provider.poll(ref)) is None:
        assert time.monotonic() < deadline, "still in progress"
        time.sleep(5)

    film = httpx.get(result.files[0].url, timeout=60, follow_redirects=True)
    assert film.content[4:8] == b"ftyp"
    assert result.charges[0].quantity >= 1
