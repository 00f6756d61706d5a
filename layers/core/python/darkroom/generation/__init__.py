"""Everything that makes media: the port of a provider, and one package per vendor."""
