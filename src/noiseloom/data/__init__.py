"""Data sets: what a model is trained on, and what it is measured against.

A file with a `Config` is a word for `data.name` in a recipe (`images`, `digits`, `toy`); its
`open()` answers a `dataset.Dataset`. The others are parts. Images go `folder`, `idx` or
`parquet_files` (what is there; `huggingface` fetches it first) -> `sources` or `parquet` ->
`encoded` and `decode` (pixels) -> `assembly` (the two splits) -> `prepared` (kept, by
`content`). `scene` is what `scenes` draws and says. `forms` is what items look like to a model,
`skipped` what was not used, `check` and `suggest` say in words what was found.
"""
