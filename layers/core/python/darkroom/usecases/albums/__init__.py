"""Albums and their entries."""
