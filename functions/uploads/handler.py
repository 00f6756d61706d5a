"""HTTP: upload sessions."""

from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.api.routers import uploads

handler = http_handler(create_app(uploads.router))
