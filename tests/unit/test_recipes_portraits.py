"""The recipe of portraits: what it accepts, needs, costs, plans and regenerates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.credits.pricing import costs
from darkroom.kernel import catalog
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.ids import derived_id
from darkroom.kernel.money import total_credits
from darkroom.recipes import get_recipe
from darkroom.recipes.base import Blueprint, Material, Target, TaskSpec
from darkroom.recipes.portraits import PORTRAITS, styles, walk

STYLES = ["CLASSIC", "MODERN", "VINTAGE", "ROMANTIC", "CINEMATIC"]
PHOTOS = [derived_id("ref", str(number)) for number in range(5)]
ALBUM = derived_id("alb", "one")


def portraits(**changes: Any) -> dict[str, Any]:
    """Inputs of one portrait; a change to None leaves the field out."""
    given = {
        "mode": "batch",
        "referencePhotoIds": PHOTOS[:1],
        "styles": ["CLASSIC"],
        "totalImages": 1,
    }
    return {name: value for name, value in (given | changes).items() if value is not None}


def a_photo(photo_id: str = PHOTOS[0], role: str | None = "self", **changes: Any) -> Material:
    given: dict[str, Any] = {
        "id": photo_id,
        "kind": "image",
        "storage_key": f"clean/alice/{photo_id}",
        "mime_type": "image/jpeg",
        "role": role,
    }
    return Material(**(given | changes))


def photos_of(*roles: str) -> tuple[Material, ...]:
    return tuple(a_photo(photo_id, role) for photo_id, role in zip(PHOTOS, roles, strict=False))


def refused(inputs: Mapping[str, Any]) -> list[str]:
    """Paths of the fields that a refusal names."""
    with pytest.raises(InvalidInput) as refusal:
        PORTRAITS.validate(inputs)
    assert refusal.value.error_code == "VALIDATION_FAILED"
    fields = refusal.value.facts["fields"]
    assert all(field["message"] for field in fields)
    return [field["path"] for field in fields]


# Validation


def test_the_recipe_is_found_by_its_name() -> None:
    assert get_recipe("portraits") is PORTRAITS


def test_minimal_inputs_are_stored_unchanged() -> None:
    assert PORTRAITS.validate(portraits()) == portraits()


def test_all_accepted_fields_are_stored() -> None:
    given = portraits(
        referencePhotoIds=PHOTOS[:4],
        styles=STYLES,
        roles=["self", "best-man", "a_1", "x" * 32],
        totalImages=20,
        albumId=ALBUM,
        modelId="amazon.nova-canvas-v1:0",
        seed=0,
        testFaults={"img_20": "moderation"},
    )

    assert PORTRAITS.validate(given) == given


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"unknown": 1}, "unknown"),
        ({"userId": "bob"}, "userId"),
        ({"total_images": 1}, "total_images"),
        ({"mode": None}, "mode"),
        ({"mode": "many"}, "mode"),
        ({"referencePhotoIds": None}, "referencePhotoIds"),
        ({"referencePhotoIds": []}, "referencePhotoIds"),
        ({"referencePhotoIds": PHOTOS}, "referencePhotoIds"),
        ({"referencePhotoIds": PHOTOS[:1] * 2}, "referencePhotoIds"),
        ({"referencePhotoIds": PHOTOS[0]}, "referencePhotoIds"),
        ({"referencePhotoIds": [7]}, "referencePhotoIds.0"),
        ({"referencePhotoIds": ["../etc"]}, "referencePhotoIds.0"),
        ({"referencePhotoIds": [derived_id("ast", "1")]}, "referencePhotoIds.0"),
        ({"styles": None}, "styles"),
        ({"styles": []}, "styles"),
        ({"styles": "CLASSIC"}, "styles"),
        ({"styles": ["CLASSIC", "CLASSIC"]}, "styles"),
        ({"styles": ["CLASSIC", "classic"]}, "styles.1"),
        ({"styles": ["CUBIST"]}, "styles.0"),
        ({"styles": [None]}, "styles.0"),
        ({"roles": []}, "roles"),
        ({"roles": "self"}, "roles"),
        ({"roles": ["self", "self"]}, "roles"),
        ({"roles": ["a", "b", "c", "d", "e"]}, "roles"),
        ({"roles": [""]}, "roles.0"),
        ({"roles": ["Self"]}, "roles.0"),
        ({"roles": ["1st"]}, "roles.0"),
        ({"roles": ["self\n"]}, "roles.0"),
        ({"roles": ["x" * 33]}, "roles.0"),
        ({"roles": ["self", "nåme"]}, "roles.1"),
        ({"totalImages": None}, "totalImages"),
        ({"totalImages": 0}, "totalImages"),
        ({"totalImages": 21}, "totalImages"),
        ({"totalImages": 2.0}, "totalImages"),
        ({"totalImages": "2"}, "totalImages"),
        ({"totalImages": True}, "totalImages"),
        ({"mode": "single", "styles": STYLES[:2]}, "styles"),
        ({"mode": "single", "totalImages": 2}, "totalImages"),
        ({"albumId": PHOTOS[0]}, "albumId"),
        ({"albumId": ""}, "albumId"),
        ({"modelId": ""}, "modelId"),
        ({"modelId": "a model"}, "modelId"),
        ({"modelId": "x" * 129}, "modelId"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"seed": "1"}, "seed"),
        ({"testFaults": {"img_02": "hang"}}, "testFaults.img_02"),
        ({"testFaults": {"img_1": "hang"}}, "testFaults.img_1"),
        ({"testFaults": {"kf_1": "hang"}}, "testFaults.kf_1"),
        ({"testFaults": {"img_01": "explode"}}, "testFaults.img_01"),
    ],
)
def test_each_field_is_checked_and_named(changes: dict[str, Any], path: str) -> None:
    assert refused(portraits(**changes)) == [path]


def test_all_problems_are_reported_together() -> None:
    assert refused({"mode": "single", "x": 1}) == [
        "referencePhotoIds",
        "styles",
        "totalImages",
        "x",
    ]
    assert refused(portraits(mode="single", styles=STYLES, totalImages=20)) == [
        "styles",
        "totalImages",
    ]


def test_a_patch_is_checked_like_new_inputs() -> None:
    stored = PORTRAITS.validate(portraits(totalImages=4, seed=7, albumId=ALBUM))

    patched = PORTRAITS.patch(stored, {"totalImages": 2, "seed": None, "styles": ["MODERN"]})

    assert patched == portraits(totalImages=2, albumId=ALBUM, styles=["MODERN"])
    for patch in ({"mode": "single"}, {"styles": None}, {"totalImages": 0}):
        with pytest.raises(InvalidInput):
            PORTRAITS.patch(stored, patch)


# Materials


def missing(inputs: Mapping[str, Any], materials: Sequence[Material]) -> tuple[list[str], Any]:
    """Paths and roles that a refusal of the photos names."""
    with pytest.raises(InvalidInput) as refusal:
        PORTRAITS.check(inputs, materials)
    assert refusal.value.error_code == "REFERENCE_PHOTO_MISSING"
    fields = refusal.value.facts["fields"]
    return [field["path"] for field in fields], refusal.value.facts["roles"]


def test_every_requested_role_needs_a_photo() -> None:
    inputs = portraits(referencePhotoIds=PHOTOS[:2], roles=["groom", "self", "bride"])

    PORTRAITS.check(inputs | {"roles": ["bride", "self"]}, photos_of("self", "bride"))
    PORTRAITS.check(inputs | {"roles": ["bride"]}, photos_of("self", "bride"))

    assert missing(inputs, photos_of("self", "guest")) == (
        ["roles.0", "roles.2"],
        ["groom", "bride"],
    )


def test_the_refusal_names_a_withdrawn_photo_without_its_role() -> None:
    materials = (a_photo(), a_photo(PHOTOS[1], "bride", is_active=False))

    without_roles = missing(portraits(referencePhotoIds=PHOTOS[:2]), materials)
    with_roles = missing(portraits(referencePhotoIds=PHOTOS[:2], roles=["bride"]), materials)

    assert without_roles == (["referencePhotoIds.1"], [])
    assert with_roles == (["referencePhotoIds.1", "roles.0"], ["bride"])


def test_the_refusal_names_the_photo_and_the_role() -> None:
    inputs = portraits(referencePhotoIds=PHOTOS[:2], roles=["groom"])
    materials = (a_photo(), a_photo(PHOTOS[1], "bride", is_active=False))

    with pytest.raises(InvalidInput) as refusal:
        PORTRAITS.check(inputs, materials)

    photo, role = refusal.value.facts["fields"]
    assert (photo["path"], photo["code"]) == ("referencePhotoIds.1", "INACTIVE")
    assert (role["path"], role["code"]) == ("roles.0", "PHOTO_NEEDED")
    assert "groom" in role["message"]


def test_a_role_that_may_not_be_drawn_is_refused_wherever_it_comes_from() -> None:
    shown = photos_of("naked-child")

    for inputs in (portraits(), portraits(roles=["naked-child"])):
        with pytest.raises(InvalidInput) as refusal:
            PORTRAITS.check(inputs, shown)

        assert refusal.value.error_code == "CONTENT_REJECTED"


# Prices


def test_each_image_has_a_price_of_its_own() -> None:
    parts = PORTRAITS.price(portraits(totalImages=12), costs(), photos_of("self"))

    assert [part.name for part in parts] == [f"img_{number:02}" for number in range(1, 13)]
    assert all(part.promised == (part.name,) and part.credits == 1 for part in parts)
    assert total_credits(parts) == 12


# Plans


def plan(
    *roles: str, only: Sequence[str] = (), **changes: Any
) -> tuple[dict[str, TaskSpec], dict[str, Any]]:
    materials = photos_of(*(roles or ("self",)))
    ids = [material.id for material in materials]
    stored = PORTRAITS.validate(portraits(**({"referencePhotoIds": ids} | changes)))
    blueprint = Blueprint(
        inputs=stored,
        template=None,
        language="en",
        materials=materials,
        only_keys=frozenset(only),
    )
    return {spec.key: spec for spec in PORTRAITS.plan(blueprint)}, stored


def pairs_of(specs: Mapping[str, TaskSpec]) -> list[tuple[str, str]]:
    return [(spec.params["style"], spec.params["role"]) for spec in specs.values()]


def test_styles_and_roles_alternate_and_every_pair_comes_once() -> None:
    specs, _ = plan("bride", "groom", styles=STYLES[:2], totalImages=5)

    assert list(specs) == ["img_01", "img_02", "img_03", "img_04", "img_05"]
    assert pairs_of(specs) == [
        ("CLASSIC", "bride"),
        ("MODERN", "groom"),
        ("CLASSIC", "groom"),
        ("MODERN", "bride"),
        ("CLASSIC", "bride"),
    ]


def test_as_many_images_as_styles_show_every_style() -> None:
    specs, _ = plan("bride", "groom", styles=STYLES, totalImages=5)

    assert pairs_of(specs) == [
        ("CLASSIC", "bride"),
        ("MODERN", "groom"),
        ("VINTAGE", "bride"),
        ("ROMANTIC", "groom"),
        ("CINEMATIC", "bride"),
    ]


def test_a_task_uses_the_photo_of_its_role_and_needs_no_other_task() -> None:
    specs, _ = plan("bride", "groom", styles=["VINTAGE"], totalImages=2)

    assert {spec.params["role"]: spec.materials for spec in specs.values()} == {
        "bride": (PHOTOS[0],),
        "groom": (PHOTOS[1],),
    }
    assert all(spec.kind == "portrait" and spec.needs == () for spec in specs.values())


def test_without_roles_each_photos_role_is_drawn_once_in_their_order() -> None:
    specs, _ = plan("groom", "bride", "groom", totalImages=3)

    assert pairs_of(specs) == [("CLASSIC", "groom"), ("CLASSIC", "bride"), ("CLASSIC", "groom")]
    assert [spec.materials for spec in specs.values()] == [
        (PHOTOS[0],),
        (PHOTOS[1],),
        (PHOTOS[0],),
    ]


def test_requested_roles_keep_their_order() -> None:
    specs, _ = plan("groom", "bride", "guest", roles=["bride", "groom"], totalImages=2)

    assert [role for _, role in pairs_of(specs)] == ["bride", "groom"]
    assert [spec.materials for spec in specs.values()] == [(PHOTOS[1],), (PHOTOS[0],)]


def test_the_prompt_is_the_styles_with_the_role_in_it() -> None:
    bride, _ = plan("bride", styles=["ROMANTIC"])
    best_man, _ = plan("best_man", styles=["ROMANTIC"])
    noir, _ = plan("bride", styles=["CINEMATIC"])

    texts = [specs["img_01"].params["prompt"] for specs in (bride, best_man, noir)]

    assert "the bride" in texts[0] and "the best man" in texts[1]
    assert len(set(texts)) == 3
    assert all("{" not in text and "_" not in text for text in texts)


def test_a_task_has_a_shape_and_a_model() -> None:
    plain, _ = plan("self")
    chosen, _ = plan("self", modelId="some/model")

    assert plain["img_01"].params.keys() == {"style", "role", "prompt", "aspectRatio"}
    assert plain["img_01"].params["aspectRatio"] == "3:4"
    assert chosen["img_01"].params == {**plain["img_01"].params, "modelId": "some/model"}


def test_a_photo_withdrawn_after_the_job_was_queued_is_still_used() -> None:
    stored = PORTRAITS.validate(portraits())
    materials = (a_photo(is_active=False),)

    specs = PORTRAITS.plan(
        Blueprint(inputs=stored, template=None, language="en", materials=materials)
    )

    assert [spec.materials for spec in specs] == [(PHOTOS[0],)]


# Regenerating


def test_an_image_is_regenerated_alone_with_its_style_and_role() -> None:
    whole, stored = plan("bride", "groom", styles=STYLES[:3], totalImages=8)

    again = PORTRAITS.regenerate(stored, frozenset(), Target(name="image", key="img_07"))
    child, _ = plan("bride", "groom", styles=STYLES[:3], totalImages=8, only=again.keys)

    assert (again.keys, again.promised) == (("img_07",), ("img_07",))
    assert child == {"img_07": whole["img_07"]}


@pytest.mark.parametrize(
    "target",
    [
        Target(name="image"),
        Target(name="image", key=""),
        Target(name="image", key="img_00"),
        Target(name="image", key="img_4"),
        Target(name="image", key="img_04"),
        Target(name="image", key="clip_1"),
        Target(name="image", clip_no=1),
        Target(name="image", key="img_01", clip_no=1),
        Target(name="story_clip", clip_no=1),
        Target(name="rewrite_only"),
        Target(name="portrait", key="img_01"),
    ],
)
def test_only_an_image_of_the_job_can_be_regenerated(target: Target) -> None:
    with pytest.raises(InvalidInput) as refusal:
        PORTRAITS.regenerate(portraits(totalImages=3), frozenset(), target)

    assert refusal.value.error_code == "INVALID_TARGET"


# For any inputs

roles_of_photos = st.lists(st.sampled_from(["self", "bride", "groom"]), min_size=1, max_size=4)
some_styles = st.lists(st.sampled_from(STYLES), min_size=1, unique=True)


@st.composite
def any_job(draw: st.DrawFn) -> tuple[tuple[Material, ...], dict[str, Any]]:
    shown = draw(roles_of_photos)
    materials = photos_of(*shown)
    some_roles = st.lists(st.sampled_from(sorted(set(shown))), min_size=1, unique=True)
    inputs = portraits(
        referencePhotoIds=[material.id for material in materials],
        styles=draw(some_styles),
        roles=draw(st.none() | some_roles),
        totalImages=draw(st.integers(min_value=1, max_value=20)),
        seed=draw(st.none() | st.integers(min_value=0, max_value=2**32 - 1)),
        modelId=draw(st.none() | st.just("m")),
    )
    return materials, inputs


@given(any_job())
def test_any_job_is_planned_as_it_is_priced(
    job: tuple[tuple[Material, ...], dict[str, Any]],
) -> None:
    materials, inputs = job
    [stored] = PORTRAITS.split(PORTRAITS.validate(inputs))
    PORTRAITS.check(stored, materials)
    blueprint = Blueprint(inputs=stored, template=None, language="ko", materials=materials)

    specs = PORTRAITS.plan(blueprint)
    parts = PORTRAITS.price(stored, costs(), materials)

    keys = [spec.key for spec in specs]
    assert len(set(keys)) == len(keys) == stored["totalImages"]
    assert [key for part in parts for key in part.promised] == keys
    assert all(part.credits >= 0 for part in parts)
    roles = {material.id: material.role for material in materials}
    assert all(roles[spec.materials[0]] == spec.params["role"] for spec in specs)
    for spec in specs:
        again = PORTRAITS.regenerate(stored, frozenset(keys), Target(name="image", key=spec.key))
        child = replace(blueprint, only_keys=frozenset(again.keys))
        assert PORTRAITS.plan(child) == [spec]


@given(any_job())
def test_stored_inputs_are_accepted_unchanged(
    job: tuple[tuple[Material, ...], dict[str, Any]],
) -> None:
    stored = PORTRAITS.validate(job[1])

    assert PORTRAITS.split(stored) == [stored]
    assert PORTRAITS.validate(PORTRAITS.reopen(stored, {})) == stored
    assert PORTRAITS.patch(stored, {}) == stored


@given(
    some_styles,
    st.lists(st.sampled_from("abcd"), min_size=1, unique=True),
    st.integers(min_value=1, max_value=60),
)
def test_styles_roles_and_pairs_come_equally_often(
    some: list[str], roles: list[str], count: int
) -> None:
    pairs = walk(some, roles, count)

    assert len(pairs) == count
    for offered, met in (
        (list(product(some, roles)), pairs),
        (some, [style for style, _ in pairs]),
        (roles, [role for _, role in pairs]),
    ):
        counts = Counter(met)
        times = [counts[one] for one in offered]
        assert sum(times) == count
        assert max(times) - min(times) <= 1
    every = min(count, len(some) * len(roles))
    assert len(set(pairs[:every])) == every


# The catalog's styles


def test_every_style_has_labels_and_a_prompt_with_one_role_placeholder() -> None:
    assert list(styles()) == STYLES
    for style in styles().values():
        assert set(style) == {"label", "look", "prompt"}
        assert set(style["label"]) == {"en", "ko"}
        assert re.search("[가-힣]", style["label"]["ko"])
        assert style["prompt"].count("{role}") == 1
        assert style["prompt"].replace("{role}", "").count("{") == 0
        assert 20 <= len(style["prompt"].split()) <= 60


def test_every_role_with_a_label_has_words_of_its_own_in_prompts() -> None:
    subjects = catalog.read("styles.json")["subjects"]

    assert set(subjects) == set(catalog.read("recipes.json")["roles"])
