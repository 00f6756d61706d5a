"""Which provider does a task: order, health, prices, cache and the record of each call's cost."""
