"""HTTP: an account's webhook endpoints and their deliveries."""

from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.api.routers import endpoints

handler = http_handler(create_app(endpoints.router))
