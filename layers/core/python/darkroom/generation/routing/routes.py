"""Which provider does a task, and which is next on failure: configuration over the default.

Pure. A route is named by a capability, and may be narrowed to a recipe (``portraits/image``), a
plan (``professional:image``) or both (``professional:portraits/image``); the narrowest counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LOCAL_STUDIO = "local-studio"
LOCAL_SPEECH = "local-speech"
BUILT_IN = frozenset({LOCAL_STUDIO, LOCAL_SPEECH})
"""They cost nothing and are always available, so neither cost nor health is recorded."""

REPLICATE = "replicate"
FAL = "fal"
CREATOMATE = "creatomate"
TRANSCRIBE = "transcribe"
BEDROCK = "bedrock"
POLLY = "polly"
ELEVENLABS = "elevenlabs"
TRANSLATE = "translate"
ANTHROPIC = "anthropic"
LATER = frozenset({REPLICATE, FAL, CREATOMATE, TRANSCRIBE})
"""They accept a request now and deliver the result later."""
CLOUD = LATER | {BEDROCK, POLLY, ELEVENLABS, TRANSLATE, ANTHROPIC}

_BUILT_IN_OF: dict[str, str] = dict.fromkeys(
    ("transcribe", "translate", "captions", "speech", "script", "align", "extract", "merge"),
    LOCAL_SPEECH,
)

Routes = Mapping[str, Sequence[str]]


def order_of(routes: Routes, *, capability: str, recipe: str, plan: str) -> tuple[str, ...]:
    """The providers to try, in order; the built-in one where nothing is configured."""
    names = (
        f"{plan}:{recipe}/{capability}",
        f"{recipe}/{capability}",
        f"{plan}:{capability}",
        capability,
    )
    for name in names:
        if routes.get(name):
            return tuple(routes[name])
    return (_BUILT_IN_OF.get(capability, LOCAL_STUDIO),)


def depends_on_plan(routes: Routes) -> bool:
    return any(":" in name for name in routes)


def check_routes(routes: Routes, configured: frozenset[str]) -> None:
    """Every route names a configured provider.

    Raises:
        ValueError: naming the route and the provider.
    """
    for name, order in routes.items():
        for provider in order:
            if provider not in configured | BUILT_IN:
                raise ValueError(f"route {name!r} names {provider!r}, which is not configured")


def next_in(order: Sequence[str], current: str) -> str | None:
    """The provider after ``current``; None at the end."""
    if current not in order:
        return None
    place = order.index(current) + 1
    return order[place] if place < len(order) else None
