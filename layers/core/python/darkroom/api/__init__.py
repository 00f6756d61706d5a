"""The HTTP API: routers, schemas, authentication, error responses, idempotency, cursors."""
