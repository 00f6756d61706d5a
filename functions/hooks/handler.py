"""HTTP: signed calls of payment gateways."""

from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.api.routers import webhooks

handler = http_handler(create_app(webhooks.router))
