"""The built-in provider: keyframes, clips and films on this machine, without any service.

Owns the choice of the maker for a request's kind. Knows nothing of jobs, credits or storage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from darkroom.generation.ports import Artifact, GenerationRequest, PermanentProviderError
from darkroom.generation.providers.local.clip import make_clip
from darkroom.generation.providers.local.film import make_film
from darkroom.generation.providers.local.keyframe import make_keyframe

_MAKERS: Final[dict[str, Callable[[GenerationRequest], list[Artifact]]]] = {
    "keyframe": make_keyframe,
    "clip": make_clip,
    "film": make_film,
}


class LocalStudio:
    """Implements ``darkroom.generation.ports.Provider``; holds no state."""

    name = "local-studio"

    def generate(self, request: GenerationRequest) -> list[Artifact]:
        """Makes the request's file in its ``workdir``; the same request gives the same bytes.

        Raises:
            PermanentProviderError: ``UNSUPPORTED_KIND`` or ``BAD_SOURCE``.
        """
        maker = _MAKERS.get(request.kind)
        if maker is None:
            raise PermanentProviderError(
                f"the studio makes no {request.kind}", code="UNSUPPORTED_KIND", kind=request.kind
            )
        return maker(request)
