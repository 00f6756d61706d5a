"""Pictures from text alone, painted by the studio: the effects of the text and of the seed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from darkroom.generation.ports import GenerationRequest, PermanentProviderError
from darkroom.recipes.images import ASPECT_RATIOS
from darkroom.recipes.portraits import styles
from darkroom.studio.local_studio import LocalStudio
from darkroom.studio.pictures import scenery, scenery_land, scenery_sky, scenery_things
from darkroom.studio.pictures.picture import SIZES, make_picture
from darkroom.studio.pictures.scenery import Scene, read_scene

LEXICON = Path(scenery.__file__).with_name("scenery.json")


@pytest.fixture
def paint(tmp_path: Path) -> Any:
    def painted(text: str, *, seed: int = 5, **params: Any) -> bytes:
        request = GenerationRequest(
            job_id="job_x",
            key="img_01",
            kind="picture",
            attempt=1,
            seed=seed,
            language="en",
            params={"wish": text, "prompt": text, "aspectRatio": "16:9"} | params,
            sources=(),
            workdir=tmp_path,
        )
        [artifact] = LocalStudio().generate(request)
        assert (artifact.type, artifact.mime_type) == ("image", "image/jpeg")
        content = artifact.path.read_bytes()
        with Image.open(io.BytesIO(content)) as picture:
            assert (artifact.width, artifact.height) == picture.size
        return content

    return painted


def pixels_of(content: bytes) -> Any:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.float64)


def scene_of(text: str, seed: int = 1) -> Scene:
    return read_scene(text, np.random.default_rng(seed))


def test_equal_texts_and_seeds_give_equal_pictures_and_others_differ(
    paint: Any,
) -> None:
    first, again, other = paint("the sea"), paint("the sea"), paint("the sea", seed=6)

    assert first == again != other
    assert pixels_of(first).std() > 20


@pytest.mark.parametrize("ratio", ASPECT_RATIOS)
def test_every_aspect_ratio_is_painted(paint: Any, ratio: str) -> None:
    with Image.open(io.BytesIO(paint("mountains", aspectRatio=ratio))) as picture:
        wide, high = picture.size

    across, down = (int(part) for part in ratio.split(":"))
    assert wide * down == high * across and set(SIZES) == set(ASPECT_RATIOS)


@pytest.mark.slow
def test_every_style_looks_different(paint: Any) -> None:
    pictures = [pixels_of(paint("A lake at sunset", style=style)) for style in styles()]

    apart = [
        np.abs(first - second).mean()
        for place, first in enumerate(pictures)
        for second in pictures[:place]
    ]
    assert len(pictures) == 5 and min(apart) > 6


def test_an_unsupported_picture_is_refused(paint: Any) -> None:
    for params in ({"style": "CUBIST"}, {"aspectRatio": "2:1"}):
        with pytest.raises(PermanentProviderError) as refusal:
            paint("the sea", **params)
        assert refusal.value.error_code == "UNSUPPORTED_KIND"


def test_the_time_of_day_is_visible(paint: Any) -> None:
    night = pixels_of(paint("mountains at night", style="CLASSIC")).mean()
    day = pixels_of(paint("mountains by day", style="CLASSIC")).mean()

    assert night < 0.5 * day


def test_a_named_color_is_visible(paint: Any) -> None:
    red = pixels_of(paint("a red sunset", style="CLASSIC")).mean(axis=(0, 1))
    green = pixels_of(paint("green northern lights", style="CLASSIC")).mean(axis=(0, 1))

    assert red[0] > 1.3 * red[2] and green[1] > green[0]


@pytest.mark.slow
@pytest.mark.parametrize("far", sorted(scenery_land._FAR))
@pytest.mark.parametrize("near", sorted(scenery_land._NEAR))
def test_every_land_is_painted_in_every_light_and_weather(far: str, near: str) -> None:
    rng = np.random.default_rng(3)
    for time in scenery_sky._HOURS:
        scene = Scene(
            time=time,
            light="moon" if time == "night" else "sun",
            weather=str(rng.choice(sorted(scenery_sky._CLOUDS))),
            far=far,
            near=near,
            is_snowy=bool(rng.random() < 0.5),
            sky=("stars", "milkyway", "aurora", "fireworks", "rainbow"),
            things=scenery_things.ORDER,
            color="teal",
            mood="",
        )
        sky = scenery_sky.paint_sky(scene, (160, 120), 0.6, rng)
        pixels = scenery_land.paint_far(far, sky.pixels, scene, sky, rng)
        pixels = scenery_land.paint_near(near, pixels, scene, sky, rng)
        for thing in scenery_things.ORDER:
            pixels = scenery_things.place_thing(thing, pixels, scene, sky, rng)
        pixels = scenery_things.let_fall(pixels, scene, sky, rng)
        assert pixels.shape == (120, 160, 3) and np.isfinite(pixels).all()


@pytest.mark.slow
def test_a_text_without_any_known_word_is_painted_too(paint: Any) -> None:
    for text in ("qwertz", "***", "🙂", "가나다라", ""):
        assert pixels_of(paint(text)).std() > 10


def test_a_request_without_a_user_prompt_uses_the_prompt(tmp_path: Path) -> None:
    request = GenerationRequest(
        job_id="job_x",
        key="img_01",
        kind="picture",
        attempt=1,
        seed=1,
        language="en",
        params={"prompt": "the sea at night"},
        sources=(),
        workdir=tmp_path,
    )

    [artifact] = make_picture(request)

    assert (artifact.width, artifact.height) == SIZES["1:1"]


# Words


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("a lighthouse by the sea at dusk", "저녁 바다의 등대"),
        ("a cabin in the snowy forest", "겨울 숲속의 오두막"),
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
        ("Mountains, and a harbour", {"far": "mountains", "near": "sea", "things": ("boat",)}),
        ("산과 바다", {"far": "mountains", "near": "sea"}),
        ("눈이 오는 도시", {"weather": "snow", "far": "city", "near": "snow"}),
        ("달이 뜬 사막", {"time": "night", "light": "moon", "near": "dunes"}),
    ],
)
def test_words_have_their_meaning_and_suggest_the_rest(text: str, expected: dict[str, Any]) -> None:
    scene = scene_of(text)

    assert {name: getattr(scene, name) for name in expected} == expected


@pytest.mark.parametrize("text", ["비행기", "해결", "산수유", "달력"])
def test_a_short_korean_word_is_not_found_inside_of_another(text: str) -> None:
    assert list(scenery._meanings(text)) == []


def test_every_word_of_the_lexicon_can_be_painted() -> None:
    known = {
        "time": set(scenery_sky._HOURS),
        "light": {"sun", "moon"},
        "weather": set(scenery_sky._CLOUDS),
        "far": set(scenery_land._FAR),
        "near": set(scenery_land._NEAR),
        "cover": {"snow"},
        "sky": {"stars", "milkyway", "aurora", "fireworks", "rainbow"},
        "thing": set(scenery_things.ORDER),
        "color": set(scenery_sky.COLORS),
        "mood": {"lonely", "calm", "romantic", "magical", "bright"},
    }
    lexicon = json.loads(LEXICON.read_text(encoding="utf-8"))

    strange = [
        (word, meaning)
        for language in ("en", "ko")
        for word, meanings in lexicon[language].items()
        for meaning in meanings.split()
        if meaning.partition(":")[2] not in known[meaning.partition(":")[0].removesuffix("?")]
    ]

    assert strange == []
    assert len(lexicon["en"]) > 100 and len(lexicon["ko"]) > 100
