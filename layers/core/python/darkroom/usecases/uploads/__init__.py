"""Uploads, from session to checked asset."""
