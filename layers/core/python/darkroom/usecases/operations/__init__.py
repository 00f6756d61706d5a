"""What only operators do."""
