"""Networks: each file is one, named as recipes name it, with its `Config` beside its class.

A denoising network answers `forward(x, level, condition, random)`: `x` (items, *item_shape);
`level`, the noise level, one per item (or with x's axes, where it can); `condition` the labels
(items,), or an `embeddings.Condition` where there is more to say, or None; and returns x's shape.
The label after the last class means "no label". `random` is None unless drop-out is wanted. Hidden
layers lie in a ModuleList `blocks`: `muon` moves their matrices.
"""
