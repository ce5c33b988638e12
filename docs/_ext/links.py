"""Files of the repository as pages, and links that leave docs/.

A page may hold a line such as `<!-- file: plugins/seismic/README.md -->`: in the site the file
stands there, with its links set right. If the page has a title, the title of the file is left out.
A link out of docs/ leads to the page that shows the file.
A file that no page shows is named by its path, since the repository has no address of its own.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)\s]+)\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.M | re.S)
_TITLE = re.compile(r"^# .*\n", re.M)
_FILE = re.compile(r"^<!-- file: (\S+) -->$", re.M)
_PAGES = {
    r"plugins/(\w+)/README\.md": r"docs/fields/\1/index.md",
    r"CHANGELOG\.md": "docs/reference/changelog.md",
    r"CONTRIBUTING\.md": "docs/authors/contributing.md",
    r"SECURITY\.md": "docs/safety.md",
    r"README\.md": "docs/index.md",
    r"docs/results": "docs/results/index.md",
}
"""The pages of the site that show files of the repository."""


def rewrite(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put files into a page, and rewrite its links; code blocks stay as they are."""
    docs = Path(app.srcdir)
    here = (docs / docname).parent
    text = _links(source[0], here, here, docs)
    titled = _TITLE.match(text) is not None
    source[0] = _FILE.sub(lambda match: _file(docs.parent / match[1], here, docs, titled), text)


def _file(path: Path, here: Path, docs: Path, titled: bool) -> str:
    text = _links(path.read_text("utf-8"), path.parent, here, docs)
    return _TITLE.sub("", text, count=1) if titled else text


def _links(text: str, base: Path, here: Path, docs: Path) -> str:
    parts = _FENCE.split(text)
    return "".join(
        part
        if _FENCE.fullmatch(part)
        else _LINK.sub(lambda match: _link(match, base, here, docs), part)
        for part in parts
    )


def _link(match: re.Match[str], base: Path, here: Path, docs: Path) -> str:
    """Return a link that `base` holds as a page in `here` has it."""
    path, mark, anchor = match[3].partition("#")
    place = Path(os.path.normpath(base / path))
    if not place.is_relative_to(docs.parent):
        return match[0]
    inner = place.relative_to(docs.parent).as_posix()
    for pattern, page in _PAGES.items():
        if shown := re.fullmatch(pattern, inner):
            place = docs.parent / shown.expand(page)
    if place.is_relative_to(docs) and place.suffix:
        return f"{match[1]}[{match[2]}]({os.path.relpath(place, here)}{mark}{anchor})"
    return f"{match[2]} (`{inner}`)"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the rewriting with Sphinx."""
    app.connect("source-read", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
