"""Adapters from queue, stream and schedule events to use cases; per-message results."""
