"""One task from its dispatch to its result."""
