"""Templates: the content variants of a recipe, which one a user gets, and that it stays so."""
