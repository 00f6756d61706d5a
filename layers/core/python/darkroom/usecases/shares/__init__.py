"""Public links to jobs."""
