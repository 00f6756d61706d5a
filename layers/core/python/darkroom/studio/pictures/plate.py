"""What a keyframe passes to its clip: the picture without its moving effect.

Owns a private PNG chunk that carries the clean plate, so that rain in a clip falls instead of
hanging where the keyframe froze it. Any viewer ignores the chunk; a keyframe that has none, as
from a cloud provider, is its own plate. Knows nothing of looks.
"""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile, PngInfo

from darkroom.studio.pictures.focus import Focus, find_focus
from darkroom.studio.pictures.photo import open_picture
from darkroom.studio.pictures.raster import HEIGHT, WIDTH

_CHUNK: Final = b"dkPL"
_MAX_HEADER_BYTES: Final = 4096


@dataclass(frozen=True, kw_only=True)
class Plate:
    """A graded picture before effect and grain, 720 x 1280, and what the effect needs."""

    image: Image.Image
    focus: Focus
    """In fractions of the frame."""
    seed: int | None
    """The keyframe's effect seed; the clip's effect then begins where the keyframe stands."""


def save_keyframe(path: Path, picture: Image.Image, plate: Plate) -> None:
    """Writes the finished picture as PNG with its plate inside."""
    header = json.dumps(
        {
            "x": round(plate.focus.x, 5),
            "y": round(plate.focus.y, 5),
            "head": round(plate.focus.head, 5),
            "sure": plate.focus.sure,
            "seed": plate.seed,
        },
        sort_keys=True,
    ).encode()
    jpeg = io.BytesIO()
    plate.image.save(jpeg, "JPEG", quality=94, subsampling=0)
    info = PngInfo()
    info.add(_CHUNK, struct.pack(">I", len(header)) + header + jpeg.getvalue())
    picture.save(path, "PNG", pnginfo=info, compress_level=3)


def open_plate(path: Path, key: str) -> Plate:
    """The plate of a keyframe, or the keyframe itself where it carries none.

    Raises:
        PermanentProviderError: ``BAD_SOURCE``.
    """
    picture = open_picture(path, key)
    stored = _stored_plate(path)
    if stored is not None:
        return stored
    fitted = ImageOps.fit(picture, (WIDTH, HEIGHT), Image.Resampling.LANCZOS, centering=(0.5, 0.35))
    return Plate(image=fitted, focus=find_focus(fitted), seed=None)


def _stored_plate(path: Path) -> Plate | None:
    """None for a file without the chunk, or with one that this version cannot read."""
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            picture.load()
            assert isinstance(picture, PngImageFile)
            body = next((chunk[1] for chunk in picture.private_chunks if chunk[0] == _CHUNK), None)
        if body is None:
            return None
        (length,) = struct.unpack_from(">I", body)
        if length > _MAX_HEADER_BYTES:
            return None
        facts = json.loads(body[4 : 4 + length])
        with Image.open(io.BytesIO(body[4 + length :]), formats=("JPEG",)) as jpeg:
            if jpeg.size != (WIDTH, HEIGHT):
                return None
            image = jpeg.convert("RGB")
        focus = Focus(
            x=float(facts["x"]), y=float(facts["y"]), head=float(facts["head"]),
            sure=bool(facts["sure"]),
        )  # fmt: skip
        return Plate(image=image, focus=focus, seed=facts["seed"])
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error):
        return None
