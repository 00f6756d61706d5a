"""One keyframe: a photo, framed, graded and with its effect, as a PNG of 720 x 1280.

Owns the order of these steps and which photo a scene uses. Writes no text into pictures.
"""

from __future__ import annotations

import re
import zlib
from typing import Any, Final

import numpy as np

from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    SourceFile,
)
from darkroom.studio.pictures.compose import frame_photo
from darkroom.studio.pictures.effect import Stage
from darkroom.studio.pictures.effects import make_effect
from darkroom.studio.pictures.focus import find_focus
from darkroom.studio.pictures.grade import apply_grade
from darkroom.studio.pictures.grain import Grain, grain_sigma
from darkroom.studio.pictures.looks import (
    Sliders,
    read_look,
    read_scene_no,
    read_sliders,
)
from darkroom.studio.pictures.photo import open_picture
from darkroom.studio.pictures.plate import Plate, save_keyframe
from darkroom.studio.pictures.raster import HEIGHT, WIDTH, to_image

_PHOTO_KEY: Final = re.compile(r"^photo_(\d+)$")


def make_keyframe(request: GenerationRequest) -> list[Artifact]:
    """The scene's keyframe.

    Raises:
        PermanentProviderError: ``BAD_SOURCE``; no photo, or one that cannot be decoded.
    """
    params = request.params
    look, sliders = read_look(params), read_sliders(params)
    scene_no = read_scene_no(params)
    source = photo_of_scene(request.sources, scene_no)
    photo = open_picture(source.path, source.key)
    rng = np.random.default_rng([request.seed, scene_no, _prompt_salt(params)])
    focus = find_focus(photo, _face_hint(params, source.key))
    composition = frame_photo(photo, focus, look.framing, rng)
    graded = apply_grade(
        composition, look, sliders,
        genre=str(params.get("genre", "")), stage=str(params.get("stage", "")), rng=rng,
    )  # fmt: skip
    effect_seed = int(rng.integers(2**32))
    plate = Plate(image=to_image(graded, rng), focus=composition.focus, seed=effect_seed)
    stage = Stage(
        focus=composition.focus,
        grade=look.grade,
        strength=effect_strength(sliders),
        seed=effect_seed,
    )
    picture = make_effect(look.effect, stage).draw(plate.image, 0.0)
    sigma = grain_sigma(look.grade, look.effect, sliders.drama)
    picture = Grain(effect_seed, sigma).still(picture)
    path = request.workdir / f"{request.key}.png"
    save_keyframe(path, picture, plate)
    return [Artifact(type="image", mime_type="image/png", path=path, width=WIDTH, height=HEIGHT)]


def effect_strength(sliders: Sliders) -> float:
    """How strongly effects play: 0.6 … 1.4, by intensity and, for the fun ones, humor."""
    return min(1.4, max(0.6, 1.0 + 0.25 * sliders.intensity + 0.15 * sliders.humor))


def photo_of_scene(sources: tuple[SourceFile, ...], scene_no: int) -> SourceFile:
    """Scene n uses photo ((n - 1) mod count) + 1, in the order of the photos' numbers."""
    numbered = []
    for source in sources:
        match = _PHOTO_KEY.match(source.key)
        if match:
            numbered.append((int(match.group(1)), source))
    if not numbered:
        raise PermanentProviderError("a keyframe needs a photo", code="BAD_SOURCE")
    numbered.sort(key=lambda pair: pair[0])
    return numbered[(scene_no - 1) % len(numbered)][1]


def _prompt_salt(params: Any) -> int:
    """A rewritten prompt must show: it moves light, framing and particles."""
    return zlib.crc32(str(params.get("prompt", "")).encode())


def _face_hint(params: Any, key: str) -> Any:
    """A face box found at ingest, if the recipe passed one: ``params["faces"][key]``."""
    faces = params.get("faces")
    return faces.get(key) if isinstance(faces, dict) else None
