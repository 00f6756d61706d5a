"""Uploaded pictures: what is refused, removed and kept."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from darkroom.kernel.errors import DarkroomError
from darkroom.studio.pictures.compose import frame_photo
from darkroom.studio.pictures.focus import find_focus
from darkroom.studio.pictures.photo import open_picture
from darkroom.uploads.failures import failure_of
from darkroom.uploads.inspection import images
from darkroom.uploads.inspection.checks import check_picture
from darkroom.uploads.inspection.images import ImageRejected, inspect_and_clean
from darkroom.uploads.ports import UploadRefused

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


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    """The PNG with one more chunk right after its header."""
    return png[:33] + chunk(name, body) + png[33:]


def png_header(width: int, height: int) -> bytes:
    """A PNG of this size without its pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", b"x"), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


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


def test_gps_is_removed() -> None:
    data = encoded(halves(), "JPEG", exif=with_exif(), comment=b"home address")

    clean = inspect_and_clean(data)

    assert b"SecretCamera" in data
    for kept in (clean.jpeg_bytes, clean.thumbnail_jpeg):
        assert b"SecretCamera" not in kept
        assert b"Exif" not in kept
        assert b"home address" not in kept
        assert not decoded(kept).getexif()


def test_xmp_and_text_are_removed() -> None:
    info = PngInfo()
    info.add_text("Author", "A. Author")
    info.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>private</x:xmpmeta>")

    clean = inspect_and_clean(encoded(halves(), "PNG", pnginfo=info))

    assert b"A. Author" not in clean.jpeg_bytes
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
def test_orientation_is_applied_and_removed(orientation: int, red_at: tuple[int, int]) -> None:
    data = encoded(halves(), "JPEG", exif=with_exif(orientation=orientation))

    picture = decoded(inspect_and_clean(data).jpeg_bytes)

    red = picture.getpixel(red_at)
    assert isinstance(red, tuple)
    assert red[0] > 150 > red[2]


def test_a_sixteen_bit_gray_with_a_transparent_color_keeps_its_tones() -> None:
    ramp = np.tile(np.linspace(0x1000, 0xE000, 64).astype(np.uint16), (64, 1))
    ramp[:16] = 0x0FFF
    data = with_chunk(encoded(Image.fromarray(ramp), "PNG"), b"tRNS", b"\x0f\xff")

    kept = np.asarray(decoded(inspect_and_clean(data).jpeg_bytes).convert("L")).astype(int)

    assert kept[:12].min() > 240
    assert abs(kept[40, 2] - 0x15) < 12 and abs(kept[40, 61] - 0xDA) < 12


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_a_white_drawing_on_transparency_lies_on_gray(mode: str) -> None:
    drawing = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
    drawing.paste((255, 255, 255, 255), (20, 20, 40, 40))

    kept = decoded(inspect_and_clean(encoded(drawing.convert(mode), "PNG")).jpeg_bytes)

    brightness = np.asarray(kept.convert("L")).astype(int)
    assert brightness[30, 30] > 240
    assert abs(brightness[4, 4] - 128) < 6


def test_a_drawing_visible_on_white_lies_on_white() -> None:
    drawing = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    drawing.paste((255, 255, 255, 255), (20, 20, 180, 180))
    drawing.paste((0, 0, 0, 255), (60, 60, 90, 90))

    kept = decoded(inspect_and_clean(encoded(drawing, "PNG")).jpeg_bytes)

    assert np.asarray(kept.convert("L"))[4, 4] > 245


def test_transparency_becomes_white() -> None:
    clean = inspect_and_clean(encoded(Image.new("RGBA", (40, 40), (255, 0, 0, 0)), "PNG"))

    assert np.asarray(decoded(clean.jpeg_bytes)).min() > 245


def test_colors_are_converted_to_srgb() -> None:
    plain = Image.new("RGB", (40, 40), (120, 120, 120))
    data = encoded(plain, "PNG", icc_profile=linear_profile())

    kept = decoded(inspect_and_clean(data).jpeg_bytes)

    # 120 / 255 as a share of light is 181 in sRGB's encoding.
    assert "icc_profile" not in kept.info
    assert abs(float(np.asarray(kept).mean()) - 181) < 4


def gray_profile() -> bytes:
    """A minimal ICC profile of grays in proportion to light."""
    rgb = linear_profile()
    start = rgb.index(b"curv")
    curve = rgb[start : start + 14] + b"\0\0"
    white = rgb[rgb.index(b"XYZ \0\0\0\0", 128) :][:20]
    described = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 79
    bodies = {b"desc": described, b"wtpt": white, b"kTRC": curve}
    at, table, body = 128 + 4 + 12 * len(bodies), struct.pack(">I", len(bodies)), b""
    for name, content in bodies.items():
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    head = struct.pack(">I", at + len(body)) + rgb[4:16] + b"GRAY" + rgb[20:128]
    return head + table + body


@pytest.mark.parametrize(
    ("mode", "profile"),
    [("P", linear_profile()), ("RGBA", linear_profile()), ("LA", gray_profile()),
     ("L", gray_profile()), ("L", linear_profile())],
    ids=["palette", "transparent", "transparent gray", "gray", "gray with a color profile"],
)  # fmt: skip
def test_a_profile_is_applied_in_every_mode(mode: str, profile: bytes) -> None:
    plain = Image.new("RGBA", (40, 40), (120, 120, 120, 255))
    data = encoded(plain.convert("RGB" if mode == "P" else "RGBA").convert(mode), "PNG",
                   icc_profile=profile)  # fmt: skip

    kept = decoded(inspect_and_clean(data).jpeg_bytes)

    assert abs(float(np.asarray(kept).mean()) - 181) < 4


@pytest.mark.parametrize(
    ("transfer", "code", "shown"),
    [(16, 148, 237), (16, 106, 119), (18, 191, 237), (18, 0, 0), (16, 255, 252), (13, 120, 120)],
    ids=["PQ white paper", "PQ gray card", "HLG white paper", "HLG black", "PQ peak", "sRGB"],
)
@pytest.mark.parametrize("kind", ["PNG", "AVIF"])
def test_hdr_without_a_profile_is_tone_mapped(
    kind: str, transfer: int, code: int, shown: int
) -> None:
    picture = Image.new("RGB", (64, 64), (code, code, code))
    if kind == "PNG":
        data = with_chunk(encoded(picture, "PNG"), b"cICP", bytes((9, transfer, 0, 1)))
    else:
        data = encoded(picture, "AVIF", quality=95)
        at = data.index(b"colrnclx") + 8
        data = data[:at] + struct.pack(">HH", 9, transfer) + data[at + 4 :]

    kept = np.asarray(decoded(inspect_and_clean(data).jpeg_bytes)).astype(int)

    assert np.abs(kept - shown).max() <= 4


def test_wide_gamut_colors_without_a_profile_keep_their_saturation() -> None:
    red = with_chunk(encoded(Image.new("RGB", (40, 40), (200, 60, 60)), "PNG"), b"cICP",
                     bytes((12, 13, 0, 1)))  # fmt: skip

    kept = np.asarray(decoded(inspect_and_clean(red).jpeg_bytes)).astype(int)[20, 20]

    assert kept[0] > 208 and kept[1] < 58


def test_a_broken_profile_does_not_lose_the_picture() -> None:
    clean = inspect_and_clean(encoded(halves(), "JPEG", icc_profile=b"no profile" * 20))

    assert (clean.width, clean.height) == (120, 60)


def test_sixteen_bit_grays_stay_gray() -> None:
    ramp = np.full((40, 40), 0x8000, dtype=np.uint16)

    clean = inspect_and_clean(encoded(Image.fromarray(ramp), "PNG"))

    assert abs(int(np.asarray(decoded(clean.jpeg_bytes)).mean()) - 128) < 4


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (40, 40), color) for color in ("red", "blue")]
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
def test_an_unsupported_picture_is_refused(data: bytes) -> None:
    assert code_of(data) == "UNSUPPORTED_TYPE"


@pytest.mark.parametrize(
    "comment", [b"<HTML5 canvas>", b"<scripted scene>", b"a < b <svgs", b"<?xml"]
)
def test_a_comment_that_only_begins_like_markup_is_a_comment(comment: bytes) -> None:
    assert inspect_and_clean(encoded(halves(), "JPEG", comment=comment)).width == 120


def test_a_png_is_not_refused_for_the_length_of_its_texts() -> None:
    info = PngInfo()
    info.add_text("Comment", "word " * 300_000, zip=True)
    info.add_itxt("XML:com.adobe.xmp", "x" * 2_000_000, zip=True)

    clean = inspect_and_clean(encoded(halves(), "PNG", pnginfo=info))

    assert (clean.width, clean.height) == (120, 60)


def rebranded(data: bytes, major: bytes, *compatible: bytes) -> bytes:
    """The container with these brands instead of its own."""
    size = int.from_bytes(data[:4], "big")
    brands = (major + b"\0\0\0\0" + b"".join(compatible))[: size - 8]
    return data[:8] + brands.ljust(size - 8, b"\0") + data[size:]


@pytest.mark.parametrize(
    "brands",
    [(b"mif1", b"avif"), (b"mif1", b"miaf"), (b"msf1", b"avif"), (b"mif2", b"avif"),
     (b"miaf", b"avif"), (b"MA1B", b"mif1"), (b"avio", b"avif"), (b"XXXX", b"mif1")],
    ids=lambda brands: b" ".join(brands).decode(),
)  # fmt: skip
def test_an_avif_is_recognized_by_any_of_its_brands(brands: tuple[bytes, ...]) -> None:
    clean = inspect_and_clean(rebranded(encoded(halves(), "AVIF"), *brands))

    assert (clean.source_mime_type, clean.width) == ("image/avif", 120)


def test_a_video_that_lists_a_picture_brand_is_a_video() -> None:
    data = b"\0\0\0\x18ftypmp42\0\0\0\0mif1isom" + b"\0" * 40

    assert code_of(data) == "TYPE_MISMATCH"


def test_four_bytes_that_look_like_an_archive_are_not_an_archive() -> None:
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


@pytest.mark.parametrize(
    "size", [(8160, 6144), (8192, 6144), (16_382, 3628), (12_000, 9000), (12_032, 9024)]
)
def test_photos_of_phones_are_not_too_large(size: tuple[int, int]) -> None:
    # The size is checked before the pixels, of which this has none.
    assert code_of(png_header(*size)) == "CORRUPT_FILE"


@pytest.mark.parametrize("size", [(66_000, 120), (120, 66_000), (65_501, 8)])
def test_a_side_that_no_jpeg_has_is_too_large(size: tuple[int, int]) -> None:
    assert code_of(encoded(Image.new("L", size), "PNG")) == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (7, 600), (600, 1)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_sides_that_no_job_can_use_are_too_small(kind: str, size: tuple[int, int]) -> None:
    assert code_of(encoded(Image.new("RGB", size), kind)) == "IMAGE_TOO_SMALL"


@pytest.mark.parametrize("size", [(4, 4), (66_000, 8)])
def test_the_error_names_the_problem_with_the_size(size: tuple[int, int], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(encoded(Image.new("L", size), "PNG"))

    with pytest.raises(UploadRefused) as refused:
        check_picture(source, tmp_path)

    assert failure_of(refused.value.error_code).value == refused.value.error_code


@pytest.mark.parametrize("size", [(8, 8), (8, 1200), (1200, 8), (65_500, 8), (8, 65_500)])
def test_every_accepted_size_can_be_used_by_a_job(size: tuple[int, int], tmp_path: Path) -> None:
    kept = tmp_path / "image.jpg"
    kept.write_bytes(inspect_and_clean(encoded(Image.new("L", size, 90), "PNG")).jpeg_bytes)

    opened = open_picture(kept, "photo_1")

    composition = frame_photo(opened, find_focus(opened), "medium", np.random.default_rng(1))
    assert composition.pixels.shape == (1280, 720, 3)


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "RGB"),
                       ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"), ("AVIF", "RGB")]
)  # fmt: skip
def test_a_very_large_picture_is_kept_at_half_its_size(
    kind: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "CLEAN_IMAGE_PIXELS_LIMIT", 100 * 60)

    clean = inspect_and_clean(encoded(halves().convert(mode), kind))

    assert (clean.width, clean.height) == (60, 30)
    left, right = (decoded(clean.jpeg_bytes).convert("RGB").getpixel((x, 15)) for x in (8, 52))
    assert isinstance(left, tuple) and isinstance(right, tuple)
    assert mode in ("L", "1") or (left[0] > 150 > left[2] and right[2] > 150 > right[0])


def test_a_very_large_webp_is_refused_because_its_decoder_needs_too_much_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images, "WEBP_PIXELS_LIMIT", 100 * 60)

    assert code_of(encoded(halves(), "WEBP")) == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize(
    ("raised", "code"),
    [(OSError("encoder error"), "CORRUPT_FILE"), (MemoryError(), "IMAGE_TOO_LARGE")],
)
def test_an_encoding_error_has_a_code(
    raised: Exception, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(halves(), "PNG")

    def failing(*args: Any, **options: Any) -> None:
        raise raised

    monkeypatch.setattr(Image.Image, "save", failing)

    assert code_of(data) == code


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "mode", "size"),
    [("JPEG", "RGB", (12_032, 9024)), ("JPEG", "CMYK", (8000, 8000)),
     ("PNG", "RGBA", (12_032, 9024)), ("PNG", "RGBA", (8000, 8000)),
     ("WEBP", "RGBA", (8000, 6250)), ("AVIF", "RGB", (12_032, 9024))],
)  # fmt: skip
def test_the_largest_pictures_fit_the_memory_of_their_function(
    kind: str, mode: str, size: tuple[int, int], tmp_path: Path
) -> None:
    options = {"AVIF": {"speed": 10}, "WEBP": {"method": 0}}.get(kind, {})
    source = tmp_path / "picture"
    source.write_bytes(encoded(Image.new(mode, size), kind, **options))
    template = (Path(__file__).parents[2] / "template.yaml").read_text()
    function = template[template.index("  IngestImageFunction:") :]
    memory_mb = int(function[function.index("MemorySize:") :].split()[1])
    # Not getrusage: its figure includes what this process held when it started the other.
    program = f"""
from pathlib import Path
from darkroom.uploads.inspection.checks import check_picture
check_picture(Path({str(source)!r}), Path({str(tmp_path)!r}))
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))
"""

    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    # Lambda's own process and the libraries of AWS take the rest.
    assert int(ran.stdout) // 1024 < memory_mb - 150


@pytest.mark.parametrize("side", [10_500, 20_000, 60_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    assert code_of(png_header(side, side)) == "IMAGE_TOO_LARGE"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_damaged_picture_is_refused_or_read_and_never_crashes(kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    whole = encoded(halves(), kind, exif=with_exif(orientation=6))
    rng = np.random.default_rng(4)

    codes = set()
    for _ in range(120):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(damaged), 4):
            damaged[place] = int(rng.integers(256))
        try:
            clean = inspect_and_clean(bytes(damaged))
        except ImageRejected as refused:
            codes.add(refused.error_code)
        else:
            assert decoded(clean.jpeg_bytes).size == (clean.width, clean.height)
    assert codes <= {"UNSUPPORTED_TYPE", "CORRUPT_FILE", "IMAGE_TOO_LARGE"}
