"""The OpenAPI document of all routes, and the page made from it."""
