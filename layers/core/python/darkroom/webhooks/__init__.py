"""Incoming webhooks: each event is stored once, then handled until it has had its effect."""
