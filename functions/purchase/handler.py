"""HTTP: what is paid for: credits and plans."""

from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.api.routers import plans, purchase

handler = http_handler(create_app(purchase.router, plans.router))
