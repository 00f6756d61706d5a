"""What every package may import: errors, ids, time, settings and limits."""
