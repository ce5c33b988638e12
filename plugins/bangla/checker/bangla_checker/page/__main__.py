"""Build the page: `python -m bangla_checker.page page.html`.

The page is one file, which opens from the disk. It carries Python for WebAssembly, that is Pyodide
(MPL-2.0), which `npm` fetches once, and this package. Nothing is generated beside it.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from bangla_checker.extensions.archives import BINARIES, SCRIPTS, pyodide, run, source


def build(target: Path, archive: Path | None = None) -> Path:
    """Write the page.

    Args:
        target: the file to write.
        archive: the archive of Pyodide from npm. `None` fetches it.

    Raises:
        TextError: the archive is not that of Pyodide, or npm is not installed.
    """
    target.write_text(page(pyodide(archive)), encoding="utf-8")
    return target


def page(members: Mapping[str, bytes]) -> str:
    """Return the page, with the files of Pyodide in it."""
    packed = {name: _packed(members[name]) for name in BINARIES} | {"checker": _packed(source())}
    folder = files("bangla_checker.page")
    text = (folder / "page.html").read_text("utf-8")
    script = "\n".join(members[name].decode().replace("</script", "<\\/script") for name in SCRIPTS)
    data = "\n".join(
        f'<script type="text/plain" id="{name}">{text}</script>' for name, text in packed.items()
    )
    for mark, part in (
        ("/*STYLE*/", (folder / "page.css").read_text("utf-8")),
        ("<!--DATA-->", data),
        ("/*PYODIDE*/", script),
        ("/*PAGE*/", (folder / "page.js").read_text("utf-8")),
    ):
        text = text.replace(mark, part)
    return text


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


if __name__ == "__main__":
    raise SystemExit(run("bangla_checker.page", __doc__, "the page to write, 9 MB", build))
