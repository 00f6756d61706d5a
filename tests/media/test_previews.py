"""Small pictures of outputs: their size, their frame, and none of a file that cannot have one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from darkroom.kernel.limits import THUMBNAIL_LIMIT_BYTES, THUMBNAIL_SIDE_PX
from darkroom.media.small_jpeg import small_jpeg
from darkroom.studio import previews
from darkroom.studio.films.video import Mp4Writer, yuv_of
from darkroom.studio.local_previews import LocalPreviews

PORTRAIT = Path(__file__).parents[2] / "local" / "demo" / "portrait.jpg"


def opened(body: bytes | None) -> Image.Image:
    assert body is not None
    return Image.open(io.BytesIO(body), formats=("JPEG",))


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def a_film(path: Path, *grays: int) -> Path:
    """One second of each gray."""
    with Mp4Writer(path, crf=30) as writer:
        for level in grays:
            frame = yuv_of(Image.new("RGB", (720, 1280), (level, level, level)))
            for _ in range(24):
                writer.add(frame)
    return path


@pytest.mark.parametrize("size", [(720, 1280), (4000, 3000), (300, 20), (9, 2000)])
def test_a_thumbnail_keeps_the_shape_within_its_limits(
    size: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    Image.new("RGBA", size, (200, 30, 30, 255)).save(path)

    thumbnail = opened(previews.thumbnail_of(path, "image/png"))

    assert thumbnail.mode == "RGB"
    assert max(thumbnail.size) == min(THUMBNAIL_SIDE_PX, max(size))
    assert thumbnail.width / thumbnail.height == pytest.approx(size[0] / size[1], rel=0.15)


@pytest.mark.parametrize("picture", [noise(2000, 2000), noise(512, 512), Image.open(PORTRAIT)])
def test_no_thumbnail_has_more_than_60_kilobytes(picture: Image.Image) -> None:
    assert len(small_jpeg(picture)) <= THUMBNAIL_LIMIT_BYTES


def test_a_thumbnail_carries_nothing_but_pixels(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    exif = Image.Exif()
    exif[0x010E] = "at home"
    Image.new("RGB", (900, 900)).save(path, exif=exif, comment=b"at home", icc_profile=b"secret")

    body = previews.thumbnail_of(path, "image/jpeg")

    assert body is not None
    assert b"at home" not in body and b"secret" not in body


def test_the_poster_is_a_frame_from_the_middle(tmp_path: Path) -> None:
    path = a_film(tmp_path / "film.mp4", 0, 128, 255)

    poster = opened(LocalPreviews().thumbnail(path, "video/mp4"))

    assert poster.size == (288, 512)
    assert np.asarray(poster).mean() == pytest.approx(128, abs=6)


def test_a_keyframe_as_jpeg_has_its_size(tmp_path: Path) -> None:
    path = tmp_path / "kf_1.png"
    Image.open(PORTRAIT).resize((720, 1280)).save(path)

    copy = opened(LocalPreviews().jpeg(path, "image/png"))

    assert copy.size == (720, 1280)


@pytest.mark.parametrize("mime_type", ["image/png", "image/jpeg", "video/mp4", "text/plain"])
@pytest.mark.parametrize("content", [b"", b"no picture", PORTRAIT.read_bytes()[:2000]])
def test_a_file_that_is_not_what_it_should_be_has_none(
    mime_type: str, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    assert LocalPreviews().thumbnail(path, mime_type) is None
    assert LocalPreviews().jpeg(path, mime_type) is None


def test_a_picture_with_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.new("1", (6000, 6000)).save(path)

    assert previews.thumbnail_of(path, "image/png") is None
