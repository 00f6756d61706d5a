"""Webhook endpoints: what their owners do with them, and the delivery of events to them."""
