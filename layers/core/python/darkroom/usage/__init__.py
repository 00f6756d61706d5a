"""What each account used: a record of every job that ended, and a sum for every month."""
