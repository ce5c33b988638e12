"""References to runs on the hub and on web servers, without any network."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from scionwood.errors import ReadError, TrainingError

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9][\w./-]*")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class HubRun:
    """A run in a repository on the hub.

    Attributes:
        repository: `owner/name`.
        revision: a branch, tag or commit; `main` if none is given.
    """

    repository: str
    revision: str = "main"

    def __str__(self) -> str:
        """Return the reference: `hf:owner/name@revision`, without the revision if it is `main`."""
        at = "" if self.revision == "main" else f"@{self.revision}"
        return f"hf:{self.repository}{at}"


@dataclass(frozen=True)
class ZipRun:
    """A run in a zip archive on a web server.

    Attributes:
        url: the address, without the digest.
        sha256: the digest of the archive, 64 hexadecimal digits in lower case.
    """

    url: str
    sha256: str

    def __str__(self) -> str:
        """Return the reference: `https://host/name.zip#sha256=...`."""
        return f"{self.url}#sha256={self.sha256}"


Remote: TypeAlias = HubRun | ZipRun


def parse_remote(reference: str | Path) -> Remote | None:
    """Read a reference to a run elsewhere.

    Returns:
        Its parts; None if it names neither the hub nor a web server.
    """
    text = reference.as_posix() if isinstance(reference, Path) else reference
    if text.startswith("hf:"):
        return _hub(text)
    # A Path has turned the two slashes into one.
    if match := re.fullmatch(r"(https?):/+(.+)", text, re.I):
        return _zip(f"{match[1].lower()}://{match[2]}")
    return None


def is_repository(name: str) -> bool:
    """Return whether a text has the form `owner/name` of a repository on the hub."""
    return _REPOSITORY.fullmatch(name) is not None and ".." not in name and "--" not in name


def check_address(url: str) -> None:
    """Refuse an address that others on the way could read or change, or that holds a password.

    Raises:
        TrainingError: it is neither `https` nor a server on this machine, or names a user.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise TrainingError(url, f"it is not an address ({error})", "Copy it again") from error
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not local and (parts.scheme != "https" or not parts.hostname):
        raise TrainingError(url, "only https is encrypted", "Use an address with https://")
    if "@" in parts.netloc:
        rule = "an address has no user name and no password, since it is printed and stored"
        raise TrainingError(f"https://{parts.hostname}", rule, "Leave them out")


def refuse_offline(reference: str) -> None:
    """Refuse to use the network if `HF_HUB_OFFLINE` forbids it."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        rule = "this needs the network, which HF_HUB_OFFLINE forbids"
        raise ReadError(reference, rule, "Unset HF_HUB_OFFLINE, and pull it once")


def _hub(text: str) -> HubRun:
    repository, at, revision = text.removeprefix("hf:").partition("@")
    if not is_repository(repository) or (at and not _REVISION.fullmatch(revision)):
        rule = "a run on the hub is named hf:owner/name or hf:owner/name@revision"
        raise TrainingError(f"run {text[:200]}", rule, "Correct the name")
    return HubRun(repository, revision or "main")


def _zip(text: str) -> ZipRun:
    url, _, digest = text.partition("#sha256=")
    check_address(url)
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        rule = "a run on a web server needs the digest of its archive"
        remedy = "Write https://host/name.zip#sha256=HEX, as its author states it"
        raise TrainingError(f"run {text[:200]}", rule, remedy)
    return ZipRun(url, digest.lower())
