"""Stored words that are on no list any more: responses keep to the lists, and never fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.plans.model import FREE
from darkroom.uploads.failures import UploadFailure, message_of
from tests.support.builders import a_photo, a_user
from tests.support.moto_world import moto_world
from tests.support.world import World

OLD = "of-an-earlier-version"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user(world: World) -> str:
    return a_user()


def store(world: World, table: str, key: dict[str, str], **words: str) -> None:
    """Give the stored item these words."""
    names = {f"#{number}": name for number, name in enumerate(words)}
    world.client("dynamodb").update_item(
        TableName=world.settings.tables[table],
        Key={name: {"S": value} for name, value in key.items()},
        UpdateExpression="SET " + ", ".join(f"{short} = :{short[1:]}" for short in names),
        ExpressionAttributeNames=names,
        ExpressionAttributeValues={
            f":{number}": {"S": word} for number, word in enumerate(words.values())
        },
    )


def read(world: World, path: str, user: str, **options: Any) -> Any:
    response = world.call("GET", path, user=user, **options)
    assert response.status == 200, response.body
    return response.body


def test_a_file_has_no_note_that_is_not_known(world: World, user: str) -> None:
    asset_id = a_photo(world, user)
    store(world, "assets", {"accountId": user, "assetId": asset_id}, note=OLD)

    assert "note" not in read(world, f"/api/assets/{asset_id}", user)


def test_a_failure_that_is_not_known_counts_as_a_damaged_file(world: World, user: str) -> None:
    asset_id = a_photo(world, user)
    key = {"accountId": user, "assetId": asset_id}
    store(world, "assets", key, status="failed", errorCode=OLD, errorMessage="In English")
    korean = {"accept-language": "ko"}

    asset = read(world, f"/api/assets/{asset_id}", user)
    translated = read(world, f"/api/assets/{asset_id}", user, headers=korean)

    assert asset["errorCode"] == "CORRUPT_FILE"
    assert translated["errorMessage"] == message_of(UploadFailure.CORRUPT_FILE, "ko")


def test_a_purchase_shows_a_pack_that_is_no_longer_sold(world: World, user: str) -> None:
    body = {"pack": "Starter"}
    bought = world.call("POST", "/api/credits/purchase", body, user=user, key="k").body
    key = {"accountId": user, "purchaseId": bought["purchaseId"]}
    store(world, "purchases", key, pack=OLD)

    [purchase] = read(world, "/api/purchases", user)["items"]
    [known] = read(world, f"/api/admin/purchases?account={user}", user, groups="admin")["items"]

    assert (purchase["pack"], known["pack"]) == (OLD, OLD)


def test_an_account_whose_plan_has_gone_is_on_the_free_one(world: World, user: str) -> None:
    read(world, "/api/credits", user)
    path = f"/api/admin/accounts/{user}"
    world.call("PATCH", path, {"plan": "basic"}, user=user, groups="admin")
    store(world, "accounts", {"accountId": user}, plan=OLD)

    assert read(world, path, user, groups="admin")["plan"] == FREE
