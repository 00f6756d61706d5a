"""Types every place of the document that holds the inputs of jobs, for all registered recipes.

The bodies themselves say ``dict``: only the recipe of a request knows its inputs. Nothing here
knows the name of a recipe.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from darkroom.api.openapi.inputs import SENT, RecipeSchemas
from darkroom.api.openapi.properties import (
    NULL,
    OWN_TEXTS,
    Schema,
    non_null,
    options_of,
    reference,
    without,
)
from darkroom.recipes import REGISTRY

_JOBS = ("JobSummary", "JobResponse", "CreatedJob")
_BY_RECIPE = ("recipe", "inputs")


def type_inputs(document: Schema) -> None:
    schemas = document["components"]["schemas"]
    recipes = {name: RecipeSchemas(recipe, schemas) for name, recipe in REGISTRY.items()}
    for name in _JOBS:
        schemas[name] |= _by_recipe(
            schemas[name], {key: recipe.job() for key, recipe in recipes.items()}
        )
    requests = {key: recipe.request() for key, recipe in recipes.items()}
    schemas["CreateJobsRequest"] |= _by_recipe(schemas["CreateJobsRequest"], requests)
    _type_quote(schemas, requests)
    _type_confirm(schemas, recipes.values())
    _type_patches(schemas, recipes.values())


def _by_recipe(schema: Schema, branches: dict[str, str]) -> Schema:
    """The schema's keywords, with a branch for each recipe instead of its properties about it."""
    properties = without(schema["properties"], *_BY_RECIPE)
    required = [name for name in schema.get("required", ()) if name not in _BY_RECIPE]
    references = {key: reference(branch) for key, branch in branches.items()}
    mapping = {key: branch["$ref"] for key, branch in references.items()}
    changed: Schema = {
        "properties": properties,
        "required": required,
        "oneOf": list(references.values()),
        "discriminator": {"propertyName": "recipe", "mapping": mapping},
    }
    if schema.pop("additionalProperties", None) is False:
        changed["unevaluatedProperties"] = False
    return changed


def _type_quote(schemas: Schema, requests: dict[str, str]) -> None:
    """Either a draft, or a recipe with its inputs."""
    body = schemas["QuoteRequest"]
    nothing = {"type": "null", "description": "Not with the other way to say what is quoted."}
    draft_id = non_null(body["properties"]["draftJobId"])
    of_draft = {"draftJobId": draft_id, "recipe": nothing, "inputs": dict(nothing)}
    schemas["QuoteOfDraft"] = {
        "type": "object",
        "description": "What a draft costs.",
        "properties": of_draft,
        "required": ["draftJobId"],
    }
    of_inputs = {"type": "object", "properties": {"draftJobId": dict(nothing)}}
    schemas["QuoteOfInputs"] = {
        **of_inputs,
        **_by_recipe(of_inputs, requests),
        "description": "What a recipe with these inputs costs.",
    }
    body["properties"] = without(body["properties"], *of_draft)
    body["oneOf"] = [reference("QuoteOfDraft"), reference("QuoteOfInputs")]
    body["unevaluatedProperties"] = body.pop("additionalProperties")


def _type_confirm(schemas: Schema, recipes: Iterable[RecipeSchemas]) -> None:
    """The inputs of films, which stand beside the other fields."""
    body = schemas["ConfirmRequest"]
    body["properties"] |= _merged(each.all_fields(SENT) for each in recipes if each.recipe.is_mode)


def _type_patches(schemas: Schema, recipes: Iterable[RecipeSchemas]) -> None:
    patches = [each.patch() for each in recipes]
    body = schemas["PatchJobRequest"]
    _set_options(body["properties"]["inputs"], patches)
    body["properties"] = {
        **_merged(schemas[name]["properties"] for name in patches),
        **body["properties"],
    }
    body["additionalProperties"] = False
    partial = schemas["BulkOptionsRequest"]["properties"]["optionsPartial"]
    _set_options(partial, [each.options_patch() for each in recipes])
    changes = [each.retry_options() for each in recipes]
    for name in ("RetryRequest", "BulkRetryRequest"):
        _set_options(schemas[name]["properties"]["options"], changes)


def _set_options(shape: Schema, names: Iterable[str]) -> None:
    """Any of these schemas instead of an untyped object; null stays."""
    nothing = [NULL] if NULL in options_of(shape) else []
    for keyword in ("type", "additionalProperties"):
        shape.pop(keyword, None)
    shape["anyOf"] = [*map(reference, dict.fromkeys(names)), *nothing]


def _merged(many: Iterable[Schema]) -> Schema:
    """The properties of all of them; one of different shapes may have any of these."""
    merged: Schema = {}
    for properties in many:
        for name, shape in properties.items():
            merged[name] = _either(merged[name], shape) if name in merged else shape
    return deepcopy(merged)


def _either(one: Schema, other: Schema) -> Schema:
    own = without(one, *OWN_TEXTS), without(other, *OWN_TEXTS)
    if own[0] == own[1]:
        return one
    options: list[Any] = []
    for shape in own:
        options += [option for option in options_of(shape) if option not in options]
    texts = {name: other[name] for name in OWN_TEXTS if name in other}
    return {"anyOf": options, **texts}
