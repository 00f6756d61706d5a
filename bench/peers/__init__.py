"""What the product is measured against: the same work, written the way it is commonly written."""
