"""Fault injection: a provider that fails on request. Only stacks with test hooks use it."""

from __future__ import annotations

from darkroom.generation.ports import (
    Artifact,
    AsyncProvider,
    GenerationRequest,
    ModerationRefused,
    PermanentProviderError,
    Provider,
    TransientProviderError,
)


class FaultyProvider:
    """Fails instead of generating: ``transient``, ``permanent`` or ``moderation``."""

    def __init__(self, fault: str) -> None:
        self.name = f"fault-{fault}"
        self._fault = fault

    def model_of(self, kind: str) -> str:
        return ""

    def generate(self, request: GenerationRequest) -> list[Artifact]:
        if self._fault == "transient":
            raise TransientProviderError("an injected transient fault")
        if self._fault == "moderation":
            raise ModerationRefused("an injected refusal")
        raise PermanentProviderError("an injected fault")


def inject_fault(provider: Provider | AsyncProvider, fault: str | None) -> Provider | AsyncProvider:
    return provider if fault in (None, "hang") else FaultyProvider(fault)
