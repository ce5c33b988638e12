"""A start or an update as the content of a message: its files by name, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scionwood import AdapterFileError
from scionwood_federated.update.folder import ADAPTER, FEDERATION, HEAD, SITE

FILES = (
    f"{ADAPTER}/adapter_config.json",
    f"{ADAPTER}/adapter_model.safetensors",
    f"{ADAPTER}/scionwood.json",
    HEAD,
    FEDERATION,
    SITE,
)
"""What a message may hold. A recipe does not travel: each site has its own copy."""

_LARGEST_MESSAGE = 1 << 31


def packed(folder: str | Path) -> dict[str, bytes]:
    """Return the files of a start or an update by name."""
    root = Path(folder)
    return {name: (root / name).read_bytes() for name in FILES if (root / name).is_file()}


def unpacked(files: Mapping[str, bytes], folder: str | Path) -> None:
    """Write the files of a message into a new folder.

    Args:
        files: the content of the message.
        folder: the folder to make.

    Raises:
        AdapterFileError: the message holds another name, or more than 2 GiB.
    """
    root = Path(folder)
    if foreign := sorted(set(files) - set(FILES)):
        rule = f"it holds {foreign[0]!r:.80}, which no update has"
        raise AdapterFileError(f"message for {root.name}", rule, "Use one version everywhere")
    if sum(map(len, files.values())) > _LARGEST_MESSAGE:
        raise AdapterFileError(
            f"message for {root.name}", "it is over 2 GiB", "Train fewer weights"
        )
    (root / ADAPTER).mkdir(parents=True)
    for name, content in files.items():
        (root / name).write_bytes(content)
