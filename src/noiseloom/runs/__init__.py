"""Recipes and runs: the one place where data, network, task, training and evaluation meet."""

from noiseloom.runs.drawing import Samples
from noiseloom.runs.editing import Editor
from noiseloom.runs.predicting import Predictions
from noiseloom.runs.recipe import Recipe, shipped_recipes
from noiseloom.runs.run import Run

__all__ = ["Editor", "Predictions", "Recipe", "Run", "Samples", "shipped_recipes"]
