"""Purchases and the gateways they go through."""
