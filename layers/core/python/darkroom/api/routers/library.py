"""The routers of an account's files: assets, reference photos and albums."""

from __future__ import annotations

from darkroom.api.routers import albums, assets, reference_photos

ROUTERS = (assets.router, reference_photos.router, albums.router)
