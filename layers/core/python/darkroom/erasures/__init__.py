"""Erased accounts: the list by which they are refused, and erased again after a restore."""
