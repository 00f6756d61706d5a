"""The face count on pictures whose number of faces is known."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from darkroom.generation.providers.local import faces
from darkroom.generation.providers.local.faces import DetectorFailed, count_faces
from darkroom.uploads.ports import FaceCheckUnavailable
from darkroom.workers.checks import check_picture, faces_in
from tests.support.face_pictures import backdrop, group, jpeg_of, measure, portrait


def test_a_portrait_shows_one_face() -> None:
    assert count_faces(jpeg_of(portrait())) == 1


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_picture_on_its_side_or_head_counts_the_same(turn: int) -> None:
    assert count_faces(jpeg_of(portrait().rotate(turn, expand=True))) == 1


def test_a_dark_picture_counts_the_same() -> None:
    assert count_faces(jpeg_of(ImageEnhance.Brightness(portrait()).enhance(0.15))) == 1


@pytest.mark.parametrize("number", [2, 5])
def test_a_group_counts_each(number: int) -> None:
    assert count_faces(jpeg_of(group(random.Random(number), number))) == number


def test_two_pictures_beside_each_other_show_two() -> None:
    double = Image.new("RGB", (1024, 512))
    double.paste(portrait(), (0, 0))
    double.paste(portrait(), (512, 0))

    assert count_faces(jpeg_of(double)) == 2


def test_what_shows_nobody_counts_nobody() -> None:
    body = portrait().crop((0, 210, 512, 512))
    pictures = [Image.new("RGB", (900, 600), "teal"), body, backdrop(random.Random(1), (800, 600))]

    assert [count_faces(jpeg_of(picture)) for picture in pictures] == [0, 0, 0]


@pytest.mark.parametrize("size", [(1, 1), (8, 3000), (3000, 8), (31, 31)])
def test_odd_sizes_are_no_reason_to_fail(size: tuple[int, int]) -> None:
    assert count_faces(jpeg_of(Image.new("RGB", size, "grey"))) == 0


def test_a_detector_that_cannot_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DetectorFailed):
        count_faces(b"no jpeg")
    monkeypatch.setattr(faces, "_MODELS", tmp_path)
    faces._full_range.cache_clear()

    with pytest.raises(FaceCheckUnavailable):
        faces_in(jpeg_of(portrait()))

    monkeypatch.undo()
    faces._full_range.cache_clear()
    assert faces_in(jpeg_of(portrait())) == 1


def test_the_check_of_a_picture_counts_its_faces(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(jpeg_of(portrait()))

    assert check_picture(tmp_path / "source", tmp_path).faces == 1


@pytest.mark.slow
def test_the_count_is_as_good_as_docs_faces_says() -> None:
    for name, pictures, right, decided, _ in measure(count_faces):
        least = 24 if "small" in name else 29
        assert decided >= least, f"{name}: {decided} of {pictures} (counted right {right})"
