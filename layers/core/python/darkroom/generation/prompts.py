"""The prompt for a vendor of pictures or clips: text, source, aspect ratio and duration.

Owns which photo a scene uses, what may be a source, and the text for a clip's movement. Pure, but
for the check that a source file exists; knows no vendor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from darkroom.generation.ports import GenerationRequest, SourceFile
from darkroom.generation.vendor_errors import bad_source, unsupported

KINDS: Final = frozenset({"keyframe", "portrait", "picture", "clip"})
SOURCE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
ASPECT_RATIOS: Final = frozenset({"1:1", "3:4", "4:3", "9:16", "16:9"})
DEFAULT_CLIP_SECONDS: Final = 3
_ASPECT_OF_KIND: Final = {"keyframe": "9:16", "portrait": "3:4", "clip": "9:16"}
_PHOTO: Final = re.compile(r"photo_(\d+)")
_SLOW_BELOW, _QUICK_ABOVE = 35, 65

# ``look`` holds short terms of template authors; a video model needs sentences.
_MOTIONS: Final = {
    "push_in": "The camera slowly pushes in.",
    "pull_out": "The camera slowly pulls back.",
    "pan_left": "The camera pans gently to the left.",
    "pan_right": "The camera pans gently to the right.",
    "tilt_up": "The camera tilts gently upwards.",
    "tilt_down": "The camera tilts gently downwards.",
    "handheld": "Subtle handheld camera.",
    "drift": "The camera drifts slowly.",
}
_EFFECTS: Final = {
    "bokeh": "Soft lights shimmer out of focus.",
    "light_leak": "Warm light leaks across the lens.",
    "confetti": "Confetti flutters down.",
    "rain": "Rain falls.",
    "venetian": "Striped light through blinds moves over the scene.",
    "snow": "Snow falls softly.",
    "petals": "Petals drift through the air.",
    "halation": "Highlights glow softly.",
}
_MOODS: Final = {
    "romance": "A tender, intimate mood.",
    "comedy": "A light, playful mood.",
    "noir": "A tense, shadowy mood.",
}
_LIKENESS: Final = "Natural, lifelike movement. Keep faces and composition as they are. No text."


@dataclass(frozen=True, kw_only=True)
class VisualPrompt:
    text: str
    source: SourceFile | None
    """The photo or keyframe to begin with; None for a picture from text alone."""
    aspect_ratio: str
    seconds: float = 0
    """The duration of a clip; 0 for pictures."""


def visual_prompt_of(request: GenerationRequest) -> VisualPrompt:
    """The prompt for a vendor.

    Raises:
        PermanentProviderError: UNSUPPORTED_KIND; or BAD_SOURCE, there is no usable source.
    """
    if request.kind == "clip":
        return VisualPrompt(
            text=_clip_prompt(request.params),
            source=_checked(_keyframe_of(request)),
            aspect_ratio=_ASPECT_OF_KIND["clip"],
            seconds=_seconds(request.params),
        )
    if request.kind == "picture":
        aspect_ratio = str(request.params.get("aspectRatio", "1:1"))
        if aspect_ratio not in ASPECT_RATIOS:
            raise unsupported(f"no pictures of {aspect_ratio}")
        return VisualPrompt(
            text=_picture_prompt(request.params), source=None, aspect_ratio=aspect_ratio
        )
    if request.kind not in KINDS:
        raise unsupported(f"no {request.kind} here")
    return VisualPrompt(
        text=str(request.params.get("prompt", "")),
        source=_checked(_photo_of(request)),
        aspect_ratio=_ASPECT_OF_KIND[request.kind],
    )


def _photo_of(request: GenerationRequest) -> SourceFile:
    """Scene n uses photo ((n - 1) mod count) + 1, as the built-in studio does."""
    numbered = [(_PHOTO.fullmatch(source.key), source) for source in request.sources]
    photos = sorted(((int(m[1]), s) for m, s in numbered if m), key=lambda pair: pair[0])
    if not photos:
        raise bad_source("a picture needs a photo")
    scene_no = int(request.params.get("sceneNo", 1))
    return photos[(scene_no - 1) % len(photos)][1]


def _keyframe_of(request: GenerationRequest) -> SourceFile:
    """The picture of the task it needs; a photo only where there is none."""
    pictures = [source for source in request.sources if source.mime_type.startswith("image/")]
    made = [source for source in pictures if not _PHOTO.fullmatch(source.key)]
    if not pictures:
        raise bad_source("a clip needs its keyframe")
    return (made or pictures)[0]


def _checked(source: SourceFile) -> SourceFile:
    if source.mime_type not in SOURCE_TYPES:
        raise bad_source(f"{source.key} is of another type")
    if not source.path.is_file() or source.path.stat().st_size == 0:
        raise bad_source(f"{source.key} is missing")
    return source


def _seconds(params: Mapping[str, Any]) -> float:
    seconds = params.get("durationSec", DEFAULT_CLIP_SECONDS)
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return seconds if is_number and seconds > 0 else DEFAULT_CLIP_SECONDS


def _picture_prompt(params: Mapping[str, Any]) -> str:
    prompt, style = str(params.get("prompt", "")), str(params.get("style") or "")
    return f"{prompt} Style: {style.replace('_', ' ')}." if style else prompt


def _clip_prompt(params: Mapping[str, Any]) -> str:
    look = params.get("look") or {}
    parts = (
        str(params.get("prompt", "")),
        _MOTIONS.get(look.get("motion", ""), ""),
        _EFFECTS.get(look.get("effect", ""), ""),
        _pace_words(params),
        _MOODS.get(params.get("genre", ""), ""),
        _LIKENESS,
    )
    return " ".join(part for part in parts if part)


def _pace_words(params: Mapping[str, Any]) -> str:
    pace = (params.get("sliders") or {}).get("pace", 50)
    if pace < _SLOW_BELOW:
        return "Slow, calm movement."
    return "Quick, lively movement." if pace > _QUICK_ABOVE else ""
