"""Pictures with a known number of faces, composed from the demo's portrait: what the face count
is measured on.

All show one person, changed in size, tilt, light, color and side: they measure the count for
arrangements, not for the variety of people.
``python -m tests.support.face_pictures`` prints the table of docs/faces.md.
"""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

PORTRAIT = Path(__file__).resolve().parents[2] / "local/demo/portrait.jpg"
HEAD = (140, 5, 312, 215)
"""Where the head is in the portrait; the face itself is 102 of these 172 px wide."""
FACE_SHARE = 102 / 172
# Parts of the portrait without a head, and a head only.
_HEADLESS = ((0, 210, 512, 512), (0, 0, 130, 400), (320, 0, 512, 270), (270, 330, 512, 512))
PICTURES_PER_ROW = 30


def jpeg_of(picture: Image.Image, quality: int = 90) -> bytes:
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=quality)
    return out.getvalue()


def portrait() -> Image.Image:
    with Image.open(PORTRAIT) as picture:
        return picture.convert("RGB")


def backdrop(dice: random.Random, size: tuple[int, int]) -> Image.Image:
    """Something without a face: a gradient, noise, shapes, or headless parts of the portrait."""
    ends = [tuple(dice.randrange(256) for _ in range(3)) for _ in range(2)]
    ramp = Image.linear_gradient("L").rotate(dice.choice((0, 90, 180, 270))).resize(size)
    first, second = (Image.new("RGB", size, end) for end in ends)
    canvas = Image.composite(first, second, ramp)
    draw = ImageDraw.Draw(canvas)
    for _ in range(dice.randrange(30)):
        x, y = dice.randrange(size[0]), dice.randrange(size[1])
        reach = dice.randrange(5, max(size) // 4)
        shape = dice.choice((draw.ellipse, draw.rectangle))
        shape((x, y, x + reach, y + reach), fill=tuple(dice.randrange(256) for _ in range(3)))
    if dice.random() < 0.4:
        part = portrait().crop(dice.choice(_HEADLESS))
        part.thumbnail((size[0] // 2, size[1] // 2))
        place = (dice.randrange(size[0] - part.width), dice.randrange(size[1] - part.height))
        canvas.paste(part, place)
    if dice.random() < 0.5:
        noise = Image.effect_noise(size, dice.uniform(10, 60)).convert("RGB")
        canvas = ImageChops.add(canvas, noise, scale=1, offset=-128)
    return canvas.filter(ImageFilter.GaussianBlur(dice.uniform(0, 1.5)))


def head(dice: random.Random, face_px: int, *, tilt_degrees: float = 0.0) -> Image.Image:
    """A head with soft edges (RGBA), its face ``face_px`` wide."""
    cut = portrait().crop(HEAD)
    if dice.random() < 0.5:
        cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    cut = ImageEnhance.Color(cut).enhance(dice.uniform(0.2, 1.5))
    cut = ImageEnhance.Brightness(cut).enhance(dice.uniform(0.6, 1.25))
    mask = Image.new("L", cut.size, 0)
    ImageDraw.Draw(mask).ellipse((6, 4, cut.width - 6, cut.height - 4), fill=255)
    cut.putalpha(mask.filter(ImageFilter.GaussianBlur(4)))
    wide = round(face_px / FACE_SHARE)
    high = round(wide * cut.height / cut.width * dice.uniform(0.92, 1.08))
    return cut.resize((wide, high), Image.Resampling.LANCZOS).rotate(
        tilt_degrees, Image.Resampling.BICUBIC, expand=True
    )


def group(
    dice: random.Random,
    faces: int,
    *,
    size: tuple[int, int] = (1280, 960),
    face_px: tuple[int, int] = (60, 140),
    tilt_degrees: float = 10.0,
) -> Image.Image:
    """This number of heads in rows, without overlap."""
    canvas = backdrop(dice, size)
    columns = max(1, round((faces * size[0] / size[1]) ** 0.5))
    rows = -(-faces // columns)
    cell = (size[0] // columns, size[1] // rows)
    cells = [(c * cell[0], r * cell[1]) for r in range(rows) for c in range(columns)]
    for left, top in dice.sample(cells, faces):
        wanted = dice.randint(*face_px)
        tilt = dice.uniform(-tilt_degrees, tilt_degrees)
        one = head(dice, min(wanted, int(min(cell) * 0.5)), tilt_degrees=tilt)
        free_px = (max(1, cell[0] - one.width), max(1, cell[1] - one.height))
        place = (left + dice.randrange(free_px[0]), top + dice.randrange(free_px[1]))
        canvas.paste(one, place, one)
    return canvas


@dataclass(frozen=True)
class Row:
    name: str
    make: Callable[[random.Random], tuple[Image.Image, int]]


def _many(dice: random.Random, low: int, high: int, **options: object) -> tuple[Image.Image, int]:
    faces = dice.randint(low, high)
    return group(dice, faces, **options), faces  # type: ignore[arg-type]


def _dimmed(picture: Image.Image, share: float) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(share)


ROWS = (
    Row("no face", lambda d: (backdrop(d, (1280, 960)), 0)),
    Row("one face, 60 to 300 px", lambda d: _many(d, 1, 1, face_px=(60, 300))),
    Row("one face, small: 24 to 40 px", lambda d: _many(d, 1, 1, face_px=(24, 40))),
    Row("one face, large: half the picture", lambda d: _many(d, 1, 1, face_px=(440, 480))),
    Row("one face, tilted up to 30°", lambda d: _many(d, 1, 1, tilt_degrees=30.0)),
    Row(
        "one face, picture on its side or head",
        lambda d: (group(d, 1, face_px=(90, 240)).rotate(d.choice((90, 180, 270)), expand=True), 1),
    ),
    Row("one face, dark: 15 % of the light", lambda d: (_dimmed(group(d, 1), 0.15), 1)),
    Row(
        "one face, JPEG of quality 20",
        lambda d: (Image.open(io.BytesIO(jpeg_of(group(d, 1), 20))), 1),
    ),
    Row("two or three faces", lambda d: _many(d, 2, 3)),
    Row("four to twelve faces", lambda d: _many(d, 4, 12, face_px=(50, 100))),
    Row("two faces, one of them small: 30 px", lambda d: _with_a_small_one(d)),
)


def _with_a_small_one(dice: random.Random) -> tuple[Image.Image, int]:
    picture = group(dice, 1, size=(960, 960), face_px=(150, 220))
    canvas = backdrop(dice, (1280, 960))
    canvas.paste(picture, (0, 0))
    small = head(dice, 30)
    canvas.paste(small, (1000 + dice.randrange(150), dice.randrange(800)), small)
    return canvas, 2


def measure(count: Callable[[bytes], int]) -> list[tuple[str, int, int, int, float]]:
    """Per row: name, pictures, counted right, right as 0, 1 or many, mean ms of CPU."""
    table = []
    for row in ROWS:
        right = decided = 0
        spent = 0.0
        for number in range(PICTURES_PER_ROW):
            picture, faces = row.make(random.Random(f"{row.name} {number}"))
            encoded = jpeg_of(picture)
            started = time.process_time()
            counted = count(encoded)
            spent += time.process_time() - started
            right += counted == faces
            decided += min(counted, 2) == min(faces, 2)
        table.append((row.name, PICTURES_PER_ROW, right, decided, 1000 * spent / PICTURES_PER_ROW))
    return table


def main() -> None:
    from darkroom.uploads.inspection.faces import find_faces

    print(
        "| pictures | of | counted right | 0, 1 or many right | CPU ms each |\n" + "|---" * 5 + "|"
    )
    for name, pictures, right, decided, ms in measure(lambda picture: len(find_faces(picture))):
        print(f"| {name} | {pictures} | {right} | {decided} | {ms:.0f} |")


if __name__ == "__main__":
    main()
