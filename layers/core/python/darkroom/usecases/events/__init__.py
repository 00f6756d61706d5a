"""Events that clients send."""
