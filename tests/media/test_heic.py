"""HEIC photos of phones are decoded upright and stored as JPEG; broken ones are refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from darkroom.uploads.inspection.images import ImageRejected, inspect_and_clean

pillow_heif.register_heif_opener()


def heic(*, size: tuple[int, int] = (64, 32), orientation: int = 1) -> bytes:
    """A picture whose left half is red."""
    picture = Image.new("RGB", size, "blue")
    picture.paste("red", (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, "where I live"
    # From here the encoder turns the orientation into the container's own, which is what counts.
    picture.info["exif"] = exif.tobytes()
    out = io.BytesIO()
    picture.save(out, "HEIF", quality=90)
    return out.getvalue()


def test_a_heic_becomes_a_jpeg_without_metadata() -> None:
    content = heic()
    assert b"where I live" in content

    clean = inspect_and_clean(content)

    assert (clean.source_mime_type, clean.mime_type) == ("image/heic", "image/jpeg")
    assert (clean.width, clean.height) == (64, 32)
    assert b"where I live" not in clean.jpeg_bytes
    with Image.open(io.BytesIO(clean.jpeg_bytes)) as kept:
        left: Any = kept.getpixel((8, 16))
    assert left[0] > 200 and left[2] < 60


def test_the_rotation_of_a_heic_is_applied_once() -> None:
    clean = inspect_and_clean(heic(orientation=6))

    assert (clean.width, clean.height) == (32, 64)
    with Image.open(io.BytesIO(clean.jpeg_bytes)) as kept:
        color_at: Any = kept.getpixel
        top, bottom = color_at((16, 8)), color_at((16, 56))
    assert top[0] > 200 and bottom[2] > 200


@pytest.mark.parametrize("major", [b"mif1", b"mif2", b"msf1", b"miaf", b"hevc", b"XXXX"])
def test_a_heic_is_recognized_by_any_of_its_brands(major: bytes) -> None:
    content = heic()
    content = content[:8] + major + content[12:]

    clean = inspect_and_clean(content)

    assert (clean.source_mime_type, clean.width) == ("image/heic", 64)


def test_a_heic_of_too_many_pixels_is_refused_undecoded() -> None:
    with pytest.raises(ImageRejected) as refused:
        inspect_and_clean(heic(), max_pixels=64 * 32 - 1)

    assert refused.value.error_code == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_heic_is_refused(share: float) -> None:
    content = heic(size=(640, 480))

    with pytest.raises(ImageRejected) as refused:
        inspect_and_clean(content[: int(len(content) * share)])

    assert refused.value.error_code == "CORRUPT_FILE"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_picture_is_refused_or_read_and_never_crashes() -> None:
    content, dice = heic(), np.random.default_rng(4)

    for _ in range(120):
        damaged = bytearray(content)
        for place in dice.integers(0, len(damaged), 4):
            damaged[place] = int(dice.integers(256))
        try:
            inspect_and_clean(bytes(damaged))
        except ImageRejected:
            continue


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\0\0\0\x18ftypheic", "CORRUPT_FILE"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0" + b"\0" * 400, "CORRUPT_FILE"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "TYPE_MISMATCH"),
        (b"\0\0\0\x18ftypqt  \0\0\0\0", "TYPE_MISMATCH"),
        (b"ID3\x04\0\0\0\0\0\0", "TYPE_MISMATCH"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "TYPE_MISMATCH"),
        (b"\x1a\x45\xdf\xa3\x93\x42\x86", "TYPE_MISMATCH"),
        (b"\0\0\0\x18ftypXXXX\0\0\0\0", "UNSUPPORTED_TYPE"),
    ],
)
def test_a_file_that_is_not_a_picture_is_refused_with_its_type(content: bytes, code: str) -> None:
    with pytest.raises(ImageRejected) as refused:
        inspect_and_clean(content)

    assert refused.value.error_code == code
