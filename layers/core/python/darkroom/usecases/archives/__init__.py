"""Archives of a job's outputs."""
