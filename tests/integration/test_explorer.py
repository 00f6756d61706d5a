"""``/docs`` in a browser: a page of this origin alone, with a filter, a token field and a try."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from darkroom.api.openapi.texts import TAGS
from tests.support.http_world import http_world
from tests.support.moto_world import moto_world

SCRIPT = Path(__file__).parent / "explorer" / "browser.mjs"
LIMIT_SECONDS = 240


@pytest.fixture
def base_url() -> Iterator[str]:
    with moto_world() as world, http_world(world) as url:
        yield url


@pytest.mark.slow
def test_a_reader_finds_an_operation_and_tries_it_with_a_token(
    base_url: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        ["node", str(SCRIPT), base_url, "alice", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)

    # What the Content-Security-Policy forbids is an error in the console.
    assert seen["problems"] == []
    assert {urlsplit(origin).netloc for origin in seen["origins"]} == {urlsplit(base_url).netloc}
    assert seen["darkTheme"] == "dark"
    shown = [tag.strip().casefold() for tag in seen["tags"]]
    assert shown == [tag["name"].casefold() for tag in TAGS]
    assert seen["tried"] == 200
