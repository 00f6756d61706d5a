"""HTTP: signed calls of payment gateways."""

from darkroom.api.app import create_app
from darkroom.api.edge import http_handler
from darkroom.api.routers import hooks

handler = http_handler(create_app(hooks.router))
