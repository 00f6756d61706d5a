"""Shapes of request and response bodies, by subject. ``docs/openapi.json`` shows them."""
