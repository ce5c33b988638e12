"""Name subjects: spellings that are one person, and keyed hashes in place of identities."""

from __future__ import annotations

import hashlib


def same_subject(identity: str) -> str:
    """Return the form in which two spellings of one PatientID are equal: case, blanks.

    Args:
        identity: a PatientID.

    Example:
        >>> from scionwood_deid.images.subjects import same_subject
        >>> same_subject(" P0a") == same_subject("p0A ")
        True
    """
    return " ".join(identity.split()).casefold()


def pseudonym(text: str, salt: str) -> str:
    """Return a keyed hash that replaces an identity; equal texts and salts give equal hashes."""
    return hashlib.blake2b(text.encode(), key=salt.encode()[:64], digest_size=8).hexdigest()
