"""Translation, which needs a cloud provider.

Owns the refusal: a deployment without a translation service says so instead of guessing words.
"""

from __future__ import annotations

from darkroom.generation.ports import Artifact, GenerationRequest, PermanentProviderError


def refuse_translation(_request: GenerationRequest) -> list[Artifact]:
    """Always refused.

    Raises:
        PermanentProviderError: ``PROVIDER_NOT_CONFIGURED``.
    """
    raise PermanentProviderError("the studio cannot translate", code="PROVIDER_NOT_CONFIGURED")
