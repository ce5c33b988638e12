"""Download data sets of the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from scionwood import ReadError
from scionwood_language.readers.rows import SUFFIXES


def download(name: str) -> list[Path]:
    """Download the tables of a data set to the cache of the hub. No code is downloaded.

    Args:
        name: the name of the data set, owner/name.

    Returns:
        The paths of the tables.

    Raises:
        ReadError: the hub cannot be reached, or the data set has no table.
    """
    from huggingface_hub import hf_hub_download, list_repo_files

    remedy = "Download the file yourself, and give its path"
    try:
        names = list_repo_files(name, repo_type="dataset")
        tables = sorted(file for file in names if file.lower().endswith(SUFFIXES))
        paths = [Path(hf_hub_download(name, file, repo_type="dataset")) for file in tables]
    except Exception as error:  # of the hub or of its HTTP library; the message is repeated
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ReadError(f"hf.co/datasets/{name}", f"it cannot be read ({first})", remedy) from error
    if not paths:
        rule = f"it has no file of the types {', '.join(SUFFIXES)}"
        raise ReadError(f"hf.co/datasets/{name}", rule, remedy)
    return paths
