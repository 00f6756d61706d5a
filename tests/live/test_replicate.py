"""Replicate itself: costs some cents, and runs only where ``REPLICATE_API_KEY`` is set."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from darkroom.generation.vendors.replicate import Replicate
from tests.live.waiting import a_clip_request, a_keyframe_request, a_picture_request, made

KEY = "REPLICATE_API_KEY"

pytestmark = pytest.mark.skipif(KEY not in os.environ, reason=f"needs {KEY}")


@pytest.fixture
def provider() -> Replicate:
    secret = json.dumps({"apiToken": os.environ[KEY], "webhookSecrets": []})
    return Replicate(lambda: secret)


def test_a_keyframe_is_made_from_a_photo(provider: Replicate, tmp_path: Path) -> None:
    size = made(provider, a_keyframe_request(tmp_path))

    assert size.width is not None and size.height is not None
    assert size.height > size.width > 500


def test_a_picture_is_made_from_text(provider: Replicate, tmp_path: Path) -> None:
    size = made(provider, a_picture_request(tmp_path))

    assert size.width is not None and size.height is not None
    assert size.width > size.height > 500


def test_a_clip_is_made_from_a_picture(provider: Replicate, tmp_path: Path) -> None:
    size = made(provider, a_clip_request(tmp_path))

    assert size.duration_ms == pytest.approx(3000, abs=500)
