"""Tests against the vendors themselves; each runs only where its key is in the environment."""
