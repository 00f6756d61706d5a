"""Darkroom: the product. Handlers in ``functions/`` import it; it never imports them."""
