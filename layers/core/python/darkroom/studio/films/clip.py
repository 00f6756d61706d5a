"""One clip: a keyframe brought to life by a camera move and a living effect.

Owns the loop over frames. Frames are made and encoded one at a time; nothing holds a clip in
memory. Writes no text into the picture.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from PIL import Image, ImageFilter

from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    SourceFile,
)
from darkroom.studio.films.motion import Camera, View
from darkroom.studio.films.overlay import chroma_planes
from darkroom.studio.films.video import FPS, Mp4Writer, Yuv, probe, yuv_of
from darkroom.studio.pictures.effect import Stage
from darkroom.studio.pictures.effects import NoEffect, make_effect
from darkroom.studio.pictures.grain import Grain, grain_sigma
from darkroom.studio.pictures.keyframe import effect_strength
from darkroom.studio.pictures.looks import read_look, read_sliders
from darkroom.studio.pictures.plate import open_plate
from darkroom.studio.pictures.raster import HEIGHT, WIDTH

_DEFAULT_SECONDS: Final = 3.0
_SECONDS_RANGE: Final = (1.0, 10.0)
_CRF: Final = 20
_MOVING_GRAIN: Final = 0.6
"""Moving grain shows more than grain that stands still, and costs the encoder dearly."""
_EFFECT_SPEED_BY_PACE: Final = 0.25


def make_clip(request: GenerationRequest) -> list[Artifact]:
    """The scene's clip.

    Raises:
        PermanentProviderError: ``BAD_SOURCE``; no keyframe, or one that cannot be decoded.
    """
    source = _keyframe_of(request.sources)
    plate = open_plate(source.path, source.key)
    look, sliders = read_look(request.params), read_sliders(request.params)
    seed = plate.seed if plate.seed is not None else request.seed
    camera = Camera(look.motion, plate.focus, pace=sliders.pace, seed=request.seed)
    stage = Stage(focus=plate.focus, grade=look.grade, strength=effect_strength(sliders), seed=seed)
    effect = make_effect(look.effect, stage)
    sigma = grain_sigma(look.grade, look.effect, sliders.drama) * _MOVING_GRAIN
    grain = Grain(seed, sigma)
    # Bilinear sampling is quick and softens a little; sharpening before makes up for it.
    plain = plate.image.filter(ImageFilter.UnsharpMask(radius=0.9, percent=45, threshold=0))
    count = round(_seconds(request.params) * FPS)
    tempo = 1.0 + _EFFECT_SPEED_BY_PACE * sliders.pace
    path = request.workdir / f"{request.key}.mp4"
    with Mp4Writer(path, crf=_CRF) as writer:
        scene = _Planes(plain) if isinstance(effect, NoEffect) else None
        for index in range(count):
            seconds = index / FPS
            view = camera.view(index / max(count - 1, 1), seconds)
            if scene is not None:
                frame = scene.seen_through(view)
            else:
                seen = _look_through(plain, view)
                frame = yuv_of(effect.draw(seen, seconds * tempo))
            writer.add(_with_grain(frame, grain, index))
    facts = probe(path)
    return [
        Artifact(
            type="clip",
            mime_type="video/mp4",
            path=path,
            width=facts.width,
            height=facts.height,
            duration_ms=facts.duration_ms,
        )
    ]


def _keyframe_of(sources: tuple[SourceFile, ...]) -> SourceFile:
    for source in sources:
        if source.key.startswith("kf_"):
            return source
    raise PermanentProviderError("a clip needs its keyframe", code="BAD_SOURCE")


def _seconds(params: Any) -> float:
    seconds = params.get("durationSec", _DEFAULT_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return _DEFAULT_SECONDS
    return min(max(float(seconds), _SECONDS_RANGE[0]), _SECONDS_RANGE[1])


def _look_through(image: Image.Image, view: View) -> Image.Image:
    """The part of the picture the camera sees; the rectangle need not lie on whole pixels."""
    width, height = image.size
    left, top = view.left * width, view.top * height
    right = min(left + view.side * width, float(width))
    bottom = min(top + view.side * height, float(height))
    box = (max(left, 0.0), max(top, 0.0), right, bottom)
    return image.resize(image.size, Image.Resampling.BILINEAR, box=box)


class _Planes:
    """A picture on which nothing is drawn, in the planes that the encoder takes: the camera moves
    over half as many samples, and no frame is converted."""

    def __init__(self, image: Image.Image) -> None:
        yuv = yuv_of(image)
        self._planes = [
            Image.fromarray(np.ascontiguousarray(plane), "L")
            for plane in (yuv[:HEIGHT], *chroma_planes(yuv))
        ]

    def seen_through(self, view: View) -> Yuv:
        frame = np.empty((HEIGHT * 3 // 2, WIDTH), dtype=np.uint8)
        for target, plane in zip(
            (frame[:HEIGHT], *chroma_planes(frame)), self._planes, strict=True
        ):
            target[:] = np.asarray(_look_through(plane, view))
        return frame


def _with_grain(frame: Yuv, grain: Grain, index: int) -> Yuv:
    """Grain on luma only, as in film that was scanned; 16 … 235 is video's black to white."""
    noisy = frame[:HEIGHT].astype(np.int16) + grain.window(index)
    frame[:HEIGHT] = np.clip(noisy, 16, 235).astype(np.uint8)
    return frame
