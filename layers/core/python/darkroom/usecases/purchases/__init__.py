"""Purchases, from checkout to refund."""
