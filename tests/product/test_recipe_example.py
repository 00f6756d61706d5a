"""The documented example of a new recipe, registered as in docs/recipes.md and run to its end.

It adds to the registry and the catalog only: one file, one line, prices, templates.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from darkroom.api.openapi.document import full_openapi
from darkroom.api.openapi.inputs import RecipeSchemas
from darkroom.generation.ports import GenerationRequest, PermanentProviderError, SourceFile
from darkroom.kernel import catalog
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import PROJECTION_CHECK_SECONDS
from darkroom.recipes import REGISTRY
from darkroom.recipes.base import Blueprint, Material, Recipe
from darkroom.studio.local_studio import LocalStudio
from darkroom.templates.choice import templates_of
from tests.support.builders import (
    ASSET_ID,
    a_balance,
    a_job,
    a_user,
    confirm,
    refuse_key,
    statuses,
)
from tests.support.laws import check_laws
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "postcard"
PORTRAIT = ROOT / "local" / "demo" / "portrait.jpg"
INPUTS = {"photoAssetIds": [ASSET_ID], "stage": "spark", "genre": "romance"}


def load_example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("postcard_recipe", EXAMPLE / "recipe.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # where pydantic resolves annotations
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def postcard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recipe]:
    """The four parts of a new recipe: its module, its line, its prices, its templates."""
    root = tmp_path_factory.mktemp("catalog")
    shutil.copytree(ROOT / "catalog", root, dirs_exist_ok=True)
    shutil.copytree(EXAMPLE / "templates", root / "templates" / "postcard")
    prices = root / "prices.json"
    added = json.loads((EXAMPLE / "prices.json").read_text(encoding="utf-8"))
    prices.write_text(json.dumps(json.loads(prices.read_text(encoding="utf-8")) | added))

    full_openapi()  # The document that responses are compared with has the real recipes.
    recipe: Recipe = load_example().POSTCARD
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(REGISTRY, recipe.name, recipe)
        patch.setattr(catalog, "_ROOT", root)
        catalog.read.cache_clear()
        yield recipe
    catalog.read.cache_clear()


@pytest.fixture(scope="module")
def world(postcard: Recipe) -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


def send(world: World, user: str, **changes: Any) -> Response:
    return confirm(world, user, mode="postcard", **changes)


def make_again(world: World, user: str, job_id: str, **body: Any) -> Response:
    path = f"/api/jobs/{job_id}/regenerate"
    return world.call("POST", path, body, user=user, key=body["target"])


# The document


@pytest.mark.parametrize("name", ["recipe.py", "prices.json"])
def test_the_document_contains_the_example_unchanged(name: str) -> None:
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")

    shown = re.search(rf"<!-- docs/examples/postcard/{name} -->\n```\w+\n(.*?)```", text, re.DOTALL)

    assert shown is not None
    assert shown[1] == (EXAMPLE / name).read_text(encoding="utf-8")


def test_the_document_names_every_recipe_and_every_method() -> None:
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    methods = {name for name in vars(Recipe) if not name.startswith("_") and name != "changeable"}

    assert all(f"| `{name}` |" in text for name in set(REGISTRY) - {"postcard"})
    assert all(f"`{name}`" in text for name in methods)


# The pure part


def test_stored_inputs_are_accepted_again_unchanged(postcard: Recipe) -> None:
    stored = postcard.validate(INPUTS | {"seed": 7, "testFaults": {"card": "hang"}})

    assert postcard.validate(postcard.reopen(stored, {})) == stored
    assert postcard.split(stored) == [stored]
    for wrong in ({"x": 1}, {"stage": "dusk"}, {"testFaults": {"kf_1": "hang"}}):
        with pytest.raises(InvalidInput):
            postcard.validate(INPUTS | wrong)


def test_a_card_is_planned_from_a_picture(postcard: Recipe) -> None:
    video = Material(id=ASSET_ID, kind="video", storage_key="video", mime_type="video/mp4")

    with pytest.raises(InvalidInput) as refusal:
        postcard.check(INPUTS, [video])

    assert refusal.value.facts["fields"][0]["path"] == "photoAssetIds.0"


def test_the_studio_makes_the_card_that_was_planned(postcard: Recipe, tmp_path: Path) -> None:
    photo = Material(id=ASSET_ID, kind="image", storage_key="photo", mime_type="image/jpeg")
    template = templates_of("postcard", "spark", "romance")[0]
    blueprint = Blueprint(inputs=INPUTS, template=template, language="en", materials=(photo,))

    [spec] = postcard.plan(blueprint)
    request = GenerationRequest(
        job_id="job",
        key=spec.key,
        kind=spec.kind,
        attempt=1,
        seed=7,
        language="en",
        params=spec.params,
        sources=(SourceFile(key="photo_1", mime_type="image/jpeg", path=PORTRAIT),),
        workdir=tmp_path,
    )
    [card] = LocalStudio().generate(request)

    with Image.open(card.path) as picture:
        assert picture.size == (card.width, card.height) == (720, 1280)


def test_the_document_has_the_inputs_of_the_card(postcard: Recipe) -> None:
    schemas: dict[str, Any] = {}

    request, stored = RecipeSchemas(postcard, schemas).request(), schemas

    assert request == "PostcardRequest"
    assert set(stored["PostcardInputs"]["properties"]) == {*INPUTS, "seed", "testFaults"}


# From the request to the receipt


def test_a_confirmed_card_is_made_and_paid_for(world: World, user: str) -> None:
    response = send(world, user)
    assert (response.status, a_balance(world, user)) == (202, (2, 3))

    world.drain()

    job = a_job(world, response.body["jobId"], user)
    assert (job["recipe"], job["status"], statuses(job)) == (
        "postcard",
        "succeeded",
        {"card": "succeeded"},
    )
    assert job["templateId"].startswith("postcard-spark-romance-")
    assert [output["key"] for output in job["outputs"]] == ["card"]
    assert (job["receipt"]["used"], job["receipt"]["refunded"]) == (3, 0)
    assert a_balance(world, user) == (2, 0)
    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)
    assert check_laws(world) == []


def test_a_failed_card_is_refunded(world: World, user: str) -> None:
    refuse_key(world, "card", PermanentProviderError("no"))
    response = send(world, user)

    world.drain()
    world.studio.refuse = lambda request: None

    job = a_job(world, response.body["jobId"], user)
    assert (job["status"], job["receipt"]["refunded"]) == ("failed", 3)
    assert a_balance(world, user) == (5, 0)


def test_a_card_is_made_again_as_a_child(world: World, user: str) -> None:
    job_id = send(world, user).body["jobId"]
    world.drain()

    child = make_again(world, user, job_id, target="image", key="card")
    refused = make_again(world, user, job_id, target="story_clip", clipNo=1)
    world.drain()

    job = a_job(world, child.body["retryJobId"], user)
    assert (job["status"], job["parentJobId"], job["receipt"]["used"]) == ("succeeded", job_id, 1)
    assert (refused.status, refused.body["code"]) == (400, "INVALID_TARGET")


def test_refused_inputs_hold_no_credits(world: World, user: str) -> None:
    bad_field = send(world, user, stage="dusk")
    no_template = send(world, user, genre="noir")

    assert [response.status for response in (bad_field, no_template)] == [400, 400]
    assert bad_field.body["fields"][0]["path"].endswith("stage")
    assert no_template.body["code"] == "NO_TEMPLATES"
    assert a_balance(world, user) == (5, 0)
