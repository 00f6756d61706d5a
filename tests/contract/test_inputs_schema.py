"""The schemas of inputs in the API's document agree with the recipes, which validate inputs.

What a schema refuses, the recipe refuses. What only the recipe refuses are rules over several
fields and the content of texts, which JSON Schema cannot express.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache, partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from darkroom.api.openapi.document import full_openapi
from darkroom.api.openapi.inputs import RecipeSchemas
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.ids import derived_id
from darkroom.recipes import REGISTRY

FILE, OTHER_FILE = derived_id("ast", "1"), derived_id("ast", "2")
PHOTO, ALBUM = derived_id("ref", "1"), derived_id("alb", "1")
REWRITE = {"rawText": "They met again.", "distanceMode": "far", "desiredEnding": "open"}
SCENES = {"photoAssetIds": [FILE, OTHER_FILE], "stage": "spark", "genre": "noir"}
WITH_SLIDERS = {**SCENES, "sliders": {"intensity": 0, "pace": 100}, "seed": 7}
WITH_REWRITE = {**WITH_SLIDERS, "rewriteEnabled": True, "rewrite": REWRITE}
TRANSLATED = {"translate": True, "targetLangs": ["ko", "es"], "outputFormats": ["srt", "vtt"]}
PORTRAITS = {"mode": "batch", "referencePhotoIds": [PHOTO], "styles": ["CLASSIC"], "totalImages": 3}
ACCEPTED: dict[str, list[dict[str, Any]]] = {
    "quick": [SCENES, WITH_SLIDERS | {"rewriteEnabled": False, "rewrite": None}],
    "story": [SCENES, WITH_REWRITE | {"testFaults": {"clip_1": "hang"}}],
    "trailer": [WITH_SLIDERS, WITH_REWRITE],
    "portraits": [
        PORTRAITS,
        PORTRAITS | {"mode": "single", "totalImages": 1, "albumId": ALBUM},
        PORTRAITS | {"roles": ["self", "best-man"], "modelId": "flux-1.1-pro", "seed": None},
    ],
    "captions": [
        {"assetIds": [FILE]},
        {"assetIds": [FILE], "options": TRANSLATED | {"sourceLang": "en"}},
        {"assetIds": [FILE], "options": {"translate": True, "targetLang": "fr"}},
    ],
    "images": [
        {"prompt": "A lighthouse", "count": 2},
        {"prompt": "A pier", "count": 20, "style": "CLASSIC", "aspectRatio": "9:16", "seed": 0},
    ],
}
"""For every recipe, inputs that have every field."""
VALUES: list[Any] = [
    None, True, False, 0, 1, 50, 100, 101, -1, 1.5, 2**32 - 1, 2**32, "", " ", "x", "a" * 2000,
    "a" * 2001, "spark", "apart", "noir", "far", "open", "srt", "json", "en", "auto", "ko",
    "klingon",
    "CLASSIC", "classic", "single", "batch", "1:1", "2:1", "hang", FILE, PHOTO, ALBUM, FILE.lower(),
    f"{FILE} ", [], [FILE], [FILE, FILE], [FILE] * 101, [PHOTO], ["srt", "srt"], ["en"], ["self"],
    ["Self"], [1], {}, {"clip_1": "hang"}, {"clip_9": "hang"}, {"clip_1": "late"}, REWRITE,
    {"rawText": ""}, {"intensity": 101}, {"intensity": None}, {"translate": True}, {"odd": 1},
]  # fmt: skip
BEYOND_SCHEMAS = {
    "NEEDS", "NOT_WITH", "NO_TEXT", "ONLY_ONE", "REQUIRED_WITH", "SAME_AS_SOURCE", "UNKNOWN_TASK",
}  # fmt: skip
"""Codes of rules over several fields, and of the content of texts."""
PARTLY_KNOWN = BEYOND_SCHEMAS | {"REQUIRED"}
"""For a patch: what it adds to may lack a field."""


@cache
def validator(recipe: str, form: str) -> Draft202012Validator:
    schemas: dict[str, Any] = {}
    name = getattr(RecipeSchemas(REGISTRY[recipe], schemas), form)()
    document = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def names_below(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from names_below(each)


def containers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from containers(each)


@st.composite
def altered(draw: st.DrawFn, recipe: str, base: dict[str, Any] | None = None) -> dict[str, Any]:
    """Inputs that the recipe accepts, with up to three changes anywhere."""
    found: dict[str, Any] = deepcopy(
        draw(st.sampled_from(ACCEPTED[recipe])) if base is None else base
    )
    names = sorted({name for each in ACCEPTED[recipe] for name in names_below(each)})
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(list(containers(found))))
        value = deepcopy(draw(st.sampled_from(VALUES)))
        if isinstance(place, list):
            place.append(value)
        elif place and draw(st.booleans()):
            del place[draw(st.sampled_from(sorted(place)))]
        else:
            place[draw(st.sampled_from(names))] = value
    return found


def outcome(call: Callable[[], dict[str, Any]]) -> dict[str, Any] | set[str]:
    """The stored inputs, or the codes of the refusal."""
    try:
        return call()
    except InvalidInput as error:
        fields = error.facts.get("fields", [])
        return {found["code"] for found in fields} or {error.error_code}


def without_nulls(patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    return {name: without_nulls(each) for name, each in patch.items() if each is not None}


def test_every_recipe_has_accepted_inputs_with_every_field() -> None:
    assert set(ACCEPTED) == set(REGISTRY)
    for name, recipe in REGISTRY.items():
        known = {field for inputs in ACCEPTED[name] for field in inputs}
        fields = {field.alias for field in recipe.inputs_model.model_fields.values()}
        assert fields - known <= {"testFaults", "rewrite", "rewriteEnabled", "seed", "modelId"}
        for inputs in ACCEPTED[name]:
            stored = recipe.validate(inputs)
            assert list(validator(name, "sent").iter_errors(inputs)) == []
            assert list(validator(name, "stored").iter_errors(stored)) == []


@pytest.mark.parametrize("name", sorted(ACCEPTED))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_schema_accepts_what_the_recipe_accepts(name: str, data: st.DataObject) -> None:
    inputs = data.draw(altered(name))
    is_in_schema = validator(name, "sent").is_valid(inputs)

    stored = outcome(lambda: REGISTRY[name].validate(inputs))

    if isinstance(stored, set):
        assert not is_in_schema or stored <= BEYOND_SCHEMAS, inputs
    else:
        assert is_in_schema, inputs
        assert list(validator(name, "stored").iter_errors(stored)) == []


@pytest.mark.parametrize("name", sorted(ACCEPTED))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_schema_of_a_patch_accepts_what_the_recipe_accepts(
    name: str, data: st.DataObject
) -> None:
    recipe, schema = REGISTRY[name], validator(name, "patch")
    before = recipe.validate(data.draw(st.sampled_from(ACCEPTED[name])))
    patch = data.draw(altered(name, base={}))

    stored = outcome(lambda: recipe.patch(before, patch))

    if isinstance(stored, set):
        assert not schema.is_valid(patch) or stored <= PARTLY_KNOWN, patch
    else:
        # Null for a field that inputs cannot have changes nothing.
        assert schema.is_valid(patch) or schema.is_valid(without_nulls(patch)), patch
        assert list(validator(name, "stored").iter_errors(stored)) == []


@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_null_removes_a_field_that_need_not_be_there(name: str) -> None:
    recipe, schema = REGISTRY[name], validator(name, "patch")
    before = recipe.validate(ACCEPTED[name][0])

    for field in recipe.inputs_model.model_fields.values():
        patch = {str(field.alias): None}
        is_removed = isinstance(outcome(partial(recipe.patch, before, patch)), dict)
        assert schema.is_valid(patch) == is_removed, patch


# Bodies of requests


def is_declared(body: dict[str, Any], name: str) -> bool:
    reference = {"$ref": f"#/components/schemas/{name}"}
    components = full_openapi()["components"]
    return Draft202012Validator({**reference, "components": components}).is_valid(body)


@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_the_recipe_of_a_request_decides_its_inputs(name: str) -> None:
    for inputs in ACCEPTED[name]:
        create = {"recipe": name, "status": "queued", "inputs": inputs, "priority": 1}
        assert is_declared(create, "CreateJobsRequest")
        assert is_declared({"recipe": name, "inputs": inputs}, "QuoteRequest")
        assert not is_declared(create | {"odd": 1}, "CreateJobsRequest")
        assert not is_declared(create | {"inputs": {**inputs, "odd": 1}}, "CreateJobsRequest")
    others = [each for other, found in ACCEPTED.items() for each in found if other != name]
    assert not all(is_declared({"recipe": name, "inputs": each}, "QuoteRequest") for each in others)


def test_a_quote_is_of_a_draft_or_of_inputs() -> None:
    inputs = {"recipe": "quick", "inputs": SCENES}

    assert is_declared({"draftJobId": "job_1", "deviceId": "d"}, "QuoteRequest")
    assert is_declared({"draftJobId": None, **inputs}, "QuoteRequest")
    for wrong in ({}, {"recipe": "quick"}, {"inputs": SCENES}, {"draftJobId": "job_1", **inputs}):
        assert not is_declared(wrong, "QuoteRequest"), wrong


def test_a_patch_may_have_its_inputs_at_the_top_level() -> None:
    assert is_declared({"inputs": {"sliders": {"pace": None}}, "priority": 2}, "PatchJobRequest")
    assert is_declared({"stage": "apart", "rewrite": None}, "PatchJobRequest")
    for wrong in ({"stage": None}, {"odd": 1}, {"inputs": {"odd": 1}}, {"recipe": "story"}):
        assert not is_declared(wrong, "PatchJobRequest"), wrong


@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_a_retry_may_change_what_its_schema_has(name: str) -> None:
    recipe = REGISTRY[name]
    schemas: dict[str, Any] = {}
    fields = schemas[RecipeSchemas(recipe, schemas).retry_options()]["properties"]

    assert {changed for field in fields for changed in recipe.patch_of({field: 1})} == (
        recipe.changeable
    )
