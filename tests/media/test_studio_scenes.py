"""Pictures from text alone, painted by the studio: the effects of the text and of the seed."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from darkroom.generation.ports import GenerationRequest, PermanentProviderError
from darkroom.kernel import catalog
from darkroom.recipes.images import ASPECT_RATIOS
from darkroom.recipes.portraits import styles
from darkroom.studio.local_studio import LocalStudio
from darkroom.studio.pictures import scenery
from darkroom.studio.pictures.picture import SIZES, draw_picture
from darkroom.studio.pictures.scenery import Scene, read_scene
from darkroom.studio.pictures.scenery_land import paint_far, paint_near
from darkroom.studio.pictures.scenery_sky import paint_sky
from darkroom.studio.pictures.scenery_values import scenery as values
from darkroom.studio.pictures.scenery_weather import let_fall
from darkroom.studio.pictures.styles import styles as drawn_styles

SMALL = (192, 108)


@cache
def drawn(
    prompt: str, *, seed: int = 5, style: str = "CLASSIC", size: tuple[int, int] = SMALL
) -> Any:
    """The pixels of a small picture: what a prompt decides does not depend on the size."""
    rng = np.random.default_rng(seed)
    picture = draw_picture(prompt, drawn_styles()[style].picture, size, rng)
    return np.asarray(picture, dtype=np.float64)


def make(workdir: Path, **params: Any) -> Any:
    """The artifact that the studio makes for a task."""
    request = GenerationRequest(
        job_id="job_x", key="img_01", kind="picture", attempt=1, seed=5, language="en",
        params=params, sources=(), workdir=workdir,
    )  # fmt: skip
    [artifact] = LocalStudio().generate(request)
    return artifact


def scene_of(text: str, seed: int = 1) -> Scene:
    return read_scene(text, np.random.default_rng(seed))


def test_a_picture_is_a_jpeg_of_the_promised_size_and_has_the_same_bytes_again(
    tmp_path: Path,
) -> None:
    wanted = {"wish": "the sea", "prompt": "something else", "aspectRatio": "16:9"}

    made = make(tmp_path, **wanted)
    content = made.path.read_bytes()

    assert (made.type, made.mime_type) == ("image", "image/jpeg")
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.size == (made.width, made.height) == SIZES["16:9"]
    assert make(tmp_path, **wanted).path.read_bytes() == content


def test_a_request_without_a_user_prompt_uses_the_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SIZES, "1:1", (96, 96))

    made = {
        name: make(tmp_path, **params).path.read_bytes()
        for name, params in {
            "wish": {"wish": "the sea at night"},
            "prompt": {"prompt": "the sea at night"},
            "other": {"prompt": "the sea at noon"},
        }.items()
    }

    assert made["prompt"] == made["wish"] != made["other"]


def test_another_seed_gives_another_picture() -> None:
    assert np.abs(drawn("the sea") - drawn("the sea", seed=6)).mean() > 4
    assert drawn("the sea").std() > 20


@pytest.mark.parametrize("ratio", ASPECT_RATIOS)
def test_every_shape_on_offer_is_drawn(ratio: str) -> None:
    wide, high = SIZES[ratio]
    across, down = (int(part) for part in ratio.split(":"))

    picture = drawn("mountains", size=(wide // 8, high // 8))

    assert wide * down == high * across and set(SIZES) == set(ASPECT_RATIOS)
    assert picture.shape == (high // 8, wide // 8, 3)
    assert picture.std() > 15


def test_every_style_looks_different() -> None:
    pictures = [drawn("A lake at sunset", style=style) for style in styles()]

    apart = [
        np.abs(first - second).mean()
        for place, first in enumerate(pictures)
        for second in pictures[:place]
    ]
    assert min(apart) > 6


@pytest.mark.parametrize("params", [{"style": "CUBIST"}, {"aspectRatio": "2:1"}])
def test_an_unsupported_picture_is_refused(tmp_path: Path, params: dict[str, str]) -> None:
    with pytest.raises(PermanentProviderError) as refusal:
        make(tmp_path, **{"wish": "the sea", **params})

    assert refusal.value.error_code == "UNSUPPORTED_KIND"


def test_the_time_of_day_is_visible() -> None:
    assert drawn("mountains at night").mean() < 0.5 * drawn("mountains by day").mean()


def test_a_named_color_is_visible() -> None:
    red = drawn("a red sunset").mean(axis=(0, 1))
    green = drawn("green northern lights").mean(axis=(0, 1))

    assert red[0] > 1.3 * red[2] and green[1] > green[0]


@pytest.mark.parametrize("place", ["mountains", "forest", "field", "hills"])
def test_snow_is_white_and_brighter_than_the_same_place_without(place: str) -> None:
    snowy = drawn(f"snowy {place} by day")[-SMALL[1] // 3 :]
    green = drawn(f"{place} and a meadow by day")[-SMALL[1] // 3 :]

    assert snowy.mean() > 1.5 * green.mean()
    assert np.ptp(snowy.mean(axis=(0, 1))) < 20


def every_part_once() -> list[Scene]:
    """Scenes that have every hour, weather, background, foreground and color between them."""
    known = values()
    parts = zip(
        itertools.cycle(known.hours),
        itertools.cycle(known.weather),
        itertools.cycle(["none", *known.backgrounds]),
        itertools.cycle(known.foregrounds),
        ["", *known.colors],
    )
    return [
        Scene(
            time=time, light="moon" if time == "night" else "sun", weather=weather, far=far,
            near=near, is_snowy=color == "", sky=("aurora", "milkyway", "rainbow", "stars"),
            color=color, mood="",
        )
        for time, weather, far, near, color in parts
    ]  # fmt: skip


def assert_drawn(scene: Scene) -> None:
    rng = np.random.default_rng(3)
    sky = paint_sky(scene, (64, 48), 0.6, rng)
    pixels = paint_far(sky.pixels, scene, sky, rng)
    pixels = let_fall(paint_near(pixels, scene, sky, rng), scene, sky, rng)
    assert pixels.shape == (48, 64, 3) and np.isfinite(pixels).all()


@pytest.mark.parametrize("scene", every_part_once(), ids=lambda scene: f"{scene.far} {scene.near}")
def test_every_part_of_a_scene_can_be_drawn(scene: Scene) -> None:
    assert_drawn(scene)


@pytest.mark.slow
@pytest.mark.parametrize("far", ["none", *sorted(values().backgrounds)])
@pytest.mark.parametrize("near", sorted(values().foregrounds))
def test_every_land_is_drawn_in_every_light_and_weather(far: str, near: str) -> None:
    for scene in every_part_once():
        assert_drawn(replace(scene, far=far, near=near))


@pytest.mark.parametrize("prompt", ["qwertz", "***", "🙂", "가나다라", ""])
def test_a_text_without_any_known_word_is_drawn_too(prompt: str) -> None:
    assert drawn(prompt).std() > 10


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a lighthouse", {"near": "sea"}),
        ("a boat on the lake", {"near": "lake"}),
        ("a cabin", {"far": "hills"}),
        ("cherry blossoms", {"far": "trees", "color": "pink", "weather": "petals"}),
        ("fireworks", {"time": "night", "far": "city"}),
        ("a hot-air balloon", {"far": "hills", "weather": "clear"}),
        ("a couple on the beach", {"near": "beach", "mood": "romantic"}),
        ("항구의 요트", {"near": "sea"}),
    ],
)
def test_what_cannot_be_drawn_becomes_the_place_where_it_is(
    prompt: str, expected: dict[str, str]
) -> None:
    scene = scene_of(prompt)

    assert {name: getattr(scene, name) for name in expected} == expected


# Words


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("a lighthouse by the sea at dusk", "저녁 바다의 등대"),
        ("a cabin in the winter forest", "겨울 숲속의 오두막"),
        ("a couple under cherry blossoms", "벚꽃 아래 연인"),
        ("rain in the city at night", "비 내리는 도시의 밤"),
    ],
)
def test_both_languages_mean_the_same(english: str, korean: str) -> None:
    assert scene_of(english) == scene_of(korean)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Snowy mountains over a lake", {"far": "mountains", "near": "lake", "is_snowy": True}),
        ("A field of roses", {"near": "flowers", "color": "red"}),
        ("stars at sunset", {"time": "sunset", "sky": ("stars",)}),
        ("Mountains, and a harbour", {"far": "mountains", "near": "sea"}),
        ("산과 바다", {"far": "mountains", "near": "sea"}),
        ("눈이 오는 도시", {"weather": "snow", "far": "city", "near": "snow"}),
        ("달이 뜬 사막", {"time": "night", "light": "moon", "near": "dunes", "far": "none"}),
        ("a red forest", {"far": "trees"}),
        ("a rainbow in the sun", {"light": "none"}),
    ],
)
def test_words_have_their_meaning_and_suggest_the_rest(text: str, expected: dict[str, Any]) -> None:
    scene = scene_of(text)

    assert {name: getattr(scene, name) for name in expected} == expected


@pytest.mark.parametrize("text", ["비행기", "해결", "산수유", "달력"])
def test_a_short_korean_word_is_not_found_inside_of_another(text: str) -> None:
    assert list(scenery._meanings(text)) == []


def test_every_word_means_something_that_can_be_drawn() -> None:
    known = {
        "time": set(values().hours),
        "light": {"sun", "moon"},
        "weather": set(values().weather),
        "far": {"none", *values().backgrounds},
        "near": set(values().foregrounds),
        "cover": {"snow"},
        "sky": {"stars", "milkyway", "aurora", "rainbow"},
        "color": set(values().colors),
        "mood": set(values().moods),
    }
    lexicon = catalog.read("studio/scenery_words.json")

    strange = [
        (word, meaning)
        for language in ("en", "ko")
        for word, meanings in lexicon[language].items()
        for meaning in meanings.split()
        if meaning.partition(":")[2] not in known[meaning.partition(":")[0].removesuffix("?")]
    ]

    assert strange == []
    assert len(lexicon["en"]) > 100 and len(lexicon["ko"]) > 100


def test_what_the_studio_chooses_by_itself_can_be_drawn() -> None:
    for seed in range(200):
        scene = scene_of("", seed)

        assert scene.far in {"none", *values().backgrounds}
        assert scene.near in values().foregrounds
        assert scene.weather in values().weather and scene.time in values().hours
