"""Limits on the memory that a file may claim."""

from __future__ import annotations

LARGEST = 4 << 30
"""Bytes that one record may take in memory, unless the reader is told otherwise."""

INFLATED = 512 << 20
"""Bytes that a compressed file may inflate to before its content is read."""
