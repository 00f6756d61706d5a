"""Plans and their limits, as data; and how much an account stores."""
