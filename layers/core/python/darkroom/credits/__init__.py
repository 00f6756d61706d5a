"""Credits: the pure arithmetic of wallets, the prices, and where both are stored."""
