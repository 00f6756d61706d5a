"""Where a provider calls back: which attempt of which task it is about, and a proof of ours."""

from __future__ import annotations

from urllib.parse import urlencode

from darkroom.bootstrap.composition import App
from darkroom.jobs.model import Task
from darkroom.kernel.signing import is_seal, seal

PURPOSE = "provider-callback"


def callback_url(app: App, task: Task) -> str:
    """The address for one attempt. It follows from what it names: nothing has to be stored, and
    a call that comes before the provider has answered us is known as well."""
    parts = (task.provider, task.job_id, task.key, str(task.attempts))
    query = {
        "job": task.job_id,
        "key": task.key,
        "attempt": task.attempts,
        "nonce": seal(app.signing_secret.value, PURPOSE, *parts),
    }
    return f"{app.settings.callback_base_url}/api/webhooks/{task.provider}?{urlencode(query)}"


def is_address_of(
    app: App, *, provider: str, job_id: str, key: str, attempt: int, nonce: str
) -> bool:
    """Whether an address with these parts was made here."""
    parts = (provider, job_id, key, str(attempt))
    return is_seal(nonce, app.signing_secret.value, PURPOSE, *parts)
