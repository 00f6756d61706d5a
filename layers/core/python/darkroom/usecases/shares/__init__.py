"""Shared links of jobs."""
