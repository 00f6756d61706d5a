"""Rate limits and counts of an account: what it did in a minute, an hour, a day or a month."""
