"""Each function behind the API mounts the routers that the template routes to it, and no others."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

import darkroom.api.app
from tests.support.mounts import BY_FUNCTION

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"


@pytest.mark.parametrize("name", sorted(BY_FUNCTION))
def test_a_handler_mounts_the_routers_of_its_function(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted: list[Any] = []
    create = darkroom.api.app.create_app

    def noted(*routers: Any, **options: Any) -> Any:
        mounted.extend(routers)
        return create(*routers, **options)

    monkeypatch.setattr(darkroom.api.app, "create_app", noted)

    runpy.run_path(str(FUNCTIONS / name / "handler.py"))

    assert mounted == list(BY_FUNCTION[name])
