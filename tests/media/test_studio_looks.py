"""The vocabulary of looks, sliders and camera moves, without a pixel."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest

from darkroom.studio.films.motion import Camera
from darkroom.studio.pictures import looks
from darkroom.studio.pictures.focus import Focus


def test_the_vocabulary_imports_no_heavy_library() -> None:
    program = (
        "import sys, darkroom.studio.pictures.looks as looks;"
        "heavy = {'numpy', 'PIL', 'av'} & set(sys.modules);"
        "sys.exit(1 if heavy or not looks.grade_names() else 0)"
    )

    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)})

    assert done.returncode == 0


def test_every_name_of_the_vocabulary_is_implemented() -> None:
    from darkroom.studio.pictures import compose, effects, tones

    assert tuple(tones.grades()) == looks.grade_names()
    assert tuple(compose.shots()) == looks.framing_names()
    assert set(effects._REGISTRY) == set(looks.EFFECTS)


def test_every_genre_and_stage_has_three_different_default_looks() -> None:
    for genre in looks.GENRES:
        for stage in looks.STAGES:
            chosen = {looks.default_look(genre, stage, scene) for scene in (1, 2, 3)}
            assert len(chosen) == 3


def test_an_unknown_name_becomes_the_default_of_its_scene() -> None:
    look = looks.read_look(
        {"genre": "noir", "stage": "apart", "sceneNo": 1, "look": {"grade": "no_such_grade"}}
    )

    assert look.grade == looks.default_look("noir", "apart", 1).grade


@pytest.mark.parametrize(
    ("given", "expected"), [(0, -1.0), (50, 0.0), (100, 1.0), (900, 1.0), ("x", 0.0), (True, 0.0)]
)
def test_a_slider_runs_from_minus_one_to_one(given: object, expected: float) -> None:
    assert looks.read_sliders({"sliders": {"warmth": given}}).warmth == expected


def test_a_missing_slider_has_the_middle_value() -> None:
    assert looks.read_sliders({}) == looks.Sliders()


@pytest.mark.parametrize("motion", looks.MOTIONS)
@pytest.mark.parametrize("pace", [-1.0, 0.0, 1.0])
def test_no_camera_move_shows_the_border(motion: str, pace: float) -> None:
    for place in ((0.5, 0.3), (-0.4, 1.8), (1.0, 0.0)):
        camera = Camera(motion, Focus(x=place[0], y=place[1], head=0.3, sure=True),
                        pace=pace, seed=5)  # fmt: skip
        for step in range(241):
            view = camera.view(step / 240, step / 24)
            assert view.left >= 0
            assert view.top >= 0
            assert view.left + view.side <= 1.0 + 1e-9
            assert view.top + view.side <= 1.0 + 1e-9


@pytest.mark.parametrize("motion", looks.MOTIONS)
def test_every_camera_move_is_smooth(motion: str) -> None:
    camera = Camera(motion, Focus(x=0.5, y=0.35, head=0.3, sure=True), pace=0.0, seed=5)
    views = [camera.view(step / 71, step / 24) for step in range(72)]

    jumps = [
        max(abs(b.left - a.left), abs(b.top - a.top), abs(b.side - a.side))
        for a, b in itertools.pairwise(views)
    ]

    assert max(jumps) < 0.006
    assert sum(jumps) > 0.03
