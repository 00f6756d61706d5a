"""The append-only log of events, written by projection."""
