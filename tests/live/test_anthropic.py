"""Anthropic itself: one short script in each language, for less than a cent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from darkroom.generation.ports import GenerationRequest
from darkroom.generation.script import read_script
from darkroom.generation.vendors.anthropic import Anthropic

KEY = os.environ.get("ANTHROPIC_API_KEY", "")
pytestmark = pytest.mark.skipif(not KEY, reason="ANTHROPIC_API_KEY is not set")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_it_writes_a_script(tmp_path: Path, language: str) -> None:
    provider = Anthropic(lambda: json.dumps({"apiKey": KEY}))
    request = GenerationRequest(
        job_id="live", key="script", kind="script", attempt=1, seed=1, language=language,
        params={"keyword": "rain in Seoul", "tone": "calm", "durationSec": 15},
        sources=(), workdir=tmp_path,
    )  # fmt: skip

    [artifact] = provider.generate(request)

    script = read_script(artifact.path.read_bytes())
    assert (script.language, script.duration_ms) == (language, 15_000)
    assert {charge.unit for charge in request.meter.charges} == {"input_token", "output_token"}
    assert request.meter.ref
