"""Adapters for AWS services: storage, queues and secrets. Clients are created at first use."""
