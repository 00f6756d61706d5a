"""Face counts and positions in pictures with known faces."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from darkroom.uploads.inspection import faces
from darkroom.uploads.inspection.checks import check_picture, faces_in
from darkroom.uploads.inspection.faces import find_faces
from darkroom.uploads.ports import FaceCheckUnavailable
from tests.support.face_pictures import backdrop, group, head, jpeg_of, measure, portrait


def count_faces(jpeg: bytes) -> int:
    return len(find_faces(jpeg))


def test_a_portrait_shows_one_face() -> None:
    assert count_faces(jpeg_of(portrait())) == 1


@pytest.mark.parametrize(
    "turn",
    [90, pytest.param(180, marks=pytest.mark.slow), pytest.param(270, marks=pytest.mark.slow)],
)
def test_a_rotated_picture_has_the_same_count(turn: int) -> None:
    assert count_faces(jpeg_of(portrait().rotate(turn, expand=True))) == 1


def test_a_dark_picture_has_the_same_count() -> None:
    assert count_faces(jpeg_of(ImageEnhance.Brightness(portrait()).enhance(0.15))) == 1


@pytest.mark.parametrize("number", [5, pytest.param(2, marks=pytest.mark.slow)])
def test_each_face_of_a_group_is_counted(number: int) -> None:
    assert count_faces(jpeg_of(group(random.Random(number), number))) == number


def test_two_portraits_side_by_side_have_two_faces() -> None:
    double = Image.new("RGB", (1024, 512))
    double.paste(portrait(), (0, 0))
    double.paste(portrait(), (512, 0))

    assert count_faces(jpeg_of(double)) == 2


def test_pictures_without_people_have_no_faces() -> None:
    body = portrait().crop((0, 210, 512, 512))
    pictures = [Image.new("RGB", (300, 200), "teal"), body, backdrop(random.Random(1), (400, 300))]

    assert [count_faces(jpeg_of(picture)) for picture in pictures] == [0, 0, 0]


@pytest.mark.parametrize(
    "size", [(1, 1), (8, 600), pytest.param((3000, 8), marks=pytest.mark.slow), (31, 31)]
)
def test_unusual_sizes_do_not_fail(size: tuple[int, int]) -> None:
    assert count_faces(jpeg_of(Image.new("RGB", size, "gray"))) == 0


def test_a_detector_that_cannot_run_raises_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FaceCheckUnavailable):
        find_faces(b"no jpeg")
    monkeypatch.setattr(faces, "_MODELS", tmp_path)
    faces._full_range.cache_clear()

    with pytest.raises(FaceCheckUnavailable):
        faces_in(jpeg_of(portrait()))

    monkeypatch.undo()
    faces._full_range.cache_clear()
    assert len(faces_in(jpeg_of(portrait()))) == 1


def test_the_check_of_a_picture_finds_its_faces(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(jpeg_of(portrait()))

    found = check_picture(tmp_path / "source", tmp_path).faces

    assert found is not None and len(found) == 1


ALL_TURNS_AND_PLACES = list(itertools.product([0, 90, 180, 270], [(60, 40), (900, 500)]))
UPRIGHT_AND_TURNED = [(0, (60, 40)), (90, (900, 500))]


@pytest.mark.parametrize(
    ("turn", "place"),
    [
        pytest.param(*case, marks=() if case in UPRIGHT_AND_TURNED else (pytest.mark.slow,))
        for case in ALL_TURNS_AND_PLACES
    ],
)
def test_a_face_is_found_where_it_is(turn: int, place: tuple[int, int]) -> None:
    one, size = head(random.Random(7), 150), (1280, 960)
    picture = Image.new("RGB", size, (120, 140, 150))
    picture.paste(one, place, one)
    x, y = ((place[i] + one.size[i] / 2) / size[i] for i in (0, 1))
    expected = {0: (x, y), 90: (y, 1 - x), 180: (1 - x, 1 - y), 270: (1 - y, x)}[turn]

    [face] = find_faces(jpeg_of(picture.rotate(turn, expand=True)))

    # A face is a little below the middle of its head, and fills about half of it.
    shown = picture.rotate(turn, expand=True).size
    middle = (face.x + face.width / 2, face.y + face.height / 2)
    away = [abs(a - b) * side for a, b, side in zip(middle, expected, shown, strict=True)]
    assert max(away) < 40
    assert 110 < face.width * shown[0] < 220 and 110 < face.height * shown[1] < 220


@pytest.mark.slow
def test_the_count_is_as_accurate_as_docs_faces_states() -> None:
    for name, pictures, right, decided, _ in measure(count_faces):
        least = 24 if "small" in name else 29
        assert decided >= least, f"{name}: {decided} of {pictures} (counted right {right})"
