"""Kinds of jobs. Each recipe is one pure module: validate, price, plan, regenerate.

Adding a recipe is a file here, its line in ``REGISTRY``, its prices and its templates.
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
        InvalidInput: there is none.
    """
    recipe = REGISTRY.get(name)
    if recipe is None:
        raise InvalidInput(
            "unknown recipe",
            fields=[problem("recipe", "NOT_ALLOWED", allowed=tuple(REGISTRY))],
        )
    return recipe
