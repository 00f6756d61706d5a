"""HTTP: the regenerate route."""

from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.api.routers import regenerate

handler = http_handler(create_app(regenerate.router))
