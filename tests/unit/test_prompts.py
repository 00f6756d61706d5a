"""The prompt for a vendor of pictures or clips: source, text, aspect ratio."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from darkroom.generation.ports import PermanentProviderError, SourceFile
from darkroom.generation.prompts import visual_prompt_of
from darkroom.studio.pictures.looks import EFFECTS, GENRES, MOTIONS
from tests.support.vendor_requests import a_clip_request, a_picture_request, a_request


def a_source(tmp_path: Path, key: str, mime_type: str = "image/jpeg") -> SourceFile:
    path = tmp_path / key
    path.write_bytes(key.encode())
    return SourceFile(key=key, mime_type=mime_type, path=path)


def source_key(request: Any) -> str:
    source = visual_prompt_of(request).source
    assert source is not None
    return source.key


def test_scenes_take_the_photos_in_turn_by_their_numbers(tmp_path: Path) -> None:
    photos = tuple(a_source(tmp_path, f"photo_{number}") for number in (10, 1, 2))
    others = (a_source(tmp_path, "photo_x"), a_source(tmp_path, "kf_1"))

    keys = [
        source_key(a_request(tmp_path, params={"sceneNo": number}, sources=(*others, *photos)))
        for number in (1, 2, 3, 4)
    ]

    assert keys == ["photo_1", "photo_2", "photo_10", "photo_1"]


def test_a_clip_uses_its_keyframe_before_a_photo(tmp_path: Path) -> None:
    photo, made = a_source(tmp_path, "photo_1"), a_source(tmp_path, "image_2", "image/png")
    sound = a_source(tmp_path, "voice", "audio/mp4")
    request = a_clip_request(tmp_path)

    assert source_key(replace(request, sources=(photo, sound, made))) == "image_2"
    assert source_key(replace(request, sources=(sound, photo))) == "photo_1"
    with pytest.raises(PermanentProviderError) as caught:
        visual_prompt_of(replace(request, sources=(sound,)))
    assert caught.value.error_code == "BAD_SOURCE"


@pytest.mark.parametrize(
    ("kind", "shape"), [("keyframe", "9:16"), ("portrait", "3:4"), ("clip", "9:16")]
)
def test_a_kind_has_its_shape(tmp_path: Path, kind: str, shape: str) -> None:
    assert visual_prompt_of(a_request(tmp_path, kind=kind)).aspect_ratio == shape


@pytest.mark.parametrize("shape", ["1:1", "3:4", "4:3", "9:16", "16:9"])
def test_a_picture_from_text_has_the_requested_aspect_ratio(tmp_path: Path, shape: str) -> None:
    prompt = visual_prompt_of(a_picture_request(tmp_path, aspectRatio=shape))

    assert (prompt.aspect_ratio, prompt.source, prompt.seconds) == (shape, None, 0)


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [(5, 5), (2.5, 2.5), (0, 3), (-1, 3), (None, 3), ("7", 3), (True, 3), (float("nan"), 3)],
)
def test_a_clip_has_the_requested_duration(tmp_path: Path, duration: Any, seconds: float) -> None:
    assert visual_prompt_of(a_clip_request(tmp_path, durationSec=duration)).seconds == seconds


def test_every_motion_genre_and_effect_has_its_own_words(tmp_path: Path) -> None:
    prompts = {
        visual_prompt_of(a_clip_request(tmp_path, look={"motion": move}, genre=genre)).text
        for move in MOTIONS
        for genre in GENRES
    }
    effects = {
        visual_prompt_of(a_clip_request(tmp_path, look={"effect": effect})).text
        for effect in EFFECTS
    }

    assert len(prompts) == len(MOTIONS) * len(GENRES)
    # An effect of the picture's grain needs no words for motion.
    assert len(effects) == len(EFFECTS) - len({"grain", "vignette", "film_burn"})


def test_the_prompt_of_the_recipe_comes_first_and_unknown_words_are_omitted(tmp_path: Path) -> None:
    params = {"prompt": "A cat jumps.", "look": {"motion": "teleport"}, "genre": "opera"}

    slow, quick = (
        visual_prompt_of(a_clip_request(tmp_path, **params, sliders={"pace": pace})).text
        for pace in (10, 90)
    )

    assert slow.startswith("A cat jumps. Slow, calm movement. Natural")
    assert quick.startswith("A cat jumps. Quick, lively movement. Natural")
