"""HTTP: the caller's own account, and what it used."""

from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.api.routers import accounts, usage

handler = http_handler(create_app(accounts.router, usage.router))
