"""What is due: expiry, deadlines, lost messages."""
