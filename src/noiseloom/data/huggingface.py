"""What is named on the Hugging Face hub, fetched once into the hub's own cache.

A data set: its Parquet files. A text model: settings, tokenizer and safetensors.

`hf://OWNER/NAME`, with `@REVISION` or `/FOLDER` behind it where wanted. A data set that keeps its
images in another form is taken from the Parquet files the hub makes of it, on the branch
`refs/convert/parquet`. Tokens, the cache's place and working offline are the hub's own business
(HF_TOKEN, HF_HOME, HF_HUB_OFFLINE).
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from noiseloom.errors import InputError

PREFIX = "hf://"
NAME = re.compile(
    r"hf://(datasets/)?(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?(/(?P<folder>.+?))?/?"
)
CONVERTED = "refs/convert/parquet"
OF_A_MODEL = ("config.json", "tokenizer.json", "*.safetensors", "*.safetensors.index.json")
PATIENCE_SECONDS = 10.0  # for the hub's first answer


def fetch(given: str) -> Path:
    """The folder with the Parquet files of a data set on the hub, as they are in its cache.

    Raises InputError where the name is no name, or cannot be reached and is not in the cache.
    """
    match = NAME.fullmatch(given)
    if match is None:
        raise InputError(
            f"{given} names no data set. Write data.path=hf://OWNER/NAME, as in the address of its "
            "page, huggingface.co/datasets/OWNER/NAME."
        )
    folder = match["folder"] or ""
    pattern = f"{folder}/*.parquet" if folder else "*.parquet"  # the hub's * crosses folders
    revisions = [match["revision"]] if match["revision"] else [None, CONVERTED]
    try:
        for revision in revisions:
            root = Path(_snapshot(match["name"], revision, pattern)) / folder
            if root.is_dir() and any(root.rglob("*.parquet")):
                return root
    except InputError:
        raise
    except Exception as error:  # the hub's, the network's and the disk's, of many libraries
        raise InputError(
            f"{given} cannot be fetched: {_in_short(error)}. Check the name and the network "
            "(a private data set needs HF_TOKEN), or download its Parquet files and write "
            "data.path=FOLDER."
        ) from None
    raise InputError(
        f"{given} has no Parquet files. Download its images and write data.path=FOLDER."
    )


def fetch_model(given: str) -> Path:
    """The folder with a model of the hub as it is in its cache, where it is put if it is not yet.

    Once there, the hub is not asked again. Raises InputError where the name is no name, or cannot
    be reached and is not in the cache.
    """
    match = NAME.fullmatch(given)
    if match is None:
        raise InputError(
            f"{given} names no model. Write hf://OWNER/NAME, as in the address of its page, "
            "huggingface.co/OWNER/NAME"
        )
    folder = match["folder"] or ""
    patterns = [f"{folder}/{name}" if folder else name for name in OF_A_MODEL]
    known = {"revision": match["revision"], "allow_patterns": patterns}
    snapshot_download = _downloader()
    with suppress(Exception):  # whatever keeps it from being there
        root = Path(snapshot_download(match["name"], local_files_only=True, **known)) / folder
        if all(any(root.glob(pattern)) for pattern in OF_A_MODEL[:3]):
            return root
    try:
        root = Path(snapshot_download(match["name"], etag_timeout=PATIENCE_SECONDS, **known))
        return root / folder
    except Exception as error:  # the hub's, the network's and the disk's, of many libraries
        raise InputError(
            f"{given} cannot be fetched: {_in_short(error)}. Check the name and the network (a "
            "private model needs HF_TOKEN), or download it and name its folder"
        ) from None


def _downloader() -> Any:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise InputError(
            "Fetching from the hub needs the package huggingface_hub, which is not installed. "
            "Install it with: pip install 'noiseloom[hf]'"
        ) from None
    return snapshot_download


def _snapshot(name: str, revision: str | None, pattern: str) -> str:
    return str(
        _downloader()(
            name,
            repo_type="dataset",
            revision=revision,
            allow_patterns=[pattern],
            etag_timeout=PATIENCE_SECONDS,
        )
    )


def _in_short(error: Exception) -> str:
    """The first sentence of an error that may go on for pages."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return (line.partition(". ")[0] or type(error).__name__).removeprefix("Got: ").rstrip(".")
