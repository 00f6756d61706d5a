"""Payment gateways: what money is taken through. One module per vendor."""
