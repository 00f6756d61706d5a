"""The built-in provider: pictures, films, transcripts and captions on this machine, without any
service.

Owns the choice of the maker for a request's kind. A maker's module is loaded on first use: no
function carries all libraries (those of pictures and of speech do not fit into one). Knows nothing
of jobs, credits or storage.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final, cast

from darkroom.generation.ports import Artifact, GenerationRequest, PermanentProviderError

_Maker = Callable[[GenerationRequest], list[Artifact]]

MAKERS: Final[dict[str, tuple[str, str]]] = {
    "keyframe": ("pictures.keyframe", "make_keyframe"),
    "clip": ("films.clip", "make_clip"),
    "film": ("films.film", "make_film"),
    "portrait": ("pictures.portrait", "make_portrait"),
    "picture": ("pictures.picture", "make_picture"),
    "transcribe": ("speech.transcribe", "make_transcript"),
    "translate": ("speech.translate", "refuse_translation"),
    "captions": ("speech.captions", "make_captions"),
    "script": ("speech.script", "make_script"),
    "speech": ("speech.speech", "make_speech"),
    "align": ("speech.align", "make_alignment"),
    "extract": ("speech.extract", "make_extract"),
    "merge": ("speech.merge", "make_merged_transcript"),
}
"""Kind → module of ``darkroom.studio``, and its function."""
_STUDIO: Final = __name__.rpartition(".")[0]


class LocalStudio:
    """Implements ``darkroom.generation.ports.Provider``; holds no state."""

    name = "local-studio"

    def model_of(self, kind: str) -> str:
        return ""

    def generate(self, request: GenerationRequest) -> list[Artifact]:
        """Makes the request's file in its ``workdir``; the same request gives the same bytes.

        Raises:
            PermanentProviderError: ``UNSUPPORTED_KIND``, ``BAD_SOURCE``, ``NO_AUDIO`` or
                ``PROVIDER_NOT_CONFIGURED`` (what only a service can do).
        """
        if request.kind not in MAKERS:
            raise PermanentProviderError(
                f"the studio makes no {request.kind}", code="UNSUPPORTED_KIND", kind=request.kind
            )
        return _maker_of(request.kind)(request)


def _maker_of(kind: str) -> _Maker:
    module, function = MAKERS[kind]
    return cast(_Maker, getattr(import_module(f"{_STUDIO}.{module}"), function))
