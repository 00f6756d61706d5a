"""HTTP: the confirm route."""

from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.api.routers import confirm

handler = http_handler(create_app(confirm.router))
