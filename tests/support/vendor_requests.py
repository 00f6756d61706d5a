"""Requests as the engine makes them for vendors of pictures and clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from darkroom.generation.ports import GenerationRequest, SourceFile
from tests.support.cloud import a_png

KEYFRAME = a_png(72, 128)


def a_request(tmp_path: Path, **changes: Any) -> GenerationRequest:
    """A keyframe for the second scene, with two photos to choose from."""
    photos = []
    for number in (1, 2):
        path = tmp_path / f"photo_{number}.jpg"
        path.write_bytes(f"photo {number}".encode())
        photos.append(SourceFile(key=f"photo_{number}", mime_type="image/jpeg", path=path))
    given: dict[str, Any] = {
        "job_id": "job_1",
        "key": "kf_1",
        "kind": "keyframe",
        "attempt": 1,
        "seed": 2**32 - 1,
        "language": "en",
        "params": {"prompt": "In the rain.", "sceneNo": 2},
        "sources": tuple(photos),
        "workdir": tmp_path,
    }
    return GenerationRequest(**given | changes)


def a_clip_request(tmp_path: Path, **params: Any) -> GenerationRequest:
    """A clip of three seconds from its keyframe, as the recipe of scenes writes it."""
    path = tmp_path / "kf_1.png"
    path.write_bytes(KEYFRAME)
    source = SourceFile(key="kf_1", mime_type="image/png", path=path)
    given: dict[str, Any] = {
        "genre": "noir",
        "look": {"motion": "push_in", "effect": "rain", "grade": "silver_noir"},
        "sliders": {"pace": 80},
        "durationSec": 3,
    }
    return a_request(tmp_path, key="clip_1", kind="clip", params=given | params, sources=(source,))


def a_picture_request(tmp_path: Path, **params: Any) -> GenerationRequest:
    """A picture from text alone."""
    given = {"prompt": "A lighthouse.", "style": "oil_painting", "aspectRatio": "16:9"}
    return a_request(tmp_path, key="image_1", kind="picture", params=given | params, sources=())
