"""How the commands name runs."""

from __future__ import annotations


def named_run(text: str) -> tuple[str, str]:
    """Split `NAME=RUN`; a reference such as `https://host/a.zip#sha256=...` has no name.

    Args:
        text: the word of the command line.
    """
    name, equals, run = text.partition("=")
    if equals and "/" not in name and ":" not in name:
        return name, run
    return "", text
