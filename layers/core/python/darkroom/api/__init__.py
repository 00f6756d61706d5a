"""The HTTP edge: routers, schemas, authentication, errors as answers, idempotency, cursors."""
