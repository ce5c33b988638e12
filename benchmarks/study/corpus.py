"""The texts: Python's manual and licences of installed packages, split by topic and by file.

General text, on which forgetting is measured, is the prose of package descriptions. No two files of
a corpus are alike: copies are dropped, and a licence belongs to one part together with all texts
that share most of its lines.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from importlib.metadata import distributions

import numpy as np

from scionwood import ReadError

PARTS = {"train": 0.6, "val": 0.15, "test": 0.25}
"""Share of the documents in each part."""
SIMILAR = 0.5
"""Two licences are of one family if they share this part of their lines."""
SHORTEST = 600
"""Characters of a document, at least."""


def manual() -> list[str]:
    """Return the topics of Python's manual as `help()` shows them."""
    from pydoc_data.topics import topics

    return [text for _, text in sorted(topics.items()) if len(text) >= SHORTEST]


def licences() -> list[str]:
    """Return one text for each family of licences in the installed packages."""
    texts_of_licences: list[tuple[set[str], str]] = []
    for text in _files(r"(LICEN[SC]E|COPYING|NOTICE)"):
        lines = {line.strip() for line in text.splitlines() if len(line.strip()) > 20}
        if len(text) < SHORTEST or not lines:
            continue
        if all(
            len(lines & other) < SIMILAR * min(len(lines), len(other))
            for other, _ in texts_of_licences
        ):
            texts_of_licences.append((lines, text))
    return [text for _, text in texts_of_licences]


def general() -> list[str]:
    """Return the prose of the descriptions of installed packages, without code and markup."""
    texts = []
    for distribution in sorted(distributions(), key=lambda d: d.name.lower()):
        body = distribution.metadata.get_payload()  # type: ignore[attr-defined]
        prose = [
            line.strip()
            for line in str(body or "").split("\n\n")
            if re.fullmatch(r"[A-Z][\w\s,.;:'()-]{150,}[.]", line.strip())
        ]
        if len(text := "\n\n".join(prose)) >= SHORTEST:
            texts.append(text)
    return texts


def _files(pattern: str) -> Iterator[str]:
    digests = set()
    for distribution in sorted(distributions(), key=lambda d: d.name.lower()):
        for file in distribution.files or ():
            path = file.locate()
            if not re.match(pattern, file.name.upper()) or not path.is_file():
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            digest = hashlib.sha256(text.encode()).digest()
            if digest not in digests:
                digests.add(digest)
                yield text


TEXTS: dict[str, Callable[[], list[str]]] = {"manual": manual, "licences": licences}


def split_by_part(documents: list[str]) -> dict[str, list[str]]:
    """Deal documents into parts, in an order drawn once."""
    if len(documents) < 8:
        rule = "a text needs eight documents to be dealt into parts"
        raise ReadError(f"{len(documents)} documents", rule, "Install the development extras")
    order = np.random.default_rng(28).permutation(len(documents))
    edges = np.cumsum([round(share * len(order)) for share in PARTS.values()])[:-1]
    parts = np.split(order, edges)
    return {
        name: [documents[at] for at in places] for name, places in zip(PARTS, parts, strict=True)
    }
