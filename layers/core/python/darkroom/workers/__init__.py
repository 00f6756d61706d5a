"""Adapters from queue, stream and schedule events to use cases, with a result per message."""
