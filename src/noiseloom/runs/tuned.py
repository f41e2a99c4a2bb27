"""What `noiseloom tune-sampler` found for a run, and the recipe with that in it.

sampler.json     `task`: what the recipe's `task` should say; beside it, how it was found
"""

import json
from pathlib import Path

from noiseloom.config import from_mapping, parse, to_mapping
from noiseloom.errors import ConfigError, InputError
from noiseloom.runs.recipe import Recipe

FILE = "sampler.json"


def tuned_recipe(recipe: Recipe, folder: Path) -> Recipe:
    """`recipe` with the sampler found for the run in `folder`; itself where none was looked for.

    Raises InputError where the file is damaged, saying how to do without.
    """
    path = folder / FILE
    if not path.is_file():
        return recipe
    mapping = to_mapping(recipe)
    try:
        mapping["task"] |= json.loads(path.read_text(encoding="utf-8"))["task"]
        return parse(Recipe, from_mapping(mapping, str(path)))
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        raise InputError(
            f"{path} holds no sampler that can be used ({error}). Remove it, and the run samples "
            "as its recipe says"
        ) from error
