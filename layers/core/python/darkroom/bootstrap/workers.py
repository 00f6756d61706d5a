"""The workers that run tasks, and the one that each provider's tasks need."""

from __future__ import annotations

from typing import Final

from darkroom.generation.routing.routes import CLOUD, LOCAL_SPEECH, LOCAL_STUDIO

STUDIO: Final = "studio"
"""Pictures and films of the built-in studio."""
SPEECH: Final = "speech"
"""Sound and text of the built-in studio."""
GENERATE: Final = "generate"
"""Calls to cloud providers."""

_WORKER_OF: Final = {
    LOCAL_STUDIO: STUDIO,
    LOCAL_SPEECH: SPEECH,
    **dict.fromkeys(CLOUD, GENERATE),
}


def worker_of(provider: str) -> str:
    """The worker that runs a provider's tasks.

    Raises:
        KeyError: no provider has this name.
    """
    return _WORKER_OF[provider]
