"""Authorized reads, shaped for the API."""
