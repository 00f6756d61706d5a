"""HTTP: operators' routes."""

from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.api.routers import admin, admin_erasure, admin_purchases, analytics

handler = http_handler(
    create_app(admin.router, admin_purchases.router, admin_erasure.router, analytics.router)
)
