"""Portraits: the same person in clearly different styles."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    SourceFile,
)
from darkroom.studio.local_studio import LocalStudio
from darkroom.studio.pictures import portrait as portrait_module
from darkroom.studio.pictures import portrait_backdrops, portrait_finish, portrait_frame
from darkroom.studio.pictures.focus import Focus, find_focus
from darkroom.studio.pictures.portrait_frame import Sitter, frame_sitter
from darkroom.studio.pictures.styles import Shot, styles

CORE = Path(__file__).parents[2] / "layers" / "core" / "python"
PORTRAIT = Path(__file__).parents[2] / "local" / "demo" / "portrait.jpg"
FACE_BOX = (178, 85, 278, 175)
"""The demo photo's face: left, top, right, bottom."""
NAMES = tuple(styles())
MEMORY_LIMIT_MB = 700
CPU_LIMIT_SECONDS = 6

SKETCH = (288, 384)

Make = Callable[..., Artifact]


def maker(make_workdir: Callable[[str], Path]) -> Make:
    """Makes portraits; a second request returns the first one, unless it is ``fresh``."""
    made: dict[str, Artifact] = {}

    def make(
        style: str, seed: int = 7, photo: Path = PORTRAIT, fresh: bool = False, **params: Any
    ) -> Artifact:
        cache_key = repr((style, seed, photo, sorted(params.items())))
        if cache_key in made and not fresh:
            return made[cache_key]
        request = GenerationRequest(
            job_id="job", key="img_01", kind="portrait", attempt=1, seed=seed, language="en",
            params={"style": style, "role": "me", "prompt": "", **params},
            sources=(SourceFile(key="photo_1", mime_type="image/jpeg", path=photo),),
            workdir=make_workdir("portrait"),
        )  # fmt: skip
        made[cache_key] = LocalStudio().generate(request)[0]
        return made[cache_key]

    return make


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Make:
    return maker(tmp_path_factory.mktemp)


@pytest.fixture(scope="module")
def sketch(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes portraits at a quarter of their width: neither whom they show nor their style depends
    on the size. Lengths in pixels, such as the width of a border, stay as they are."""
    make = maker(tmp_path_factory.mktemp)

    def make_small(*args: Any, **params: Any) -> Artifact:
        with pytest.MonkeyPatch.context() as patch:
            for module in (portrait_module, portrait_backdrops, portrait_finish, portrait_frame):
                patch.setattr(module, "WIDTH", SKETCH[0])
                patch.setattr(module, "HEIGHT", SKETCH[1])
            return make(*args, **params)

    return make_small


def pixels(path: Path, width: int = 96) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB").resize((width, width * 4 // 3)), dtype=np.float32)


def difference(a: Path, b: Path) -> float:
    """The mean difference of two pictures in 8-bit levels."""
    return float(np.abs(pixels(a) - pixels(b)).mean())


def likeness(path: Path, *, mirrored: bool = False) -> float:
    """The best correlation of the face's brightness with any place and size in the picture."""
    with Image.open(PORTRAIT) as photo:
        face = photo.convert("L").crop(FACE_BOX)
    if mirrored:
        face = face.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    with Image.open(path) as picture:
        small = np.asarray(picture.convert("L").resize((84, 112)), dtype=np.float32)
    best = -1.0
    for width in range(12, 28, 2):
        template = np.asarray(face.resize((width, round(width * 0.9))), dtype=np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(small, template.shape)
        flat = windows.reshape(*windows.shape[:2], -1)
        flat = flat - flat.mean(-1, keepdims=True)
        wanted = (template - template.mean()).ravel()
        score = (flat @ wanted) / (np.linalg.norm(flat, axis=-1) * np.linalg.norm(wanted) + 1e-6)
        best = max(best, float(score.max()))
    return best


@pytest.mark.parametrize("style", NAMES)
def test_a_portrait_is_a_png_of_three_to_four(sketch: Make, style: str) -> None:
    made = sketch(style)

    assert (made.type, made.mime_type) == ("image", "image/png")
    assert made.extra == {"style": style, "role": "me"}
    assert_png(made.path, (made.width, made.height))
    assert made.width and made.height and made.width * 4 == made.height * 3


def assert_png(path: Path, size: tuple[int | None, int | None]) -> None:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.size == size
        assert not picture.info


def assert_recognizable(path: Path) -> None:
    found = likeness(path)
    assert found > 0.6
    assert found > likeness(path, mirrored=True) + 0.03


@pytest.mark.parametrize("style", NAMES)
def test_the_person_is_recognizable_and_never_mirrored(sketch: Make, style: str) -> None:
    assert_recognizable(sketch(style).path)


@pytest.mark.slow
@pytest.mark.parametrize("style", NAMES)
@pytest.mark.parametrize("seed", [7, 8])
def test_the_person_is_recognizable_in_full_size(portrait: Make, style: str, seed: int) -> None:
    assert_recognizable(portrait(style, seed).path)


def test_no_two_styles_look_alike(sketch: Make) -> None:
    for one, other in itertools.combinations(NAMES, 2):
        between = difference(sketch(one).path, sketch(other).path)

        assert between > 35, f"{one} and {other}"


@pytest.mark.parametrize("style", NAMES)
def test_the_same_seed_gives_the_same_bytes(sketch: Make, style: str) -> None:
    first = sketch(style).path.read_bytes()

    assert sketch(style, fresh=True).path.read_bytes() == first


@pytest.mark.parametrize("style", NAMES)
def test_another_seed_gives_another_picture(sketch: Make, style: str) -> None:
    assert difference(sketch(style, 7).path, sketch(style, 8).path) > 4


@pytest.mark.parametrize("change", [{"role": "you"}, {"prompt": "in the evening"}])
def test_another_role_or_prompt_gives_another_picture(sketch: Make, change: dict[str, str]) -> None:
    assert difference(sketch("CLASSIC").path, sketch("CLASSIC", **change).path) > 4


@pytest.mark.slow
@pytest.mark.parametrize("style", NAMES)
def test_the_whole_head_is_in_the_picture(style: str) -> None:
    with Image.open(PORTRAIT) as photo:
        plain = photo.convert("RGB")

    for shot in styles()[style].portrait.shots:
        focus = frame_sitter(plain, find_focus(plain), shot).focus

        assert focus.y - focus.head * 0.55 > 0.0
        assert focus.y + focus.head * 0.55 < 0.85
        assert 0.25 < focus.x < 0.75


def sitter_of(photo: Image.Image, focus: Focus) -> Sitter:
    return frame_sitter(photo, focus, Shot(head=0.34, x=0.5, y=0.38))


def test_a_person_in_front_of_a_plain_wall_is_separated() -> None:
    with Image.open(PORTRAIT) as photo:
        plain = photo.convert("RGB")

    sitter = sitter_of(plain, find_focus(plain))

    assert sitter.certainty > 0.8
    face = sitter.mask[int(sitter.focus.y * 1536), int(sitter.focus.x * 1152)]
    assert face > 0.95
    assert sitter.mask[:40].max() < 0.05


def test_an_outline_that_follows_no_edge_is_not_trusted() -> None:
    """Then the real background stays, out of focus, and the person does not look cut out."""
    blobs = np.random.default_rng(3).integers(0, 255, (24, 18, 3), dtype=np.uint8)
    photo = Image.fromarray(blobs).resize((900, 1200), Image.Resampling.BICUBIC)
    photo = photo.filter(ImageFilter.GaussianBlur(12))

    sitter = sitter_of(photo, Focus(x=0.5, y=0.4, head=0.3, sure=True))

    assert sitter.certainty < 0.2


def test_a_face_box_from_ingest_is_trusted(sketch: Make, tmp_path: Path) -> None:
    box = {"x": 0.34, "y": 0.16, "width": 0.2, "height": 0.2}

    with_box = sketch("CLASSIC", faces={"photo_1": box})
    elsewhere = sketch("CLASSIC", faces={"photo_1": {**box, "x": 0.7, "y": 0.5}})

    assert likeness(with_box.path) > 0.75
    assert difference(with_box.path, elsewhere.path) > 15


@pytest.mark.parametrize(
    ("style", "size"),
    [
        ("MODERN", (40, 900)),
        ("VINTAGE", (900, 40)),
        ("CINEMATIC", (8, 8)),
        ("ROMANTIC", (600, 400)),
    ],
)
def test_any_photo_gives_a_portrait(
    sketch: Make, tmp_path: Path, style: str, size: tuple[int, int]
) -> None:
    photo = tmp_path / "photo.jpg"
    Image.new("RGB", size, (30, 90, 200)).save(photo)

    made = sketch(style, photo=photo)

    assert pixels(made.path).std() > 1


@pytest.mark.parametrize(
    ("params", "content", "code"),
    [
        ({"style": "BAROQUE"}, None, "UNSUPPORTED_KIND"),
        ({"style": "CLASSIC"}, b"no picture", "BAD_SOURCE"),
    ],
)
def test_an_impossible_portrait_is_refused(
    portrait: Make, tmp_path: Path, params: dict[str, str], content: bytes | None, code: str
) -> None:
    photo = PORTRAIT
    if content is not None:
        photo = tmp_path / "photo.jpg"
        photo.write_bytes(content)

    with pytest.raises(PermanentProviderError) as refused:
        portrait(photo=photo, **params)

    assert refused.value.error_code == code


def test_a_portrait_needs_a_photo(tmp_path: Path) -> None:
    request = GenerationRequest(
        job_id="job", key="img_01", kind="portrait", attempt=1, seed=1, language="en",
        params={"style": "CLASSIC", "role": "me"}, sources=(), workdir=tmp_path,
    )  # fmt: skip

    with pytest.raises(PermanentProviderError) as refused:
        LocalStudio().generate(request)

    assert refused.value.error_code == "BAD_SOURCE"


def test_a_large_photo_becomes_a_portrait_within_time_and_memory(tmp_path: Path) -> None:
    photo = tmp_path / "large.jpg"
    with Image.open(PORTRAIT) as small:
        small.convert("RGB").resize((3464, 3464), Image.Resampling.BICUBIC).save(photo, quality=92)
    script = """
import resource, sys
from pathlib import Path
from darkroom.generation.ports import GenerationRequest, SourceFile
from darkroom.studio.local_studio import LocalStudio
from darkroom.studio.pictures import portrait as portrait_module
from darkroom.studio.pictures import portrait_backdrops, portrait_finish, portrait_frame
LocalStudio().generate(GenerationRequest(
    job_id="job", key="img_01", kind="portrait", attempt=1, seed=5, language="en",
    params={"style": "ROMANTIC", "role": "me", "prompt": ""},
    sources=(SourceFile(key="photo_1", mime_type="image/jpeg", path=Path(sys.argv[1])),),
    workdir=Path(sys.argv[2])))
usage = resource.getrusage(resource.RUSAGE_SELF)
# The kernel's own mark of this process; getrusage would count the parent's memory, too.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024, usage.ru_utime + usage.ru_stime)
"""

    done = subprocess.run(
        [sys.executable, "-c", script, str(photo), str(tmp_path)],
        env={"PYTHONPATH": str(CORE)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    peak_mb, cpu_seconds = map(float, done.stdout.split())
    assert peak_mb < MEMORY_LIMIT_MB
    assert cpu_seconds < CPU_LIMIT_SECONDS
    assert_png(tmp_path / "img_01.png", (1152, 1536))
