"""Calls that others make to us: stored once, then handled until they are done."""
