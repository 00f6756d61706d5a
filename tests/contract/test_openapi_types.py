"""The types of properties in the API's document: times, links, quantities, words and null."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from pydantic import BaseModel

from darkroom import views
from darkroom.api import schemas
from darkroom.api.openapi.document import full_openapi
from darkroom.api.schemas.base import RequestBody
from darkroom.credits import pricing
from darkroom.kernel.problems import SENTENCES
from darkroom.plans.model import LIMIT_NAMES, plan_names

Schema = dict[str, Any]
SIGNED = {("Transaction", "amount"), ("Transaction", "heldChange"), ("AdjustRequest", "amount")}
"""Changes, which may be negative."""
NULLABLE = {
    # Nothing follows; nothing stops the account.
    "nextCursor", "frozenReason",
    # Null removes what is there.
    "coverOutputId", "description", "folder", "group", "name", "avatarUrl",
    # The plan sets no limit.
    "limit", *LIMIT_NAMES,
    # There is nothing to divide by, and no proven leader.
    "leader", "meanLatencySec", "queued", "run", "succeeded",
}  # fmt: skip
OTHERS = {"bulk", "errors", "generations", "job_changes", "job_lists", "jobs", "words"}
"""Modules about jobs, whose inputs have rules of their own, and about errors."""


def properties() -> Iterator[tuple[str, str, Schema]]:
    for name, schema in full_openapi()["components"]["schemas"].items():
        for field, shape in schema.get("properties", {}).items():
            for option in shape.get("anyOf", [shape]):
                yield name, field, option


def own_models() -> dict[str, type[BaseModel]]:
    """The bodies that are declared in the other modules, by name."""
    modules = [
        import_module(f"{package.__name__}.{found.name}")
        for package in (schemas, views)
        for found in pkgutil.iter_modules(package.__path__)
        if found.name not in OTHERS
    ]
    return {
        name: model
        for module in modules
        for name, model in inspect.getmembers(module, inspect.isclass)
        if issubclass(model, BaseModel) and model.__module__ == module.__name__
    }


def own_properties() -> Iterator[tuple[str, str, Schema]]:
    own = own_models()
    return (found for found in properties() if found[0] in own)


def test_times_have_their_format() -> None:
    for name, field, shape in properties():
        if (field == "at" or field.endswith("At")) and shape != {"type": "null"}:
            assert shape.get("format") == "date-time", f"{name}.{field}"


def test_links_have_their_format() -> None:
    for name, field, shape in properties():
        if (field == "url" or field.endswith("Url")) and shape != {"type": "null"}:
            assert shape.get("format") == "uri", f"{name}.{field}"


def test_quantities_have_a_lowest_value() -> None:
    for name, field, shape in own_properties():
        if shape.get("type") == "integer" and (name, field) not in SIGNED:
            assert shape.get("minimum", -1) >= 0, f"{name}.{field}"


def test_null_is_offered_only_where_it_means_something() -> None:
    nullable = {field for _, field, shape in own_properties() if shape == {"type": "null"}}

    assert nullable <= NULLABLE


def test_a_body_with_several_forms_offers_each_with_what_it_requires() -> None:
    known = full_openapi()["components"]["schemas"]
    forms = {
        name: [known[form.__name__]["required"] for form in model.forms]
        for name, model in own_models().items()
        if issubclass(model, RequestBody) and model.forms
    }

    assert forms == {
        "OpenUploadRequest": [["filename", "sizeBytes", "mimeType"], ["files"]],
        "PurchaseRequest": [["pack"], ["amount"]],
    }
    for name in forms:
        assert "properties" not in known[name]


def test_every_cost_of_the_catalog_is_a_number_of_its_own() -> None:
    costs = full_openapi()["components"]["schemas"]["PricingResponse"]["properties"]["costs"]

    assert set(costs["properties"]) == set(costs["required"]) == set(pricing.costs())
    assert costs["additionalProperties"] is False


def test_every_problem_of_a_field_has_a_code_from_the_list() -> None:
    problem = full_openapi()["components"]["schemas"]["FieldProblem"]

    assert set(problem["required"]) == {"path", "code", "message"}
    assert set(problem["properties"]["code"]["enum"]) == set(SENTENCES)


def test_errors_name_packs_and_plans_by_the_words_of_the_catalog() -> None:
    known = full_openapi()["components"]["schemas"]

    assert known["Suggestion"]["properties"]["pack"]["$ref"].endswith("/PackName")
    assert known["PlanLimitError"]["properties"]["plan"]["$ref"].endswith("/PlanName")
    assert known["PackName"]["enum"] == pricing.pack_names()
    assert known["PlanName"]["enum"] == list(plan_names())
