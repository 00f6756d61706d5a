"""Keyframes: the user's photo, recognizable, framed, distinct, repeatable."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    SourceFile,
)
from darkroom.studio.local_studio import LocalStudio
from darkroom.studio.pictures import compose, grade
from darkroom.studio.pictures import keyframe as keyframe_module
from darkroom.studio.pictures.compose import frame_photo
from darkroom.studio.pictures.focus import find_focus
from darkroom.studio.pictures.grain import Grain
from darkroom.studio.pictures.keyframe import photo_of_scene
from darkroom.studio.pictures.looks import framing_names
from darkroom.studio.pictures.plate import open_plate
from tests.support.processors import OTHER_PROCESSORS

PORTRAIT = Path(__file__).parents[2] / "local" / "demo" / "portrait.jpg"
SKETCH = (180, 320)
FACE_BOX = (170, 70, 285, 190)
"""The demo photo's face: left, top, right, bottom."""

Make = Callable[..., Artifact]


def maker(make_workdir: Callable[[str], Path]) -> Make:
    """Makes a keyframe; a second request returns the first one."""
    made: dict[str, Artifact] = {}

    def make(
        seed: int = 7, photos: tuple[Path, ...] = (PORTRAIT,), key: str = "kf_1", **params: Any
    ) -> Artifact:
        cache_key = repr((seed, photos, sorted(params.items())))
        if cache_key in made:
            return made[cache_key]
        sources = tuple(
            SourceFile(key=f"photo_{n}", mime_type="image/jpeg", path=photo)
            for n, photo in enumerate(photos, start=1)
        )
        request = GenerationRequest(
            job_id="job", key=key, kind="keyframe", attempt=1, seed=seed, language="en",
            params={"sceneNo": 1, "sceneCount": 3, **params}, sources=sources,
            workdir=make_workdir("keyframe"),
        )  # fmt: skip
        made[cache_key] = LocalStudio().generate(request)[0]
        return made[cache_key]

    return make


@pytest.fixture(scope="module")
def keyframe(tmp_path_factory: pytest.TempPathFactory) -> Make:
    return maker(tmp_path_factory.mktemp)


@contextmanager
def small_frames() -> Iterator[None]:
    """Frames of a quarter of their width."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (compose, grade, keyframe_module):
            patch.setattr(module, "WIDTH", SKETCH[0])
            patch.setattr(module, "HEIGHT", SKETCH[1])
        patch.setattr(keyframe_module, "Grain", partial(Grain, size=SKETCH))
        yield


@pytest.fixture(scope="module")
def sketch(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes small keyframes without an effect: neither whom they show nor how they are framed and
    graded depends on the size."""
    make = maker(tmp_path_factory.mktemp)

    def make_small(*, look: dict[str, str] | None = None, **params: Any) -> Artifact:
        with small_frames():
            return make(look={**(look or {}), "effect": "none"}, **params)

    return make_small


def pixels(path: Path, side: int = 0) -> np.ndarray:
    with Image.open(path) as picture:
        plain = picture.convert("RGB")
        return np.asarray(plain.resize((side, side * 16 // 9)) if side else plain, dtype=np.float32)


def look(grade: str, framing: str = "medium", effect: str = "none") -> dict[str, str]:
    return {"grade": grade, "framing": framing, "effect": effect, "motion": "push_in"}


def likeness(picture: np.ndarray, face: np.ndarray) -> float:
    """The best correlation of the face's brightness with any place and size in the picture."""
    whole = Image.fromarray(picture.mean(2).astype(np.uint8))
    best = -1.0
    for width in (24, 30, 36, 44, 54):
        scaled = Image.fromarray(face.mean(2).astype(np.uint8)).resize(
            (width, width * face.shape[0] // face.shape[1])
        )
        small = np.asarray(whole.resize((90, 160)), dtype=np.float32)
        template = np.asarray(scaled, dtype=np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(small, template.shape)[::2, ::2]
        flat = windows.reshape(*windows.shape[:2], -1)
        flat = flat - flat.mean(-1, keepdims=True)
        wanted = (template - template.mean()).ravel()
        score = (flat @ wanted) / (np.linalg.norm(flat, axis=-1) * np.linalg.norm(wanted) + 1e-6)
        best = max(best, float(score.max()))
    return best


def test_a_keyframe_is_a_portrait_png_of_the_promised_size(keyframe: Make) -> None:
    artifact = keyframe(genre="comedy", stage="spark")

    assert (artifact.type, artifact.mime_type) == ("image", "image/png")
    with Image.open(artifact.path) as picture:
        assert picture.format == "PNG"
        assert picture.size == (artifact.width, artifact.height) == (720, 1280)


@pytest.mark.parametrize("grade", ["golden_hour", "high_contrast_bw", "cold_blue"])
def test_a_keyframe_shows_the_face_and_is_never_mirrored(sketch: Make, grade: str) -> None:
    with Image.open(PORTRAIT) as photo:
        face = np.asarray(photo.convert("RGB").crop(FACE_BOX), dtype=np.float32)

    shown = pixels(sketch(look=look(grade)).path)

    found = likeness(shown, face)
    assert found > 0.6
    assert found > likeness(shown, face[:, ::-1]) + 0.04


def test_the_face_in_the_demo_photo_is_found() -> None:
    with Image.open(PORTRAIT) as photo:
        focus = find_focus(photo.convert("RGB"))

    assert focus.sure
    assert abs(focus.x * 512 - 228) < 30
    assert abs(focus.y * 512 - 105) < 40


def test_a_face_box_from_a_detector_is_trusted() -> None:
    blank = Image.new("RGB", (400, 300), "gray")

    focus = find_focus(blank, {"x": 0.7, "y": 0.2, "width": 0.1, "height": 0.2})

    assert focus.sure
    assert focus.x == pytest.approx(0.75)


def test_a_photo_without_a_face_is_framed_around_its_upper_middle() -> None:
    focus = find_focus(Image.new("RGB", (400, 300), (30, 90, 200)))

    assert not focus.sure
    assert (focus.x, focus.y) == (0.5, 0.4)


@pytest.mark.parametrize("framing", framing_names())
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_whole_head_is_inside_every_framing(framing: str, seed: int) -> None:
    with Image.open(PORTRAIT) as photo:
        plain = photo.convert("RGB")

    with small_frames():
        focus = frame_photo(plain, find_focus(plain), framing, np.random.default_rng(seed)).focus

    assert focus.y - focus.head * 0.5 > 0.02
    assert focus.y + focus.head * 0.5 < 0.75
    assert focus.x - focus.head * 0.42 * 16 / 9 > -0.02
    assert focus.x + focus.head * 0.42 * 16 / 9 < 1.02


PHOTO_SIZES = ((1600, 500), (500, 1600), (90, 120), (900, 900))
EACH_SIZE_AND_FRAMING = (
    ((1600, 500), "wide"), ((500, 1600), "low_left"), ((90, 120), "tilted"), ((900, 900), "tilted"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("size", "framing"),
    [
        pytest.param(*case, marks=() if case in EACH_SIZE_AND_FRAMING else (pytest.mark.slow,))
        for case in itertools.product(PHOTO_SIZES, ["wide", "tilted", "low_left"])
    ],
)
def test_no_border_is_exposed_for_any_shape_of_photo(size: tuple[int, int], framing: str) -> None:
    photo = Image.new("RGB", size, (200, 120, 60))

    composition = frame_photo(photo, find_focus(photo), framing, np.random.default_rng(1))

    assert composition.pixels.shape == (1280, 720, 3)
    # What continues below a landscape photo may be darker, but nothing may be black or foreign.
    bright = composition.pixels[..., 0] / (200 / 255)
    assert bright.min() > 0.35
    assert bright[: 1280 // 2].min() > 0.97
    assert np.abs(composition.pixels[..., 1] / composition.pixels[..., 0] - 0.6).max() < 0.03


def test_two_genres_differ_clearly(sketch: Make) -> None:
    shown = {
        genre: pixels(sketch(genre=genre, stage="spark").path, 64)
        for genre in ("romance", "comedy", "noir")
    }

    for one, other in itertools.combinations(shown.values(), 2):
        assert np.abs(one - other).mean() > 25


def test_scenes_of_one_story_differ_clearly(sketch: Make) -> None:
    shown = [
        pixels(sketch(genre="romance", stage="apart", sceneNo=scene).path, 64)
        for scene in (1, 2, 3)
    ]

    for one, other in itertools.combinations(shown, 2):
        assert np.abs(one - other).mean() > 20


def test_scenes_differ_even_with_the_same_look(sketch: Make) -> None:
    same = look("golden_hour")

    first, second = (pixels(sketch(look=same, sceneNo=n).path, 64) for n in (1, 2))

    assert np.abs(first - second).mean() > 4


def test_another_seed_or_prompt_gives_another_picture(sketch: Make) -> None:
    base = pixels(sketch(look=look("golden_hour")).path, 64)

    assert np.abs(base - pixels(sketch(seed=8, look=look("golden_hour")).path, 64)).mean() > 2
    rewritten = sketch(look=look("golden_hour"), prompt="by the sea")
    assert np.abs(base - pixels(rewritten.path, 64)).mean() > 2


def test_the_warmth_slider_warms(sketch: Make) -> None:
    middle = pixels(sketch(look=look("cold_blue")).path, 64)
    warm = pixels(sketch(look=look("cold_blue"), sliders={"warmth": 100}).path, 64)

    def redness(shown: np.ndarray) -> float:
        return float((shown[..., 0] - shown[..., 2]).mean())

    assert redness(warm) > redness(middle) + 8


def test_black_and_white_grades_have_no_color(keyframe: Make) -> None:
    shown = pixels(keyframe(look=look("high_contrast_bw", effect="bokeh")).path)

    assert np.abs(shown[..., 0] - shown[..., 2]).mean() < 3


def test_scenes_take_the_photos_in_turn_in_the_order_of_their_numbers() -> None:
    photos = tuple(
        SourceFile(key=key, mime_type="image/jpeg", path=PORTRAIT)
        for key in ("photo_10", "photo_2", "kf_1", "photo_1")
    )

    taken = [photo_of_scene(photos, scene).key for scene in (1, 2, 3, 4)]

    assert taken == ["photo_1", "photo_2", "photo_10", "photo_1"]


def test_a_keyframe_shows_the_photo_of_its_scene(sketch: Make, tmp_path: Path) -> None:
    blue = tmp_path / "blue.png"
    Image.new("RGB", (600, 800), (40, 40, 190)).save(blue)

    shown = pixels(sketch(photos=(PORTRAIT, blue), sceneNo=2, look=look("golden_hour")).path, 64)

    assert (shown[..., 2] - shown[..., 0]).mean() > 5


def test_a_smooth_wall_has_no_banding(keyframe: Make, tmp_path: Path) -> None:
    wall = tmp_path / "wall.png"
    ramp = np.linspace(60, 160, 1200, dtype=np.float32)[:, None, None]
    Image.fromarray(np.broadcast_to(ramp, (1200, 700, 3)).astype(np.uint8).copy()).save(wall)

    shown = pixels(keyframe(photos=(wall,), look=look("dusk_violet")).path)

    # Where bands are, neighbors along a line are equal for long; grain and dither break them.
    equal = (np.diff(shown[200:1000, 300:400, 1], axis=0) == 0).mean()
    assert equal < 0.45


@pytest.mark.parametrize("processor", OTHER_PROCESSORS, ids=str)
def test_another_process_gives_the_same_bytes(
    keyframe: Make, tmp_path: Path, processor: dict[str, str]
) -> None:
    here = keyframe(genre="comedy", stage="spark").path.read_bytes()
    program = f"""
from pathlib import Path
from darkroom.generation.ports import GenerationRequest, SourceFile
from darkroom.studio.local_studio import LocalStudio
LocalStudio().generate(GenerationRequest(job_id="job", key="kf_1", kind="keyframe", attempt=1,
    seed=7, language="en",
    params={{"sceneNo": 1, "sceneCount": 3, "genre": "comedy", "stage": "spark"}},
    sources=(SourceFile(key="photo_1", mime_type="image/jpeg", path=Path({str(PORTRAIT)!r})),),
    workdir=Path({str(tmp_path)!r})))
"""

    subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "99", **processor},
        check=True,
    )

    assert (tmp_path / "kf_1.png").read_bytes() == here


def test_a_keyframe_contains_its_plate_without_the_effect(keyframe: Make) -> None:
    artifact = keyframe(look=look("cold_blue", effect="snow"))

    plate = open_plate(artifact.path, "kf_1")

    shown = pixels(artifact.path)
    assert plate.seed is not None
    plain = np.asarray(plate.image, dtype=np.float32)
    # Snow only ever brightens, and covers a part of the picture.
    flakes = (shown - plain).max(2) > 60
    assert 0.002 < flakes.mean() < 0.1
    assert np.abs(plain - shown).mean() < 20


@pytest.mark.parametrize(
    "content", [b"", b"not a picture", PORTRAIT.read_bytes()[:20_000], b"<svg></svg>"]
)
def test_a_broken_photo_is_a_bad_source(keyframe: Make, tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(content)

    with pytest.raises(PermanentProviderError) as refused:
        keyframe(photos=(broken,))

    assert refused.value.error_code == "BAD_SOURCE"


def test_a_keyframe_without_a_photo_is_a_bad_source(keyframe: Make) -> None:
    with pytest.raises(PermanentProviderError) as refused:
        keyframe(photos=())

    assert refused.value.error_code == "BAD_SOURCE"


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    request = GenerationRequest(
        job_id="job", key="x", kind="hologram", attempt=1, seed=1, language="en", params={},
        sources=(), workdir=tmp_path,
    )  # fmt: skip

    with pytest.raises(PermanentProviderError) as refused:
        LocalStudio().generate(request)

    assert refused.value.error_code == "UNSUPPORTED_KIND"
