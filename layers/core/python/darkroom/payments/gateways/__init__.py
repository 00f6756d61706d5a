"""Payment gateways, one module per vendor."""
