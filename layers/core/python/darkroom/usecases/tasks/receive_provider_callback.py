"""Receive a provider's callback.

The caller must know the attempt's callback URL and the provider's secret. Even then, the callback
only triggers a poll.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from darkroom.bootstrap.composition import App
from darkroom.generation.ports import AsyncProvider
from darkroom.jobs import engine
from darkroom.jobs.callback_url import is_callback_url
from darkroom.jobs.model import JobFamily
from darkroom.kernel.errors import NotFound, Unauthorized
from darkroom.usecases.jobs.advance_job import advance

CallbackOutcome = Literal["heard", "known"]
RECEIVED: CallbackOutcome = "heard"
KNOWN: CallbackOutcome = "known"


def receive_provider_callback(
    app: App,
    *,
    provider: str,
    job_id: str,
    key: str,
    attempt: int,
    nonce: str,
    body: bytes,
    headers: Mapping[str, str],
) -> CallbackOutcome:
    """Handle one callback; returns ``RECEIVED``, or ``KNOWN`` if it changes nothing: it is a
    repeat, or the attempt has ended, or the job does not exist any more.

    Raises:
        NotFound: the provider is not configured.
        Unauthorized: BAD_SIGNATURE; wrong URL, forged, altered, or too old.
        InvalidInput: signed, but names no run.
        Unavailable: repeating is safe.
    """
    caller = app.providers.get(provider)
    if not isinstance(caller, AsyncProvider):
        raise NotFound("no such provider")
    if not is_callback_url(
        provider=provider,
        job_id=job_id,
        key=key,
        attempt=attempt,
        nonce=nonce,
        secret=app.signing_secret.value,
    ):
        raise Unauthorized("not our address", code="BAD_SIGNATURE")
    now = app.clock.now()
    ref = caller.read_callback(body, headers, now)
    has_changed = False

    def step(family: JobFamily) -> JobFamily | None:
        nonlocal has_changed
        task = family.task(key)
        if task is None or task.attempts != attempt or task.provider != provider:
            return None
        after = engine.callback_received(family, key, ref=ref, now=now)
        has_changed = after != family
        return after

    advance(app, job_id, step)
    return RECEIVED if has_changed else KNOWN
