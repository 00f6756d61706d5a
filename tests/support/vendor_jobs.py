"""Whole jobs with a vendor's stand-in: our code on both sides of the documented behavior."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from darkroom.adapters.fetch import Fetcher
from darkroom.generation.ports import AsyncProvider
from darkroom.kernel.limits import DISPATCH_CHECK_SECONDS, POLL_BASE_SECONDS
from tests.support.builders import confirm
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

FIRST_POLL_SECONDS = POLL_BASE_SECONDS + DISPATCH_CHECK_SECONDS + 1


@contextmanager
def vendor_world(name: str, vendor: Callable[..., AsyncProvider], stand_in: Any) -> Iterator[World]:
    """A world that has the vendor, and may fetch results from this machine."""
    with moto_world() as world:
        provider = vendor(
            lambda: stand_in.secret_text,
            api_base=stand_in.api_base,
            result_hosts=frozenset({"127.0.0.1"}),
        )
        world.app = replace(
            world.app,
            providers={**world.app.providers, name: provider},
            fetcher=Fetcher(allow_loopback=True),
        )
        yield world


def submit_keyframe(
    world: World, runs: Mapping[str, Any], *, key: str = "confirm"
) -> tuple[str, str]:
    """Our job and the vendor's run for its keyframe."""
    job_id = confirm(world, mode="quick", key=key).body["jobId"]
    world.drain()
    return job_id, list(runs)[-1]


def deliver_callback(world: World, webhook: str, call: Mapping[str, Any]) -> Response:
    """Send the vendor's call, its body and headers, to the address that we gave."""
    address = urlsplit(webhook)
    return world.call(
        "POST",
        f"{address.path}?{address.query}",
        call["body"].decode(),
        user=None,
        headers=call["headers"],
    )
