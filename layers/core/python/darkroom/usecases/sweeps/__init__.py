"""Sweeps of due items: expiry, deadlines and lost messages."""
