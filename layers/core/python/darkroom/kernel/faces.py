"""Boxes of faces in a picture: detectors find them, assets store them, framing uses them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from darkroom.kernel.errors import Unavailable
from darkroom.kernel.limits import FACES_KEPT_LIMIT

_DIGITS = 4
"""A ten-thousandth of a side is less than a pixel of any picture that is shown."""


@dataclass(frozen=True, kw_only=True)
class FaceBox:
    """A face in an upright picture, in fractions (0..1) of its width and height."""

    x: float
    """Of its left edge."""
    y: float
    """Of its upper edge."""
    width: float
    height: float

    @property
    def area(self) -> float:
        return self.width * self.height


class FaceCheckUnavailable(Unavailable):
    """Face detection is unavailable now; the picture may be fine."""

    code = "FACE_CHECK_UNAVAILABLE"


def box_between(left: float, top: float, right: float, bottom: float) -> FaceBox:
    """The box with these edges, clipped to the picture: detectors return boxes that exceed it."""
    left, top, right, bottom = (
        round(min(max(edge, 0.0), 1.0), _DIGITS) for edge in (left, top, right, bottom)
    )
    width, height = round(right - left, _DIGITS), round(bottom - top, _DIGITS)
    return FaceBox(x=left, y=top, width=width, height=height)


def largest(boxes: Sequence[FaceBox]) -> tuple[FaceBox, ...]:
    """The largest faces, largest first, up to ``FACES_KEPT_LIMIT``."""
    kept = sorted((box for box in boxes if box.area > 0), key=lambda box: (-box.area, box.x, box.y))
    return tuple(kept[:FACES_KEPT_LIMIT])


def to_json(box: FaceBox) -> dict[str, float]:
    return {"x": box.x, "y": box.y, "width": box.width, "height": box.height}


def boxes_to_text(boxes: Sequence[FaceBox]) -> str | None:
    """The stored form; None if there are no boxes."""
    return json.dumps([to_json(box) for box in boxes], separators=(",", ":")) if boxes else None


def boxes_from_text(text: str | None) -> tuple[FaceBox, ...]:
    return tuple(from_json(box) for box in json.loads(text)) if text else ()


def from_json(stored: Mapping[str, Any]) -> FaceBox:
    return FaceBox(
        x=float(stored["x"]),
        y=float(stored["y"]),
        width=float(stored["width"]),
        height=float(stored["height"]),
    )
