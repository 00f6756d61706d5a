"""Facts that happened: an append-only log, written by projection."""
