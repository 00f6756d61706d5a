"""Uploaded pictures: what is refused, what is dropped, what is kept."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from darkroom.generation.providers.local.images import ImageRejected, inspect_and_clean
from darkroom.kernel.errors import DarkroomError

PORTRAIT = (Path(__file__).parents[2] / "local" / "demo" / "portrait.jpg").read_bytes()


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def decoded(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def code_of(data: bytes, **options: Any) -> str:
    with pytest.raises(ImageRejected) as refused:
        inspect_and_clean(data, **options)
    assert isinstance(refused.value, DarkroomError)
    return refused.value.error_code


def halves() -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (120, 60), (220, 20, 20))
    picture.paste((20, 20, 220), (60, 0, 120, 60))
    return picture


def with_exif(**tags: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif[0x0112] = tags.get("orientation", 1)
    exif.get_ifd(0x8825)[2] = (37.0, 33.0, 12.0)
    return exif


def linear_profile() -> bytes:
    """A minimal ICC profile: sRGB's primaries, but values in proportion to light."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, 256, 0)
    text = b"text\0\0\0\0test\0\0\0\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 79,
        b"cprt": text,
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.4361, 0.2225, 0.0139),
        b"gXYZ": xyz(0.3851, 0.7169, 0.0971),
        b"bXYZ": xyz(0.1431, 0.0606, 0.7141),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", start + len(body), b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ "
    )
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body


@pytest.mark.parametrize(
    ("kind", "mime_type"),
    [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp"), ("AVIF", "image/avif")],
)
def test_the_content_decides_the_type(kind: str, mime_type: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")

    clean = inspect_and_clean(encoded(halves(), kind))

    assert (clean.source_mime_type, clean.mime_type) == (mime_type, "image/jpeg")
    assert (clean.width, clean.height) == (120, 60)
    assert decoded(clean.jpeg_bytes).format == "JPEG"


def test_gps_is_gone() -> None:
    data = encoded(halves(), "JPEG", exif=with_exif(), comment=b"home address")

    clean = inspect_and_clean(data)

    assert b"SecretCamera" in data
    for kept in (clean.jpeg_bytes, clean.thumbnail_jpeg):
        assert b"SecretCamera" not in kept
        assert b"Exif" not in kept
        assert b"home address" not in kept
        assert not decoded(kept).getexif()


def test_xmp_and_text_are_gone() -> None:
    info = PngInfo()
    info.add_text("Author", "Somebody")
    info.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>private</x:xmpmeta>")

    clean = inspect_and_clean(encoded(halves(), "PNG", pnginfo=info))

    assert b"Somebody" not in clean.jpeg_bytes
    assert b"xmpmeta" not in clean.jpeg_bytes


@pytest.mark.parametrize(
    ("orientation", "red_at"),
    [
        (1, (5, 30)),
        (2, (115, 30)),
        (3, (115, 30)),
        (4, (5, 30)),
        (5, (30, 5)),
        (6, (30, 5)),
        (7, (30, 115)),
        (8, (30, 115)),
    ],
)
def test_orientation_is_applied_and_then_forgotten(
    orientation: int, red_at: tuple[int, int]
) -> None:
    data = encoded(halves(), "JPEG", exif=with_exif(orientation=orientation))

    picture = decoded(inspect_and_clean(data).jpeg_bytes)

    red = picture.getpixel(red_at)
    assert isinstance(red, tuple)
    assert red[0] > 150 > red[2]


def test_transparency_becomes_white() -> None:
    clean = inspect_and_clean(encoded(Image.new("RGBA", (40, 40), (255, 0, 0, 0)), "PNG"))

    assert np.asarray(decoded(clean.jpeg_bytes)).min() > 245


def test_colours_are_converted_to_srgb() -> None:
    plain = Image.new("RGB", (40, 40), (120, 120, 120))
    data = encoded(plain, "PNG", icc_profile=linear_profile())

    kept = decoded(inspect_and_clean(data).jpeg_bytes)

    # 120 / 255 as a share of light is 181 in sRGB's encoding.
    assert "icc_profile" not in kept.info
    assert abs(float(np.asarray(kept).mean()) - 181) < 4


def test_a_broken_profile_does_not_lose_the_picture() -> None:
    clean = inspect_and_clean(encoded(halves(), "JPEG", icc_profile=b"no profile" * 20))

    assert (clean.width, clean.height) == (120, 60)


def test_sixteen_bit_greys_stay_grey() -> None:
    ramp = np.full((40, 40), 0x8000, dtype=np.uint16)

    clean = inspect_and_clean(encoded(Image.fromarray(ramp), "PNG"))

    assert abs(int(np.asarray(decoded(clean.jpeg_bytes)).mean()) - 128) < 4


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=100)

    red = decoded(inspect_and_clean(data).jpeg_bytes).getpixel((20, 20))

    assert isinstance(red, tuple)
    assert red[0] > 200 > red[2]


def test_the_thumbnail_is_at_most_480_pixels_long() -> None:
    thumbnail = decoded(inspect_and_clean(PORTRAIT).thumbnail_jpeg)

    assert max(thumbnail.size) == 480


def test_the_picture_is_still_the_picture() -> None:
    kept = decoded(inspect_and_clean(PORTRAIT).jpeg_bytes).convert("RGB")

    original = np.asarray(decoded(PORTRAIT).convert("RGB"), dtype=np.float32)
    assert np.abs(np.asarray(kept, dtype=np.float32) - original).mean() < 3


def zip_bytes() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("payload.txt", "x" * 50)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", id="svg"),
        pytest.param(b"<!doctype html><html></html>", id="html"),
        pytest.param(zip_bytes(), id="zip"),
        pytest.param(encoded(Image.new("P", (9, 9)), "GIF"), id="gif"),
        pytest.param(encoded(Image.new("RGB", (9, 9)), "BMP"), id="bmp"),
        pytest.param(b"%PDF-1.7", id="pdf"),
        pytest.param(PORTRAIT + zip_bytes(), id="jpeg then zip"),
        pytest.param(
            encoded(halves(), "JPEG", comment=b"<script>alert(1)</script>"), id="jpeg with script"
        ),
        pytest.param(encoded(halves(), "JPEG", comment=b"<HTML><body>"), id="jpeg with html"),
    ],
)
def test_what_is_no_allowed_picture_is_refused(data: bytes) -> None:
    assert code_of(data) == "UNSUPPORTED_TYPE"


def test_four_bytes_that_look_like_an_archive_by_chance_are_no_archive() -> None:
    # An end record always carries the length of what follows; here it cannot fit.
    clean = inspect_and_clean(PORTRAIT + b"PK\x05\x06" + b"\xff" * 18)

    assert clean.width == 512


def test_appended_data_is_dropped() -> None:
    clean = inspect_and_clean(PORTRAIT + b"trailing secret")

    assert b"trailing secret" not in clean.jpeg_bytes


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_truncated_picture_is_corrupt(kind: str, part: float) -> None:
    whole = encoded(decoded(PORTRAIT), kind)

    assert code_of(whole[: int(len(whole) * part)]) == "CORRUPT_FILE"


def test_magic_bytes_alone_are_corrupt() -> None:
    assert code_of(b"\xff\xd8\xff\xe0" + b"\x00" * 50) == "CORRUPT_FILE"


def test_too_many_pixels_are_refused() -> None:
    data = encoded(Image.new("RGB", (200, 100)), "PNG")

    assert code_of(data, max_pixels=19_999) == "IMAGE_TOO_LARGE"
    assert inspect_and_clean(data, max_pixels=20_000).width == 200


@pytest.mark.parametrize("side", [8_000, 20_000, 60_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    )

    assert code_of(bomb) == "IMAGE_TOO_LARGE"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_damage_of_any_kind_is_refused_or_survived_but_never_crashes(kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    whole = encoded(halves(), kind, exif=with_exif(orientation=6))
    rng = np.random.default_rng(4)

    for _ in range(120):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(damaged), 4):
            damaged[place] = int(rng.integers(256))
        try:
            clean = inspect_and_clean(bytes(damaged))
        except ImageRejected as refused:
            assert refused.error_code in ("UNSUPPORTED_TYPE", "CORRUPT_FILE", "IMAGE_TOO_LARGE")
        else:
            assert decoded(clean.jpeg_bytes).size == (clean.width, clean.height)
