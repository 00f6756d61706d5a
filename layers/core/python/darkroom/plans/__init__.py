"""Plans: what an account may have at once and in a month, as data."""
