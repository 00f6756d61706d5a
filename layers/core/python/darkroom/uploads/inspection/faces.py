"""Finds the faces in a picture, on this machine.

Owns two small networks and how their outputs become boxes. A full-range model proposes faces
anywhere in the picture, in the whole and in overlapping parts of it; a short-range model then
examines a crop of each proposal, and only what both detect is a face. Never identifies who a
face belongs to, and keeps nothing.

Models: BlazeFace, short range and full range, of MediaPipe (Apache License 2.0; see ``models/``);
V. Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

from darkroom.kernel.faces import FaceBox, FaceCheckUnavailable, box_between

_MODELS: Final = Path(__file__).parent / "models"
WORK_SIDE_PX: Final = 1280
"""Larger pictures are made smaller first: a face that vanishes then is too small for a portrait."""
PART_SIDE_PX: Final = 192
"""Parts smaller than the model's own input would show it nothing new."""
PART_GRIDS: Final = (2, 3, 5)
PART_OVERLAP: Final = 0.25
PROPOSED_SCORE: Final = 0.35
VERIFIED_SCORE: Final = 0.7
SURE_SCORE: Final = 0.85
"""A face seen the right way up scores more than this, one on its side or head less."""
MARGINS: Final = (1.5, 2.2)
"""Sides of the crops, in sides of the proposal: some faces need more around them."""
SAME_FACE_OVERLAP: Final = 0.3
SAME_FACE_COVER: Final = 0.6
TURNS: Final = (90, 270, 180)
PROPOSALS_LIMIT: Final = 200
DARK_LUMA: Final = 60


Region = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Model:
    interpreter: Any
    side_px: int
    anchors: np.ndarray
    """Centers as shares of the side, one row per box."""
    input_index: int
    box_index: int
    score_index: int


def find_faces(content: bytes) -> tuple[FaceBox, ...]:
    """The faces in a picture, which should be upright but need not be.

    Raises:
        FaceCheckUnavailable: the models cannot be loaded or run, or the picture cannot be decoded.
    """
    try:
        picture = _opened(content)
        upright = _look(picture)
        if _surest(upright) >= SURE_SCORE:
            return _boxes(upright, picture.size)
        seen = {turn: _look(picture.rotate(turn, expand=True)) for turn in TURNS}
        turn, best = max(seen.items(), key=lambda found: _surest(found[1]))
        # A picture without faces is examined in four orientations: a rotated face must be certain.
        if _surest(best) < SURE_SCORE:
            return _boxes(upright, picture.size)
        return _boxes(_turned_back(best, turn, picture.size), picture.size)
    except (OSError, RuntimeError, ValueError) as error:
        raise FaceCheckUnavailable(repr(error)[:200]) from error


def _look(picture: Image.Image) -> np.ndarray:
    """Rows (left, top, right, bottom, score) in pixels, one per face the right way up."""
    found = _faces_in(picture)
    if not len(found) and np.asarray(picture.convert("L")).mean() < DARK_LUMA:
        found = _faces_in(_brightened(picture))
    return found


def _turned_back(faces: np.ndarray, turn: int, size: tuple[int, int]) -> np.ndarray:
    """Rows found in a picture that was turned by so many degrees, in pixels of the one before."""
    width, height = size
    left, top, right, bottom, score = faces.T
    corners = {
        90: (width - bottom, left, width - top, right),
        180: (width - right, height - bottom, width - left, height - top),
        270: (top, height - right, bottom, height - left),
    }[turn]
    return np.stack([*corners, score], axis=1)


def _boxes(faces: np.ndarray, size: tuple[int, int]) -> tuple[FaceBox, ...]:
    shares = faces[:, :4] / np.tile(size, 2)
    return tuple(box_between(*(float(edge) for edge in row)) for row in shares)


def _surest(faces: np.ndarray) -> float:
    return float(faces[:, 4].max()) if len(faces) else 0.0


def _opened(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as picture:
        picture.draft("RGB", (WORK_SIDE_PX, WORK_SIDE_PX))
        picture.load()
        opened = picture.convert("RGB")
    opened.thumbnail((WORK_SIDE_PX, WORK_SIDE_PX), Image.Resampling.BILINEAR)
    return opened


def _brightened(picture: Image.Image) -> Image.Image:
    lighter = picture.convert("RGB").point(lambda value: round(255 * (value / 255) ** 0.5))
    return ImageOps.autocontrast(lighter, cutoff=1)


def _faces_in(picture: Image.Image) -> np.ndarray:
    proposals = [_detect(_full_range(), picture, region) for region in _regions(picture.size)]
    boxes = _distinct(np.concatenate(proposals))[:PROPOSALS_LIMIT]
    verified = [near for box in boxes if (near := _verify(picture, box)) is not None]
    return _distinct(np.array(verified).reshape(-1, 5))


def _regions(size: tuple[int, int]) -> list[Region]:
    """The whole picture and, of a large one, its overlapping parts."""
    width, height = size
    regions: list[Region] = [(0.0, 0.0, float(width), float(height))]
    for grid in PART_GRIDS:
        wide, high = (side / (grid - (grid - 1) * PART_OVERLAP) for side in (width, height))
        if max(wide, high) < PART_SIDE_PX:
            continue
        for row in range(grid):
            for column in range(grid):
                left, top = column * wide * (1 - PART_OVERLAP), row * high * (1 - PART_OVERLAP)
                regions.append((left, top, left + wide, top + high))
    return regions


def _verify(picture: Image.Image, proposal: np.ndarray) -> np.ndarray | None:
    """The face that the short-range model sees in the middle of the proposal's surroundings."""
    center = (proposal[:2] + proposal[2:4]) / 2
    side = (proposal[2:4] - proposal[:2]).max()
    for margin in MARGINS:
        reach = side * margin / 2
        (left, top), (right, bottom) = center - reach, center + reach
        region = (left, top, right, bottom)
        for face in _detect(_short_range(), picture, region, VERIFIED_SCORE):
            middle = (face[:2] + face[2:4]) / 2
            near = np.abs(middle - center).max() < side * 0.5
            alike = 0.4 < max(face[2:4] - face[:2]) / side < 2.0
            if near and alike:
                return face
    return None


def _detect(
    model: _Model,
    picture: Image.Image,
    region: Region,
    least_score: float = PROPOSED_SCORE,
) -> np.ndarray:
    """Rows (left, top, right, bottom, score) in the picture's pixels, the surest first."""
    crop, scale, offset = _letterboxed(picture, region, model.side_px)
    model.interpreter.set_tensor(model.input_index, crop[np.newaxis])
    model.interpreter.invoke()
    raw = model.interpreter.get_tensor(model.box_index)[0].astype(np.float64)
    logits = model.interpreter.get_tensor(model.score_index)[0, :, 0].astype(np.float64)
    scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
    sure = scores > least_score
    centers = raw[sure, 0:2] / model.side_px + model.anchors[sure]
    halves = raw[sure, 2:4] / model.side_px / 2
    corners = np.concatenate([centers - halves, centers + halves], axis=1)
    boxes = corners * model.side_px / scale + np.tile(offset, 2)
    rows = np.concatenate([boxes, scores[sure, np.newaxis]], axis=1)
    return _distinct(rows[(halves > 0).all(axis=1)])


def _letterboxed(
    picture: Image.Image, region: Region, side_px: int
) -> tuple[np.ndarray, float, np.ndarray]:
    """The region as the model's square input (-1 … 1), its scale, and where its corner lies."""
    left, top, right, bottom = (round(edge) for edge in region)
    scale = side_px / max(right - left, bottom - top, 1)
    inside = (
        max(left, 0), max(top, 0), min(right, picture.width), min(bottom, picture.height)
    )  # fmt: skip
    canvas = Image.new("RGB", (side_px, side_px))
    size = (round((inside[2] - inside[0]) * scale), round((inside[3] - inside[1]) * scale))
    if min(size) > 0:
        part = picture.resize(size, Image.Resampling.BILINEAR, box=inside, reducing_gap=2.0)
        canvas.paste(part, (round((inside[0] - left) * scale), round((inside[1] - top) * scale)))
    crop = np.asarray(canvas, dtype=np.float32) / 127.5 - 1
    return crop, scale, np.array([left, top], dtype=np.float64)


def _distinct(rows: np.ndarray) -> np.ndarray:
    """Without boxes of a face that a surer box shows already, the surest first."""
    if not len(rows):
        return rows.reshape(0, 5)
    rest = rows[np.argsort(-rows[:, 4], kind="stable")]
    kept: list[np.ndarray] = []
    while len(rest):
        best, rest = rest[0], rest[1:]
        kept.append(best)
        low = np.maximum(rest[:, :2], best[:2])
        high = np.minimum(rest[:, 2:4], best[2:4])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        areas, area = (rest[:, 2:4] - rest[:, :2]).prod(axis=1), (best[2:4] - best[:2]).prod()
        overlap = shared / np.maximum(areas + area - shared, 1e-9)
        cover = shared / np.maximum(np.minimum(areas, area), 1e-9)
        rest = rest[(overlap < SAME_FACE_OVERLAP) & (cover < SAME_FACE_COVER)]
    return np.array(kept)


@cache
def _full_range() -> _Model:
    return _loaded("face_detection_full_range.tflite", [(48, 1)])


@cache
def _short_range() -> _Model:
    return _loaded("face_detection_short_range.tflite", [(16, 2), (8, 6)])


def _loaded(name: str, grids: list[tuple[int, int]]) -> _Model:
    """A model with its anchors: for each grid (cells a side, boxes a cell), row by row."""
    interpreter = Interpreter(model_path=str(_MODELS / name), num_threads=1)
    interpreter.allocate_tensors()
    [entry] = interpreter.get_input_details()
    outputs = {
        int(detail["shape"][-1]): detail["index"] for detail in interpreter.get_output_details()
    }
    anchors = []
    for cells, boxes in grids:
        middles = (np.arange(cells) + 0.5) / cells
        down, across = np.meshgrid(middles, middles, indexing="ij")
        centers = np.stack([across.ravel(), down.ravel()], axis=1)
        anchors.append(np.repeat(centers, boxes, axis=0))
    return _Model(
        interpreter=interpreter,
        side_px=int(entry["shape"][1]),
        anchors=np.concatenate(anchors),
        input_index=entry["index"],
        box_index=outputs[16],
        score_index=outputs[1],
    )
