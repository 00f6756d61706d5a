"""Movements of credits outside a job's own steps, and their audit."""
