"""``/docs`` and ``/openapi.json``: one page and one script of this origin, and the document."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from darkroom.api.openapi import explorer
from tests.support.moto_world import moto_world
from tests.support.world import EXPLORER, World

SCRIPT = f"/docs?script={explorer.SCRIPT}"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def policy_of(world: World) -> dict[str, list[str]]:
    text = world.call("GET", "/docs", user=None).headers["content-security-policy"]
    return {name: values for name, *values in (part.split() for part in text.split(";"))}


def test_the_page_may_load_from_its_own_origin_only(world: World) -> None:
    policy = policy_of(world)
    sources = {source for values in policy.values() for source in values}

    assert policy["default-src"] == ["'none'"]
    assert policy["connect-src"] == ["'self'"]
    assert not [source for source in sources if "://" in source or "*" in source]
    assert "'unsafe-inline'" not in policy["script-src"]
    assert "'unsafe-eval'" not in policy["script-src"]


def test_the_page_s_own_script_is_the_one_that_its_policy_allows(world: World) -> None:
    page = world.call("GET", "/docs", user=None).body
    [inline] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)

    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()

    assert f"'sha256-{digest}'" in policy_of(world)["script-src"]
    assert re.findall(r'src="([^"]*)"', page) == [SCRIPT]


def test_the_script_is_sent_compressed_to_those_who_take_that(world: World) -> None:
    file = EXPLORER / f"{explorer.SCRIPT}.gz"

    plain = world.raw("GET", SCRIPT, b"", {}, user=None)
    packed = world.raw("GET", SCRIPT, b"", {"accept-encoding": "br, gzip"}, user=None)

    assert packed["headers"]["content-encoding"] == "gzip"
    assert base64.b64decode(packed["body"]) == file.read_bytes()
    assert "content-encoding" not in plain["headers"]
    assert plain["body"].encode() == gzip.decompress(file.read_bytes())
    assert "immutable" in plain["headers"]["cache-control"]


def test_there_is_no_other_script(world: World) -> None:
    for name in ("../handler.py", "rapidoc.js", ""):
        assert world.call("GET", f"/docs?script={name}", user=None).status == 404


@pytest.mark.parametrize("has_hooks", [False, True])
def test_test_hooks_are_documented_where_they_exist(world: World, has_hooks: bool) -> None:
    settings = replace(world.app.settings, test_hooks=has_hooks)
    app, world.app = world.app, replace(world.app, settings=settings)
    try:
        document = world.call("GET", "/openapi.json", user=None).body
    finally:
        world.app = app

    assert ("/api/admin/sweep" in document["paths"]) == has_hooks
