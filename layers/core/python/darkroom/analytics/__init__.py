"""Template analytics: counters kept from the log of events, and what can be concluded from them."""
