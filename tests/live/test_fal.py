"""fal itself: costs some cents, and runs only where ``FAL_API_KEY`` is set."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from darkroom.generation.vendors.fal import Fal
from tests.live.waiting import a_clip_request, a_keyframe_request, a_picture_request, made

KEY = "FAL_API_KEY"

pytestmark = pytest.mark.skipif(KEY not in os.environ, reason=f"needs {KEY}")


@pytest.fixture
def provider() -> Fal:
    secret = json.dumps({"apiKey": os.environ[KEY]})
    return Fal(lambda: secret)


def test_a_keyframe_is_made_from_a_photo(provider: Fal, tmp_path: Path) -> None:
    size = made(provider, a_keyframe_request(tmp_path))

    assert size.width is not None and size.height is not None
    assert size.height > size.width > 500


def test_a_picture_is_made_from_text(provider: Fal, tmp_path: Path) -> None:
    size = made(provider, a_picture_request(tmp_path))

    assert size.width is not None and size.height is not None
    assert size.width > size.height > 500


def test_a_clip_is_made_from_a_picture(provider: Fal, tmp_path: Path) -> None:
    size = made(provider, a_clip_request(tmp_path))

    assert size.duration_ms == pytest.approx(3000, abs=500)


def test_its_public_keys_can_be_read(provider: Fal) -> None:
    """The keys that verify callbacks; reading them is free."""
    from darkroom.generation.vendors.fal_signatures import keys_of

    assert keys_of(provider._fetch_keys())
