"""Albums and what is in them."""
