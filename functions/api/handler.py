"""HTTP: the account, its usage, wallet and files, the catalog and the API docs."""

from pathlib import Path

from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.api.routers import (
    accounts,
    albums,
    assets,
    catalog,
    credits,
    docs,
    reference_photos,
    usage,
)

handler = http_handler(
    create_app(
        accounts.router,
        usage.router,
        credits.router,
        assets.router,
        reference_photos.router,
        albums.router,
        catalog.router,
        docs.router,
        explorer=Path(__file__).with_name("explorer"),
    )
)
