"""What every room of the house stands on: errors, ids, time, settings, limits, paging."""
