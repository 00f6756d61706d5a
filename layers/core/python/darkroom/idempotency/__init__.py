"""Remembered answers of requests that carry an Idempotency-Key."""
