"""Data sets of the Hugging Face hub, as files."""

from __future__ import annotations

from pathlib import Path

from scionwood import ReadError
from scionwood_bangla.readers.rows import SUFFIXES


def download(name: str) -> list[Path]:
    """The tables of a data set, in the hub's cache; only tables, no code.

    Args:
        name: owner/name.

    Raises:
        ReadError: the hub cannot be reached, or the data set holds no table.
    """
    from huggingface_hub import hf_hub_download, list_repo_files

    remedy = "Download the file yourself, and give its path"
    try:
        names = list_repo_files(name, repo_type="dataset")
        tables = sorted(file for file in names if file.lower().endswith(SUFFIXES))
        found = [Path(hf_hub_download(name, file, repo_type="dataset")) for file in tables]
    except Exception as error:  # of the hub, of its HTTP library; what it says is kept
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ReadError(f"hf.co/datasets/{name}", f"cannot be read ({first})", remedy) from error
    if not found:
        raise ReadError(f"hf.co/datasets/{name}", f"it holds no {', '.join(SUFFIXES)}", remedy)
    return found
