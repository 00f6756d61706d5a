"""Sizes read from headers: files of real encoders are read, and no file raises an error."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom.media.media_size import MediaSize, read_size
from tests.support.cloud import a_png
from tests.support.media_files import write_media

NOTHING = MediaSize()


def a_picture(path: Path, format_: str, mode: str = "RGB", **options: Any) -> Path:
    size = (321, 123)
    Image.effect_noise(size, 60).convert(mode).save(path, format_, **options)
    return path


PICTURES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "png": ("image/png", lambda path: a_picture(path, "PNG")),
    "png-alpha": ("image/png", lambda path: a_picture(path, "PNG", "RGBA")),
    "jpeg": ("image/jpeg", lambda path: a_picture(path, "JPEG")),
    "jpeg-progressive": ("image/jpeg", lambda path: a_picture(path, "JPEG", progressive=True)),
    "jpeg-exif": ("image/jpeg", lambda path: a_picture(path, "JPEG", exif=b"Exif\0\0" + b"x" * 999,
                                                       icc_profile=b"y" * 70_000)),
    "webp": ("image/webp", lambda path: a_picture(path, "WEBP")),
    "webp-lossless": ("image/webp", lambda path: a_picture(path, "WEBP", lossless=True)),
    "webp-alpha": ("image/webp", lambda path: a_picture(path, "WEBP", "RGBA", exif=b"Exif\0\0")),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_a_width_and_a_height(tmp_path: Path, name: str) -> None:
    mime_type, make = PICTURES[name]

    size = read_size(make(tmp_path / "file"), mime_type)

    assert size == MediaSize(width=321, height=123)


def test_tables_and_fill_bytes_before_the_frame_of_a_jpeg_are_skipped(tmp_path: Path) -> None:
    tables = b"\xff\xc4\x00\x09" + b"\x01\x02\x03\x04\x05\x06\x07"
    frame = b"\xff\xc2\x00\x0b\x08" + struct.pack(">HH", 30, 40)
    path = tmp_path / "file"
    path.write_bytes(b"\xff\xd8" + tables + b"\xff\xff\xff\xd0" + frame)

    assert read_size(path, "image/jpeg") == MediaSize(width=40, height=30)


@pytest.mark.parametrize("options", [{}, {"movflags": "+faststart"}])
@pytest.mark.parametrize("audio", [None, "aac"])
def test_a_film_has_both_and_a_duration(
    tmp_path: Path, options: dict[str, str], audio: str | None
) -> None:
    path = write_media(tmp_path / "a.mp4", "mp4", video="libx264", audio=audio, options=options)

    size = read_size(path, "video/mp4")

    assert (size.width, size.height) == (160, 90)
    assert size.duration_ms == pytest.approx(2000, abs=60)


@pytest.mark.parametrize("degrees", [90, -90])
def test_a_rotated_film_has_its_display_size(tmp_path: Path, degrees: int) -> None:
    path = write_media(tmp_path / "a.mp4", "mp4", video="libx264", rotation=degrees)

    size = read_size(path, "video/mp4")

    assert (size.width, size.height) == (90, 160)


def test_a_film_in_fragments_has_a_size_and_no_known_duration(tmp_path: Path) -> None:
    options = {"movflags": "frag_keyframe+empty_moov"}
    path = write_media(tmp_path / "a.mp4", "mp4", video="libx264", options=options)

    assert read_size(path, "video/mp4") == MediaSize(width=160, height=90)


def test_a_sound_has_a_duration_alone(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.m4a", "ipod", audio="aac", seconds=3)

    size = read_size(path, "audio/mp4")

    assert (size.width, size.height) == (None, None)
    assert size.duration_ms == pytest.approx(3000, abs=60)


def box(kind: bytes, *parts: bytes, large: bool = False) -> bytes:
    body = b"".join(parts)
    if large:
        return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body
    return struct.pack(">I4s", 8 + len(body), kind) + body


def a_film(*moov: bytes, brand: bytes = b"isom") -> bytes:
    return (
        box(b"ftyp", brand, bytes(4)) + box(b"mdat", bytes(100), large=True) + box(b"moov", *moov)
    )


def mvhd(timescale: int, units: int, *, is_long: bool = False) -> bytes:
    if is_long:
        return box(b"mvhd", b"\x01\0\0\0", bytes(16), struct.pack(">IQ", timescale, units))
    return box(b"mvhd", bytes(12), struct.pack(">II", timescale, units))


def test_long_fields_and_durations_in_other_boxes_are_read(tmp_path: Path) -> None:
    mehd = box(b"mvex", box(b"mehd", bytes(4), struct.pack(">I", 4500)))
    files = {
        "long": (a_film(mvhd(90_000, 270_000, is_long=True)), 3000),
        "fragments": (a_film(mvhd(1000, 0), mehd), 4500),
        "unknown": (a_film(mvhd(1000, 2**32 - 1)), None),
        "unknown at first": (a_film(mvhd(1000, 2**32 - 1), mehd), 4500),
        "no scale": (a_film(mvhd(0, 1000)), None),
        "forever": (a_film(mvhd(1, 2**31)), None),
    }

    for name, (content, duration_ms) in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert read_size(path, "video/mp4").duration_ms == duration_ms, name


@pytest.mark.parametrize("mime_type", ["image/png", "image/jpeg", "image/webp", "video/mp4"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"<html><body>Not found</body></html>",
        b"\x89PNG\r\n\x1a\n",
        a_png()[:40],
        a_png(20_000, 1),
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xc0",
        b"RIFF\0\0\0\0WEBPVP8 ",
        box(b"ftyp", b"isom"),
        box(b"moov", mvhd(1, 1)),
        a_film(),
        a_film(box(b"trak"), box(b"mvhd")),
    ],
    ids=range(13),
)
def test_a_file_of_another_kind_has_no_known_size(
    tmp_path: Path, content: bytes, mime_type: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    assert read_size(path, mime_type) == NOTHING


def test_a_file_of_another_type_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(a_png(4, 5))

    sizes = {kind: read_size(path, kind) for kind in ("image/png", "image/jpeg", "text/plain", "")}

    assert sizes.pop("image/png") == MediaSize(width=4, height=5)
    assert set(sizes.values()) == {NOTHING}


def corrupted(content: bytes, rng: random.Random) -> Iterator[bytes]:
    """The file cut off, and with bytes and whole lengths changed, mostly where the headers are."""
    yield content[: rng.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(rng.randrange(1, 8)):
        at = int(len(changed) * rng.random() ** 4)
        changed[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    yield bytes(changed)
    at = rng.randrange(max(1, len(content) - 4))
    yield content[:at] + rng.choice([b"\0\0\0\0", b"\xff" * 4, b"\0\0\0\1"]) + content[at + 4 :]


def test_a_corrupt_file_does_not_raise(tmp_path: Path) -> None:
    rng = random.Random(11)
    whole = [(kind, make(tmp_path / name)) for name, (kind, make) in PICTURES.items()]
    whole.append(("video/mp4", write_media(tmp_path / "a", "mp4", video="libx264", audio="aac")))
    path = tmp_path / "corrupted"
    for mime_type, source in whole:
        content = source.read_bytes()
        for _ in range(60):
            for bad in corrupted(content, rng):
                path.write_bytes(bad)
                size = read_size(path, mime_type)
                assert (size.width is None) == (size.height is None)
