"""Movements of credits outside of jobs, and the audit of all credits."""
