"""Clients may keep the catalog, and ask whether it has changed."""

from __future__ import annotations

import pytest

from tests.support.world import World

PATHS = ("/api/plans", "/api/pricing", "/api/recipes", "/api/templates?mode=story")


@pytest.mark.parametrize("path", PATHS)
def test_the_catalog_may_be_kept_for_five_minutes(world: World, path: str) -> None:
    first = world.call("GET", path, user=None)
    again = world.call("GET", path, user=None)
    tag = {"if-none-match": first.headers["etag"]}
    unchanged = world.call("GET", path, user=None, headers=tag)

    assert first.headers["cache-control"] == "public, max-age=300"
    assert (again.status, again.headers["etag"]) == (200, first.headers["etag"])
    assert (unchanged.status, unchanged.body) == (304, "")
    assert unchanged.headers["etag"] == first.headers["etag"]


def test_another_filter_is_another_response(world: World) -> None:
    story = world.call("GET", "/api/templates?mode=story", user=None)
    tag = {"if-none-match": story.headers["etag"]}

    other = world.call("GET", "/api/templates?mode=quick", user=None, headers=tag)

    assert other.status == 200
    assert {item["mode"] for item in other.body["items"]} == {"quick"}
