"""Invalid ids, cursors and filters never cause an internal error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.moto_world import moto_world
from tests.support.tables import TEMPLATE
from tests.support.world import World

KNOWN_FORM = "job_01KE6P4YM0DW25PDBDE1K4KS00"
ODD = (
    "",
    "x" * 3000,
    "\ud800",
    "\x00",
    "a\nb",
    "../..",
    "job_",
    KNOWN_FORM + "\n",
    "é",
    KNOWN_FORM,
)
IN_PATHS = tuple(quote(odd, safe="", errors="surrogatepass") for odd in ODD if odd)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def operations() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Method, path and description of every route."""
    # As committed: making the document takes a second in every process that collects this file.
    document = json.loads((TEMPLATE.parent / "docs/openapi.json").read_text(encoding="utf-8"))
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            yield method.upper(), path, described


ROUTES = list(operations())
WITH_IDS = [(method, path) for method, path, _ in ROUTES if "{" in path]
WITH_FILTERS = [
    (path, parameter["name"])
    for method, path, described in ROUTES
    for parameter in described.get("parameters", ())
    if method == "GET" and parameter.get("in") == "query"
]


def filled(path: str, odd: str) -> str:
    parts = [odd if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts)


def failures(world: World, calls: list[tuple[str, str, Any]]) -> list[tuple[str, str, Any]]:
    return [
        (method, path, body)
        for method, path, body in calls
        if world.call(method, path, body, key="k", groups="admin").status >= 500
    ]


def test_an_invalid_id_in_a_path_causes_no_internal_error(world: World) -> None:
    calls: list[tuple[str, str, Any]] = [
        (method, filled(path, odd), None if method == "GET" else {})
        for method, path in WITH_IDS
        for odd in IN_PATHS
    ]

    assert len(calls) > 200
    assert failures(world, calls) == []


def test_an_invalid_cursor_or_filter_causes_no_internal_error(world: World) -> None:
    calls = [
        ("GET", f"{filled(path, KNOWN_FORM)}?{name}={odd}", None)
        for path, name in WITH_FILTERS
        for odd in ("", *IN_PATHS)
    ]

    assert len(calls) > 200
    assert failures(world, calls) == []


SCENE = {"stage": "spark", "genre": "romance"}
BODIES: list[tuple[str, str, Any]] = [
    (method, path, body)
    for odd in ODD
    for method, path, body in (
        ("PATCH", "/api/jobs/bulk", {"jobIds": [odd], "optionsPartial": {}}),
        ("POST", "/api/jobs/bulk/run", {"jobIds": [odd]}),
        ("POST", "/api/jobs/bulk/cancel", {"jobIds": [odd]}),
        ("POST", "/api/jobs/bulk/retry", {"jobIds": [odd]}),
        ("POST", "/api/jobs/bulk/download", {"jobIds": [odd]}),
        ("POST", "/api/assets/bulk/delete", {"assetIds": [odd]}),
        ("POST", "/api/admin/dead-letters/redrive", {"ids": [odd]}),
        ("POST", "/api/jobs/confirm", {"draftJobId": odd}),
        ("POST", "/api/jobs/confirm", {"mode": "story", "photoAssetIds": [odd], **SCENE}),
        ("POST", "/api/jobs/confirm", {"mode": odd, "photoAssetIds": [KNOWN_FORM], **SCENE}),
        ("POST", "/api/jobs/quote", {"draftJobId": odd}),
        ("POST", "/api/jobs", {"recipe": "story", "inputs": {"photoAssetIds": [odd], **SCENE}}),
        ("POST", "/api/jobs", {"recipe": "captions", "inputs": {"assetIds": [odd]}}),
        ("POST", "/api/jobs", {"recipe": odd, "inputs": {odd: odd}}),
        (
            "POST",
            "/api/jobs",
            {
                "recipe": "portraits",
                "inputs": {
                    "mode": "single",
                    "referencePhotoIds": [odd],
                    "styles": [odd],
                    "totalImages": 1,
                    "albumId": odd,
                },
            },
        ),
        ("POST", f"/api/jobs/{KNOWN_FORM}/regenerate", {"target": "image", "key": odd}),
        ("POST", "/api/outputs/out_1/select", {"jobId": odd}),
        ("POST", "/api/uploads/complete", {"assetId": odd}),
        (
            "POST",
            "/api/uploads/session",
            {"filename": odd, "sizeBytes": 3, "mimeType": "image/jpeg"},
        ),
        ("POST", "/api/albums", {"name": odd}),
        ("POST", "/api/reference-photos", {"assetId": odd, "role": odd}),
        ("POST", "/api/credits/purchase", {"pack": odd}),
        ("POST", "/api/generate-image", {"prompt": odd}),
        (
            "POST",
            "/api/admin/accounts/unknown/credits",
            {"amount": 1, "reason": odd, "expiresAt": odd},
        ),
        ("POST", odd and "/api/jobs/bulk/run", {odd: odd}),
    )
]


def test_an_invalid_value_in_a_body_causes_no_internal_error(world: World) -> None:
    known = {(method, path) for method, path, _ in ROUTES}
    posted = {(method, path.replace(KNOWN_FORM, "{jobId}")) for method, path, _ in BODIES}

    assert failures(world, BODIES) == []
    assert ("POST", "/api/jobs/bulk/run") in posted & known
