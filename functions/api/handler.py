"""HTTP: the wallet, an account's files, the catalog and the API docs."""

from pathlib import Path

from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.api.routers import (
    albums,
    assets,
    catalog,
    credits,
    docs,
    events,
    reference_photos,
)

handler = http_handler(
    create_app(
        credits.router,
        assets.router,
        reference_photos.router,
        albums.router,
        catalog.router,
        events.router,
        docs.router,
        explorer=Path(__file__).with_name("explorer"),
    )
)
