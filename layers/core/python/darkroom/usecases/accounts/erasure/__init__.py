"""Erasing an account, and exporting it: both follow one registry of all stored data."""
