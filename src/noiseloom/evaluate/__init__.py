"""Figures that say how good a run is, beside what they must be read beside, and a page of them.

`images`, `points` and `classification` are the menu: what a recipe's `evaluation` may be. Each
composes the metrics, one family a file, none of which knows a dataset. Samples stand beside real
data, predictions beside plain baselines. `report` reads nothing but a run's folder.
"""
