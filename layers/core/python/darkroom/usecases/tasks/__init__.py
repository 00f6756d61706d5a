"""Tasks, from dispatch to result."""
