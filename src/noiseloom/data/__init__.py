"""Data sets: what a model is trained on, and what it is measured against.

A file with a `Config` is a word for `data.name` in a recipe (`images`, `digits`, `toy`); its
`open()` answers a `dataset.Dataset`. The others are parts: `folder` and `idx` find image files,
`decode` turns one into pixels, `content` and `prepared` keep the arrays made from them, `check`
and `suggest` say in words what was found.
"""
