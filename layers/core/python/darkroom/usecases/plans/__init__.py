"""Subscriptions to plans."""
