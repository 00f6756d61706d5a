"""Limits of accounts: rates of requests, counts, and what providers may cost."""
