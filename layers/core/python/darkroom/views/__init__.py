"""Authorised reads, shaped for the API."""
