"""Exports: an account's requests for a zip of everything it has."""
