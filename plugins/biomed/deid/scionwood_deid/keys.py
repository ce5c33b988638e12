"""The secret of a de-identification: pseudonyms, UIDs and offsets of dates are made with it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from pydicom.uid import UID

from scionwood_deid.images.subjects import same_subject
from scionwood_sandbox import ReadError, check_target, reading, writing

KEY_BYTES = 16
"""Bytes that a key file must hold."""

_MAKE = "Make one with --make-key, and keep it apart from the copies"
_DAYS = 3650


@final
@dataclass(frozen=True)
class Key:
    """A secret; equal inputs and secrets give equal results.

    Attributes:
        secret: the text of the key.

    Example:
        >>> from scionwood_deid.keys import Key
        >>> Key("a secret of your own").subject("P7") == Key("another secret").subject("P7")
        False
    """

    secret: str = field(repr=False)

    def subject(self, patient: str) -> str:
        """Return the pseudonym of a patient: 16 hexadecimal digits; case and blanks are ignored."""
        return self._digest("subject", same_subject(patient)).hex()[:16]

    def uid(self, uid: str) -> UID:
        """Return the replacement of a UID: `2.25.` and a number of at most 128 bits (X.667)."""
        # 128 bits with `2.25.` have at most 44 characters, and a UID may have 64.
        return UID(f"2.25.{int.from_bytes(self._digest('uid', uid)[:16], 'big')}")

    def days(self, patient: str) -> int:
        """Return by how many days the dates of a patient move into the past, 1 to 3650."""
        digest = self._digest("dates", same_subject(patient))
        return 1 + int.from_bytes(digest[:8], "big") % _DAYS

    def name(self, text: str) -> str:
        """Return a file name for a text: 16 hexadecimal digits."""
        return self._digest("name", text).hex()[:16]

    def mark(self) -> str:
        """Return what tells this key from others, and says nothing about it."""
        return self._digest("mark", "").hex()[:8]

    def _digest(self, purpose: str, text: str) -> bytes:
        # The purpose keeps the uses apart: a pseudonym tells nothing about the offset of dates.
        message = f"{purpose}\0{text}".encode()
        return hmac.new(self.secret.encode(), message, hashlib.sha256).digest()


def make_key(path: Path) -> None:
    """Write a new key file of 32 random bytes that only its owner may read.

    Args:
        path: the file.

    Raises:
        OutputExistsError: the file exists; copies that were made with it could not be continued.
        WriteError: it cannot be written.
    """
    check_target(path, overwrite=False)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Nobody else can open it at any time, and a file that exists is never replaced.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())


def read_key(path: Path) -> Key:
    """Read a key file.

    Args:
        path: a file with at least 16 bytes, blanks at its ends not counted.

    Raises:
        ReadError: there is no such file, or it is too short.
    """
    if not path.exists():
        raise ReadError(str(path), "there is no such key file", _MAKE)
    with reading(path, "key"):
        secret = path.read_bytes().strip()
    if len(secret) < KEY_BYTES:
        rule = f"a key has {KEY_BYTES} bytes or more, and this file has {len(secret)}"
        raise ReadError(str(path), rule, _MAKE)
    return Key(secret.hex())


def choose_key(path: Path | None, salt: str | None) -> Key:
    """Return the key of a file, or of a text.

    Args:
        path: a key file, or `None`.
        salt: a secret text, or `None`.

    Raises:
        ReadError: neither or both are given, the text is empty, or the file is no key.
    """
    if salt == "":
        rule = "hashes without a secret can be reversed by trial"
        raise ReadError("an empty salt", rule, "Give a secret salt, or a key file")
    if (path is None) == (salt is None):
        rule = "pseudonyms need one secret: a key file, or a salt"
        raise ReadError("the key", rule, f"Give --key FILE. {_MAKE}")
    return Key(str(salt)) if path is None else read_key(path)
