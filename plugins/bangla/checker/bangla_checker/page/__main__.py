"""Build the page: `python -m bangla_checker.page page.html`.

The page is one file, which opens from the disk. It carries Python for WebAssembly, that is Pyodide
(MPL-2.0), which `npm` fetches once, and this package. Nothing is generated beside it.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import io
import subprocess
import tarfile
import tempfile
import zipfile
from importlib.resources import files
from pathlib import Path

import bangla_checker
from bangla_checker.errors import CheckerError, TextError

PYODIDE = "0.27.7"
DIGEST = "89d5d952675eb08e11286e52c7238f1248ce71726e896db9703e73bef23dc343"
"""The SHA-256 of its archive in the registry of npm."""

BINARIES = ("pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
SCRIPTS = ("pyodide.asm.js", "pyodide.js")


def build(target: Path, archive: Path | None = None) -> Path:
    """Write the page.

    Args:
        target: the file to write.
        archive: the archive of Pyodide from npm. `None` fetches it.

    Raises:
        TextError: the archive is not that of `PYODIDE`, or npm is not installed.
    """
    content = _fetched() if archive is None else archive.read_bytes()
    if hashlib.sha256(content).hexdigest() != DIGEST:
        rule = f"its SHA-256 is not that of Pyodide {PYODIDE}"
        raise TextError(str(archive or "the archive"), rule, f"npm pack pyodide@{PYODIDE}")
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = {name: _member(tar, name) for name in (*BINARIES, *SCRIPTS)}
    packed = {name: _packed(members[name]) for name in BINARIES} | {"checker": _packed(_source())}
    folder = files("bangla_checker.page")
    page = (folder / "page.html").read_text("utf-8")
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
        page = page.replace(mark, part)
    target.write_text(page, encoding="utf-8")
    return target


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"pyodide@{PYODIDE}"]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            rule = f"npm could not fetch it ({error})"
            raise TextError(
                f"pyodide@{PYODIDE}", rule, "Name its archive with --archive"
            ) from error
        return next(Path(folder).glob("*.tgz")).read_bytes()


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(f"package/{name}")
    assert file is not None
    return file.read()


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _source() -> bytes:
    """Return this package as a zip archive, as the page imports it."""
    root, buffer = Path(bangla_checker.__file__).parent, io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(root.rglob("*")):
            if path.suffix in (".py", ".tsv"):
                name = zipfile.ZipInfo(f"bangla_checker/{path.relative_to(root).as_posix()}")
                archive.writestr(name, path.read_bytes())
    return buffer.getvalue()


def main() -> int:
    """Build the page that the command line names."""
    parser = argparse.ArgumentParser("python -m bangla_checker.page", description=__doc__)
    parser.add_argument("target", type=Path, help="the page to write, 9 MB")
    parser.add_argument("--archive", type=Path, help=f"pyodide-{PYODIDE}.tgz, without a network")
    options = parser.parse_args()
    try:
        print(build(options.target, options.archive))
    except CheckerError as error:
        print(error)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
