"""What follows from a committed change: each is idempotent and repaired by the sweeper."""
