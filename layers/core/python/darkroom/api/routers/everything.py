"""All routers, by the function that mounts them; the docs and the contract tests read this."""

from __future__ import annotations

from fastapi import APIRouter

from darkroom.api.routers import (
    admin,
    assets,
    catalogue,
    confirm,
    credits,
    docs,
    hooks,
    jobs,
    purchase,
    regenerate,
    uploads,
)

BY_FUNCTION: dict[str, tuple[APIRouter, ...]] = {
    "confirm": (confirm.router,),
    "purchase": (purchase.router,),
    "hooks": (hooks.router,),
    "regenerate": (regenerate.router,),
    "uploads": (uploads.router,),
    "api": (
        credits.router,
        jobs.router,
        assets.router,
        catalogue.router,
        admin.router,
        docs.router,
    ),
}
ROUTERS: tuple[APIRouter, ...] = tuple(
    router for routers in BY_FUNCTION.values() for router in routers
)
PUBLIC_PATHS = frozenset(
    {
        "/api/health",
        "/api/pricing",
        "/api/recipes",
        "/api/templates",
        "/api/webhooks/stripe",
        "/docs",
        "/openapi.json",
    }
)
