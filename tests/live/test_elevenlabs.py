"""ElevenLabs itself: one sentence in each language, some sixty characters."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from darkroom.generation.ports import GenerationRequest
from darkroom.generation.vendors.elevenlabs import ElevenLabs

KEY = os.environ.get("ELEVENLABS_API_KEY", "")
pytestmark = pytest.mark.skipif(not KEY, reason="ELEVENLABS_API_KEY is not set")


@pytest.mark.parametrize(
    ("language", "text"), [("en", "It has been raining all day."), ("ko", "하루 종일 비가 와요.")]
)
def test_it_speaks(tmp_path: Path, language: str, text: str) -> None:
    provider = ElevenLabs(lambda: json.dumps({"apiKey": KEY}))
    request = GenerationRequest(
        job_id="live", key="voice", kind="speech", attempt=1, seed=1, language=language,
        params={"text": text, "rate": 110}, sources=(), workdir=tmp_path,
    )  # fmt: skip

    [artifact] = provider.generate(request)

    assert 500 < (artifact.duration_ms or 0) < 10_000
    assert [charge.unit for charge in request.meter.charges] == ["character"]
    assert request.meter.ref
