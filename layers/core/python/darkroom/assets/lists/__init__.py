"""Lists of assets: what they are listed by, and the entries."""
