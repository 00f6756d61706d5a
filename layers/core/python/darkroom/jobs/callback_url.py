"""Callback URLs for vendors: each names an attempt of a task, and contains an HMAC of ours."""

from __future__ import annotations

from urllib.parse import urlencode

from darkroom.jobs.model import Task
from darkroom.kernel.signing import is_seal, seal

PURPOSE = "provider-callback"


def callback_url(task: Task, *, base_url: str, secret: bytes) -> str:
    """The URL for one attempt.

    It is derived from the attempt and not stored, so a callback that arrives before the vendor's
    response to our call is recognized as well.
    """
    parts = (task.provider, task.job_id, task.key, str(task.attempts))
    query = {
        "job": task.job_id,
        "key": task.key,
        "attempt": task.attempts,
        "nonce": seal(secret, PURPOSE, *parts),
    }
    return f"{base_url}/api/webhooks/{task.provider}?{urlencode(query)}"


def is_callback_url(
    *, provider: str, job_id: str, key: str, attempt: int, nonce: str, secret: bytes
) -> bool:
    """Whether ``callback_url`` made a URL with these parts."""
    return is_seal(nonce, secret, PURPOSE, provider, job_id, key, str(attempt))
