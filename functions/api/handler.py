"""HTTP: the wallet, an account's files, the catalogue and the docs."""

from darkroom.api.app import create_app
from darkroom.api.edge import http_handler
from darkroom.api.routers import catalogue, credits, docs, library

handler = http_handler(create_app(credits.router, *library.ROUTERS, catalogue.router, docs.router))
