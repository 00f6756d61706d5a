"""HTTP: reads, drafts, operators' routes and the docs."""

from darkroom.api.app import create_app
from darkroom.api.edge import http_handler
from darkroom.api.routers import admin, assets, catalogue, credits, docs, jobs

handler = http_handler(
    create_app(
        credits.router,
        jobs.router,
        assets.router,
        catalogue.router,
        admin.router,
        docs.router,
    )
)
