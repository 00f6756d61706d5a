"""Projections of committed changes: each is idempotent and repaired by the sweeper."""
