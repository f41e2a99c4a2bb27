"""Figures that say how good samples are, beside what real data scores, and a page of them.

`images` and `points` are the menu: what a recipe's `evaluation` may be. Each composes the metrics,
one family a file, none of which knows a dataset. `report` reads nothing but a run's folder.
"""
