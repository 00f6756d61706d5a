"""Recipes, the kinds of jobs. Each is one pure module: validate, price, plan, regenerate.

To add a recipe, add a file here, its line in ``REGISTRY``, its prices and its templates.
If its jobs may have a translation, ``jobs/lists/facets.py`` lists it as well.
"""

from __future__ import annotations

from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.problems import problem
from darkroom.recipes.base import Recipe
from darkroom.recipes.captions import CAPTIONS
from darkroom.recipes.images import IMAGES
from darkroom.recipes.portraits import PORTRAITS
from darkroom.recipes.scenes import QUICK, STORY, TRAILER

REGISTRY: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (QUICK, STORY, TRAILER, PORTRAITS, CAPTIONS, IMAGES)
}


def get_recipe(name: str) -> Recipe:
    """The recipe with this name.

    Raises:
        InvalidInput: the recipe does not exist.
    """
    recipe = REGISTRY.get(name)
    if recipe is None:
        raise InvalidInput(
            "unknown recipe",
            fields=[problem("recipe", "NOT_ALLOWED", allowed=tuple(REGISTRY))],
        )
    return recipe
