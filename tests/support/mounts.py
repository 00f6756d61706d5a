"""All routers by the function that mounts them, with those of the API docs."""

from __future__ import annotations

from fastapi import APIRouter

from darkroom.api import mounts
from darkroom.api.routers import docs

BY_FUNCTION: dict[str, tuple[APIRouter, ...]] = {
    **mounts.BY_FUNCTION,
    "api": (*mounts.BY_FUNCTION["api"], docs.router),
}
ROUTERS: tuple[APIRouter, ...] = tuple(
    router for routers in BY_FUNCTION.values() for router in routers
)
