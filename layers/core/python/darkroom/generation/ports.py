"""The port between the engine and whoever makes media.

Owns the request a task turns into and the artifacts that come back. Knows nothing of
jobs' states, credits, queues or storage: bytes and parameters in, files out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from darkroom.kernel.errors import DarkroomError


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file a task works on: a photo of the user or the artifact of a task it needs."""

    key: str
    """``photo_1`` … for photos in the order given, else the key of the task that made it."""
    mime_type: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """One attempt at one task, complete: a provider needs nothing else to do it."""

    job_id: str
    key: str
    kind: str
    """``keyframe``, ``clip``, ``film``, … as the recipe planned it."""
    attempt: int
    seed: int
    """0 ≤ seed < 2**32. The same request with the same seed gives the same bytes."""
    language: str
    """``en`` or ``ko``: the language of text inside the picture."""
    params: Mapping[str, Any]
    """What the recipe wrote for this kind; see the recipe's module."""
    sources: tuple[SourceFile, ...]
    workdir: Path
    """A private folder the provider may write to; removed after the attempt."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A finished file in the request's ``workdir``."""

    type: str
    """The output type of the API: ``image``, ``clip``, ``film``, …"""
    mime_type: str
    path: Path
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """Makes media of one or more kinds."""

    name: str

    def generate(self, request: GenerationRequest) -> list[Artifact]:
        """Make the request's files, the promised one first.

        Raises:
            TransientProviderError: trying again may help (timeout, throttling, 5xx).
            PermanentProviderError: trying again cannot help (bad input, refused content).
        """


class ProviderError(DarkroomError):
    """A provider did not deliver; carries the code that the job's receipt will show."""


class TransientProviderError(ProviderError):
    """The same request may succeed later."""

    code = "PROVIDER_UNAVAILABLE"


class PermanentProviderError(ProviderError):
    """The same request will never succeed."""

    code = "PROVIDER_REFUSED"


class ModerationRefused(PermanentProviderError):
    """The content was refused; changing the input is the only way on."""

    code = "CONTENT_REJECTED"
