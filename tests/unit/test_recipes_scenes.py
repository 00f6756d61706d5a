"""The recipes of scenes: what they accept, cost, plan and regenerate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from darkroom.credits.pricing import costs
from darkroom.kernel.errors import Conflict, DarkroomError, InvalidInput
from darkroom.kernel.money import PricePart
from darkroom.recipes import REGISTRY, get_recipe
from darkroom.recipes.base import Blueprint, Material, Target, TaskSpec
from darkroom.recipes.scenes import QUICK, STORY, TRAILER, SceneRecipe
from darkroom.templates.choice import templates_of
from tests.support.builders import ASSET_ID, REWRITE, scene_inputs

OTHER_ASSET = ASSET_ID[:-1] + "4"
STORY_KEYS = ["kf_1", "kf_2", "kf_3", "clip_1", "clip_2", "clip_3", "film"]
REWRITTEN: dict[str, Any] = {"rewriteEnabled": True, "rewrite": REWRITE}


def a_photo(asset_id: str = ASSET_ID, kind: str = "image") -> Material:
    return Material(
        id=asset_id, kind=kind, storage_key=f"clean/alice/{asset_id}", mime_type="image/jpeg"
    )


def refused(recipe: SceneRecipe, inputs: Mapping[str, Any]) -> list[str]:
    """Paths of the fields that a refusal names."""
    with pytest.raises(InvalidInput) as refusal:
        recipe.validate(inputs)
    assert refusal.value.error_code == "VALIDATION_FAILED"
    fields = refusal.value.facts["fields"]
    assert all(field["message"] for field in fields)
    return [field["path"] for field in fields]


# Validation


def test_minimal_inputs_are_stored_with_their_defaults() -> None:
    stored = STORY.validate(scene_inputs())

    assert stored == {
        "photoAssetIds": [ASSET_ID],
        "stage": "spark",
        "genre": "romance",
        "sliders": {},
        "rewriteEnabled": False,
    }


def test_all_accepted_fields_are_stored() -> None:
    sliders = {"intensity": 0, "humor": 100, "drama": 1, "warmth": 50, "pace": 99}
    given = scene_inputs(
        ASSET_ID, OTHER_ASSET, sliders=sliders, seed=2**32 - 1, testFaults={"film": "hang"}
    )

    stored = STORY.validate(given)

    assert stored == {**given, "rewriteEnabled": False}


def test_the_raw_text_of_a_rewrite_is_never_stored() -> None:
    rewrite = REWRITE | {"rawText": "call <b>me</b> at 010-1234-5678"}

    stored = STORY.validate(scene_inputs(rewriteEnabled=True, rewrite=rewrite))

    assert stored["rewrite"] == {
        "distanceMode": "close",
        "desiredEnding": "happy",
        "sanitizedText": "call me at ***",
    }


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"unknown": 1}, "unknown"),
        ({"userId": "bob"}, "userId"),
        ({"photo_asset_ids": [ASSET_ID]}, "photo_asset_ids"),
        ({"photoAssetIds": []}, "photoAssetIds"),
        ({"photoAssetIds": [f"ast_01KE6P4YM0DW25PDBDE1K4KS{n:02}" for n in range(6)]}, "photoAsse"),
        ({"photoAssetIds": ASSET_ID}, "photoAssetIds"),
        ({"photoAssetIds": [7]}, "photoAssetIds.0"),
        ({"photoAssetIds": ["../../etc"]}, "photoAssetIds.0"),
        ({"photoAssetIds": [f"job_{ASSET_ID[4:]}"]}, "photoAssetIds.0"),
        ({"photoAssetIds": [ASSET_ID, ASSET_ID]}, ""),
        ({"stage": "western"}, "stage"),
        ({"stage": None}, "stage"),
        ({"genre": "western"}, "genre"),
        ({"genre": None}, "genre"),
        ({"sliders": {"speed": 1}}, "sliders.speed"),
        ({"sliders": {"humor": -1}}, "sliders.humor"),
        ({"sliders": {"humor": 101}}, "sliders.humor"),
        ({"sliders": {"humor": 1.0}}, "sliders.humor"),
        ({"sliders": {"humor": "1"}}, "sliders.humor"),
        ({"sliders": {"humor": True}}, "sliders.humor"),
        ({"sliders": []}, "sliders"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": "1"}, "seed"),
        ({"seed": True}, "seed"),
        ({"rewriteEnabled": "true"}, "rewriteEnabled"),
        ({"rewriteEnabled": 1}, "rewriteEnabled"),
        ({"rewriteEnabled": True}, ""),
        ({"rewrite": REWRITE}, ""),
        ({"rewriteEnabled": True, "rewrite": {**REWRITE, "x": 1}}, "rewrite.x"),
        ({"rewriteEnabled": True, "rewrite": {**REWRITE, "rawText": ""}}, "rewrite.rawText"),
        ({"rewriteEnabled": True, "rewrite": {**REWRITE, "rawText": 5}}, "rewrite.rawText"),
        ({"rewriteEnabled": True, "rewrite": {**REWRITE, "rawText": "가" * 2001}}, "rewrite.raw"),
        ({"rewriteEnabled": True, "rewrite": {**REWRITE, "rawText": "<b></b>"}}, "rewrite.rawText"),
        ({"rewriteEnabled": True, "rewrite": {**REWRITE, "sanitizedText": "x"}}, "rewrite.sanit"),
        ({"rewriteEnabled": True, "rewrite": {**REWRITE, "distanceMode": "near"}}, "rewrite.dist"),
        ({"rewriteEnabled": True, "rewrite": {**REWRITE, "desiredEnding": "sad"}}, "rewrite.desi"),
        ({"testFaults": {"clip_4": "hang"}}, "testFaults.clip_4"),
        ({"testFaults": {"clip_1": "explode"}}, "testFaults.clip_1"),
    ],
)
def test_each_field_is_checked_and_named(changes: dict[str, Any], path: str) -> None:
    found = refused(STORY, scene_inputs(**changes))

    assert any(name.startswith(path) for name in found), found


def test_all_problems_are_reported_together() -> None:
    assert refused(STORY, {"sliders": {"humor": 999}, "x": 1}) == [
        "photoAssetIds",
        "stage",
        "genre",
        "sliders.humor",
        "x",
    ]


def test_refused_content_has_its_own_code() -> None:
    rewrite = REWRITE | {"rawText": "음란영상"}

    with pytest.raises(InvalidInput) as refusal:
        STORY.validate(scene_inputs(rewriteEnabled=True, rewrite=rewrite))

    assert (refusal.value.error_code, refusal.value.facts["category"]) == (
        "CONTENT_REJECTED",
        "sexual",
    )


def test_quick_has_no_rewrite() -> None:
    assert refused(QUICK, scene_inputs(**REWRITTEN)) == ["rewriteEnabled"]


def test_an_unknown_recipe_is_refused_by_its_field() -> None:
    assert {"quick", "story", "trailer"} <= set(REGISTRY)
    with pytest.raises(InvalidInput) as refusal:
        get_recipe("Story")

    assert refusal.value.facts["fields"][0]["path"] == "recipe"


# Revising what is stored


def test_an_empty_revision_changes_nothing() -> None:
    stored = STORY.validate(scene_inputs(seed=7, sliders={"humor": 3}, **REWRITTEN))

    assert STORY.revise(stored, {}) == stored


def test_sent_fields_replace_stored_fields() -> None:
    stored = STORY.validate(scene_inputs(sliders={"humor": 3}, **REWRITTEN))
    ending = REWRITE | {"rawText": "Another end.", "desiredEnding": "open"}

    revised = STORY.revise(stored, {"genre": "noir", "sliders": {"pace": 1}, "rewrite": ending})

    assert (revised["genre"], revised["sliders"]) == ("noir", {"pace": 1})
    assert revised["rewrite"]["sanitizedText"] == "Another end."
    assert revised["photoAssetIds"] == stored["photoAssetIds"]


def test_switching_the_rewrite_off_drops_its_text() -> None:
    stored = STORY.validate(scene_inputs(**REWRITTEN))

    revised = STORY.revise(stored, {"rewriteEnabled": False})

    assert "rewrite" not in revised
    assert revised["rewriteEnabled"] is False


def test_a_revision_is_checked_like_new_inputs() -> None:
    stored = STORY.validate(scene_inputs(**REWRITTEN))

    for changes in ({"genre": "western"}, {"rewriteEnabled": 0}, {"rewrite": None}, {"x": 1}):
        with pytest.raises(InvalidInput):
            STORY.revise(stored, changes)
    with pytest.raises(InvalidInput):
        QUICK.revise(stored, {})


def test_a_text_is_measured_as_stored_so_that_accepted_inputs_can_be_revised() -> None:
    # Compatibility forms grow when they are normalized: one "…" becomes three dots.
    fits = REWRITE | {"rawText": "가" * 1970 + "…" * 10}
    grows = REWRITE | {"rawText": "가" * 1990 + "…" * 10}

    stored = STORY.validate(scene_inputs(rewriteEnabled=True, rewrite=fits))

    assert STORY.revise(stored, {}) == stored
    assert refused(STORY, scene_inputs(rewriteEnabled=True, rewrite=grows)) == ["rewrite.rawText"]


def test_a_patch_merges_into_the_stored_inputs_and_null_removes_a_field() -> None:
    stored = STORY.validate(scene_inputs(seed=7, sliders={"humor": 3, "pace": 4}, **REWRITTEN))

    patched = STORY.patch(
        stored,
        {
            "seed": None,
            "sliders": {"humor": None, "warmth": 9},
            "rewrite": {"desiredEnding": "open"},
        },
    )

    assert "seed" not in patched
    assert patched["sliders"] == {"pace": 4, "warmth": 9}
    assert patched["rewrite"] == {**stored["rewrite"], "desiredEnding": "open"}
    assert STORY.patch(stored, {}) == stored
    assert "rewrite" not in STORY.patch(stored, {"rewriteEnabled": False})


def test_a_patch_is_checked_like_new_inputs() -> None:
    stored = STORY.validate(scene_inputs(sliders={"humor": 3}))

    for patch in ({"stage": None}, {"sliders": {"humor": 101}}, {"rewriteEnabled": True}, {"x": 1}):
        with pytest.raises(InvalidInput):
            STORY.patch(stored, patch)


def test_one_request_is_one_job() -> None:
    stored = STORY.validate(scene_inputs(ASSET_ID, OTHER_ASSET))

    assert STORY.split(stored) == [stored]
    assert STORY.material_ids(stored) == (ASSET_ID, OTHER_ASSET)


def test_a_scene_is_made_of_pictures_only() -> None:
    stored = STORY.validate(scene_inputs(ASSET_ID, OTHER_ASSET))

    STORY.check(stored, [a_photo(), a_photo(OTHER_ASSET)])
    with pytest.raises(InvalidInput) as refusal:
        STORY.check(stored, [a_photo(), a_photo(OTHER_ASSET, "video")])

    assert [field["path"] for field in refusal.value.facts["fields"]] == ["photoAssetIds.1"]


# Prices


def price(recipe: SceneRecipe, **changes: Any) -> tuple[PricePart, ...]:
    return recipe.price(recipe.validate(scene_inputs(**changes)), costs(), [a_photo()])


def test_a_price_promises_the_clips_and_the_film() -> None:
    assert price(QUICK) == (PricePart(name="base", credits=0, promised=("clip_1",)),)
    assert price(STORY) == (
        PricePart(name="base", credits=2, promised=("clip_1", "clip_2", "clip_3", "film")),
    )
    [trailer] = price(TRAILER)
    assert trailer.credits == 5
    assert trailer.promised == ("clip_1", "clip_2", "clip_3", "clip_4", "clip_5", "film")


def test_the_rewrite_costs_one_more_for_the_last_clip() -> None:
    assert price(STORY, **REWRITTEN)[1:] == (
        PricePart(name="rewrite", credits=1, promised=("clip_3",)),
    )
    assert price(TRAILER, **REWRITTEN)[1].promised == ("clip_5",)


# Plans


def plan(
    recipe: SceneRecipe,
    *,
    language: str = "en",
    only: Sequence[str] = (),
    **changes: Any,
) -> dict[str, TaskSpec]:
    stored = recipe.validate(scene_inputs(**changes))
    template = templates_of(*recipe.template_combination(stored))[0]
    blueprint = Blueprint(
        inputs=stored,
        template=template,
        language=language,
        materials=(a_photo(),),
        only_keys=frozenset(only),
    )
    return {spec.key: spec for spec in recipe.plan(blueprint)}


def test_each_recipe_plans_its_scenes() -> None:
    trailer = [f"{kind}_{n}" for kind in ("kf", "clip") for n in (1, 2, 3, 4, 5)]

    assert list(plan(QUICK)) == ["kf_1", "clip_1"]
    assert list(plan(STORY)) == STORY_KEYS
    assert list(plan(TRAILER)) == [*trailer, "film"]


def test_a_clip_needs_its_keyframe_and_the_film_all_clips_in_order() -> None:
    specs = plan(STORY)

    assert specs["kf_2"].needs == ()
    assert specs["clip_2"].needs == ("kf_2",)
    assert specs["film"].needs == ("clip_1", "clip_2", "clip_3")


def test_only_keyframes_use_the_photos() -> None:
    specs = plan(STORY, photoAssetIds=[OTHER_ASSET, ASSET_ID])

    works_on = {key: spec.materials for key, spec in specs.items() if spec.materials}
    assert works_on == dict.fromkeys(("kf_1", "kf_2", "kf_3"), (OTHER_ASSET, ASSET_ID))


def test_a_plan_never_names_a_task_before_what_it_needs() -> None:
    for recipe in (QUICK, STORY, TRAILER):
        seen: set[str] = set()
        for key, spec in plan(recipe).items():
            assert set(spec.needs) <= seen
            seen.add(key)


def test_sliders_default_to_the_middle() -> None:
    sliders = plan(STORY, sliders={"humor": 7})["kf_1"].params["sliders"]

    assert sliders == {"drama": 50, "humor": 7, "intensity": 50, "pace": 50, "warmth": 50}


def test_the_texts_of_the_film_are_in_the_callers_language() -> None:
    english, korean = plan(STORY)["film"].params, plan(STORY, language="ko")["film"].params
    template = templates_of("story", "spark", "romance")[0]

    assert (english["hook"], english["ending"]) == (
        template["hook"]["en"],
        template["ending"]["en"],
    )
    assert (korean["hook"], korean["ending"]) == (template["hook"]["ko"], template["ending"]["ko"])
    assert korean["captions"] == [scene["caption"]["ko"] for scene in template["scenes"]]


def test_a_rewrite_changes_the_last_keyframe_its_look_its_caption_and_the_ending() -> None:
    plain, rewritten = plan(STORY), plan(STORY, **REWRITTEN)

    changed = {key for key in plain if plain[key] != rewritten[key]}

    assert changed <= {"kf_3", "clip_3", "film"}
    assert "They meet again at the harbor." in rewritten["kf_3"].params["prompt"]
    assert rewritten["kf_3"].params["look"]["framing"] == "close"
    assert rewritten["clip_3"].params["look"]["framing"] == "close"
    film, before = rewritten["film"].params, plain["film"].params
    assert film["captions"][:2] == before["captions"][:2]
    assert film["captions"][2] == "They meet again at the harbor."
    assert film["ending"] != before["ending"]
    assert film["hook"] == before["hook"]


def test_a_child_plans_only_its_keys() -> None:
    specs = plan(STORY, only=("kf_2", "clip_2", "film"))

    assert list(specs) == ["kf_2", "clip_2", "film"]
    assert specs["film"].needs == ("clip_1", "clip_2", "clip_3")


def test_the_same_blueprint_gives_the_same_plan() -> None:
    assert plan(TRAILER, **REWRITTEN) == plan(TRAILER, **REWRITTEN)


# Regenerating

ALL_MADE = frozenset(STORY_KEYS)


def again(
    recipe: SceneRecipe,
    target: str,
    clip_no: int | None = None,
    *,
    key: str | None = None,
    made: frozenset[str] = ALL_MADE,
    **changes: Any,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    inputs = recipe.validate(scene_inputs(**changes))
    result = recipe.regenerate(inputs, made, Target(name=target, clip_no=clip_no, key=key))
    return result.keys, result.promised


@pytest.mark.parametrize("number", [1, 2, 3])
def test_regenerating_a_clip_remakes_its_keyframe_and_the_film(number: int) -> None:
    keys, promised = again(STORY, "story_clip", number)

    assert keys == (f"kf_{number}", f"clip_{number}", "film")
    assert promised == (f"clip_{number}", "film")


def test_a_scene_of_a_trailer_can_be_regenerated() -> None:
    made = frozenset(plan(TRAILER))

    assert again(TRAILER, "trailer_scene", 5, made=made)[0] == ("kf_5", "clip_5", "film")


def test_the_rewritten_ending_is_the_last_scene() -> None:
    assert again(STORY, "rewrite_only", **REWRITTEN)[0] == ("kf_3", "clip_3", "film")


def test_the_film_is_remade_only_if_every_clip_will_exist() -> None:
    without_two = ALL_MADE - {"clip_2", "film"}

    assert again(STORY, "story_clip", 2, made=without_two)[0] == ("kf_2", "clip_2", "film")
    assert again(STORY, "story_clip", 1, made=without_two) == (("kf_1", "clip_1"), ("clip_1",))


@pytest.mark.parametrize(
    ("recipe", "target", "clip_no", "kind", "code"),
    [
        (QUICK, "story_clip", 1, Conflict, "NOT_REGENERABLE"),
        (QUICK, "nonsense", None, Conflict, "NOT_REGENERABLE"),
        (STORY, "rewrite_only", None, Conflict, "NOT_REGENERABLE"),
        (STORY, "rewrite_only", 3, InvalidInput, "INVALID_TARGET"),
        (STORY, "trailer_scene", 1, InvalidInput, "INVALID_TARGET"),
        (STORY, "image", None, InvalidInput, "INVALID_TARGET"),
        (STORY, "film", None, InvalidInput, "INVALID_TARGET"),
        (STORY, "story_clip", None, InvalidInput, "INVALID_TARGET"),
        (STORY, "story_clip", 0, InvalidInput, "INVALID_TARGET"),
        (STORY, "story_clip", 4, InvalidInput, "INVALID_TARGET"),
        (STORY, "story_clip", -1, InvalidInput, "INVALID_TARGET"),
        (TRAILER, "story_clip", 1, InvalidInput, "INVALID_TARGET"),
        (TRAILER, "trailer_scene", 6, InvalidInput, "INVALID_TARGET"),
    ],
)
def test_an_impossible_regeneration_is_refused_with_its_code(
    recipe: SceneRecipe,
    target: str,
    clip_no: int | None,
    kind: type[DarkroomError],
    code: str,
) -> None:
    with pytest.raises(kind) as refusal:
        again(recipe, target, clip_no)

    assert refusal.value.error_code == code


def test_a_key_goes_with_an_image_only() -> None:
    for recipe, target in ((STORY, "story_clip"), (TRAILER, "trailer_scene")):
        with pytest.raises(InvalidInput) as refusal:
            again(recipe, target, 1, key="clip_1")

        assert refusal.value.error_code == "INVALID_TARGET"
