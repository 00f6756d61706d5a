"""``GET /api/recipes``: choices, limits and labels for a frontend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.ids import derived_id
from darkroom.recipes import REGISTRY, get_recipe
from tests.support.moto_world import moto_world

ASSETS = [derived_id("ast", str(number)) for number in range(101)]
PHOTOS = [derived_id("ref", str(number)) for number in range(5)]

Inputs = dict[str, Any]


@pytest.fixture(scope="module")
def response() -> Iterator[dict[str, Any]]:
    with moto_world() as world:
        yield world.call("GET", "/api/recipes", user=None).body


def is_accepted(recipe: str, inputs: Mapping[str, Any]) -> bool:
    try:
        get_recipe(recipe).validate(inputs)
    except InvalidInput:
        return False
    return True


def story(**changes: Any) -> Inputs:
    return {"photoAssetIds": ASSETS[:1], "stage": "spark", "genre": "romance", **changes}


def portraits(**changes: Any) -> Inputs:
    given = {"mode": "batch", "referencePhotoIds": PHOTOS[:1], "styles": ["CLASSIC"]}
    return {**given, "totalImages": 1, **changes}


def captions(**options: Any) -> Inputs:
    return {"assetIds": ASSETS[:1], "options": options}


def images(**changes: Any) -> Inputs:
    return {"prompt": "The sea", "count": 1, **changes}


def rewritten(**changes: Any) -> Inputs:
    rewrite = {"rawText": "Again.", "distanceMode": "close", "desiredEnding": "open"}
    return story(rewriteEnabled=True, rewrite=rewrite | changes)


def test_every_recipe_is_listed_and_has_a_label(response: dict[str, Any]) -> None:
    assert response["recipes"] == sorted(REGISTRY)
    assert set(response["recipes"]) <= set(response["modes"])


@pytest.mark.parametrize(
    ("group", "recipe", "inputs"),
    [
        ("stages", "story", lambda code: story(stage=code)),
        ("genres", "story", lambda code: story(genre=code)),
        ("sliders", "story", lambda code: story(sliders={code: 1})),
        ("distanceModes", "story", lambda code: rewritten(distanceMode=code)),
        ("endings", "story", lambda code: rewritten(desiredEnding=code)),
        ("portraitModes", "portraits", lambda code: portraits(mode=code)),
        ("styles", "portraits", lambda code: portraits(styles=[code])),
        ("styles", "images", lambda code: images(style=code)),
        ("roles", "portraits", lambda code: portraits(roles=[code])),
        ("formats", "captions", lambda code: captions(outputFormats=[code])),
        ("languages", "captions", lambda code: captions(sourceLang=code)),
    ],
)
def test_every_choice_has_labels_and_is_accepted(
    group: str, recipe: str, inputs: Callable[[str], Inputs], response: dict[str, Any]
) -> None:
    assert response[group]
    for code, label in response[group].items():
        assert set(label) == {"en", "ko"}
        assert all(label.values())
        assert is_accepted(recipe, inputs(code)), code
    assert not is_accepted(recipe, inputs("No such choice"))


def test_every_aspect_ratio_is_accepted(response: dict[str, Any]) -> None:
    assert response["aspectRatios"] == ["1:1", "3:4", "4:3", "9:16", "16:9"]
    assert all(
        is_accepted("images", images(aspectRatio=ratio)) for ratio in response["aspectRatios"]
    )
    assert not is_accepted("images", images(aspectRatio="2:1"))


def test_languages_list_their_uses(response: dict[str, Any]) -> None:
    sources, targets = response["sourceLanguages"], response["targetLanguages"]

    assert sources == list(response["languages"])
    assert set(sources) - set(targets) == {"auto"}
    for code in sources:
        sent = captions(translate=True, targetLangs=[code])
        assert is_accepted("captions", sent) is (code in targets)


@pytest.mark.parametrize(
    ("name", "recipe", "inputs"),
    [
        ("photosPerJob", "story", lambda count: story(photoAssetIds=ASSETS[:count])),
        (
            "referencePhotosPerJob",
            "portraits",
            lambda count: portraits(referencePhotoIds=PHOTOS[:count]),
        ),
        ("totalImages", "portraits", lambda count: portraits(totalImages=count)),
        ("imagesPerJob", "images", lambda count: images(count=count)),
        ("promptCharacters", "images", lambda count: images(prompt="x" * count)),
        ("filesPerRequest", "captions", lambda count: {"assetIds": ASSETS[:count]}),
        ("rewriteCharacters", "story", lambda count: rewritten(rawText="x" * count)),
    ],
)
def test_a_limit_is_the_most_that_is_accepted(
    name: str, recipe: str, inputs: Callable[[int], Inputs], response: dict[str, Any]
) -> None:
    limit = response["limits"][name]

    assert is_accepted(recipe, inputs(limit))
    assert not is_accepted(recipe, inputs(limit + 1))


def test_the_limit_of_target_languages_is_the_most_that_is_accepted(
    response: dict[str, Any],
) -> None:
    limit, targets = response["limits"]["targetLanguages"], response["targetLanguages"]

    assert is_accepted("captions", captions(translate=True, targetLangs=targets[:limit]))
    assert not is_accepted("captions", captions(translate=True, targetLangs=targets[: limit + 1]))


def test_a_slider_goes_from_end_to_end(response: dict[str, Any]) -> None:
    slider = response["limits"]["slider"]

    assert slider["from"] < slider["neutral"] < slider["to"]
    for value in slider.values():
        assert is_accepted("story", story(sliders={"humor": value}))
    for value in (slider["from"] - 1, slider["to"] + 1):
        assert not is_accepted("story", story(sliders={"humor": value}))
