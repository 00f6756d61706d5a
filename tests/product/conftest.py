from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.moto_world import moto_world
from tests.support.world import World


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world
