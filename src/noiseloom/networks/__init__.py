"""Networks: each file is one, named as recipes name it, with its `Config` beside its class.

A denoising network answers `forward(x, t, condition, random)`: `x` (items, *item_shape), `t` one
per item (or x's axes, where it can), `condition` the labels (items,) or None, and returns x's
shape. The label after the last class means "no label". `random` is None unless drop-out is wanted.
"""
