"""What the page and the extensions carry: this package as an archive, and Pyodide."""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import bangla_checker
from bangla_checker.errors import CheckerError, TextError

PYODIDE = "0.27.7"
DIGEST = "89d5d952675eb08e11286e52c7238f1248ce71726e896db9703e73bef23dc343"
"""The SHA-256 of its archive in the registry of npm."""

BINARIES = ("pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
SCRIPTS = ("pyodide.asm.js", "pyodide.js")
_MAIN = b"from bangla_checker.command import main\n\nraise SystemExit(main())\n"


def source() -> bytes:
    """Return this package as a zip archive, which Python runs and imports."""
    root = Path(bangla_checker.__file__).parent
    paths = (path for path in root.rglob("*") if path.suffix in (".py", ".tsv"))
    members = {f"bangla_checker/{path.relative_to(root).as_posix()}": path for path in paths}
    content = {n: p.read_bytes() for n, p in members.items() if "/extensions/" not in n}
    return zipped({"__main__.py": _MAIN, **content})


def zipped(members: Mapping[str, bytes]) -> bytes:
    """Return a zip archive with these members, the same one each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name)
            archive.writestr(entry, members[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def pyodide(archive: Path | None = None) -> dict[str, bytes]:
    """Return the files of Pyodide.

    Args:
        archive: its archive from npm. `None` fetches it.

    Raises:
        TextError: the archive is not that of `PYODIDE`, or npm is not installed.
    """
    if archive is None:
        with tempfile.TemporaryDirectory() as folder:
            npm("pack", f"pyodide@{PYODIDE}", folder=Path(folder))
            content = next(Path(folder).glob("*.tgz")).read_bytes()
    else:
        content = archive.read_bytes()
    if hashlib.sha256(content).hexdigest() != DIGEST:
        rule = f"its SHA-256 is not that of Pyodide {PYODIDE}"
        raise TextError(str(archive or "the archive"), rule, f"npm pack pyodide@{PYODIDE}")
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {name: _member(tar, name) for name in (*BINARIES, *SCRIPTS)}


def npm(*words: str, folder: Path) -> None:
    """Run npm in a folder.

    Raises:
        TextError: npm is not installed, or cannot fetch the package.
    """
    try:
        command = ["npm", *words, "--silent", "--ignore-scripts"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        rule = f"npm could not fetch it ({error})"
        raise TextError(words[-1], rule, "Install npm, and check the network") from error


def run(name: str, about: str | None, target: str, build: Callable[..., object]) -> int:
    """Build what a command line names, and return the exit status."""
    parser = argparse.ArgumentParser(f"python -m {name}", description=about)
    parser.add_argument("target", type=Path, help=target)
    parser.add_argument("--archive", type=Path, help=f"pyodide-{PYODIDE}.tgz, without a network")
    options = parser.parse_args()
    try:
        print(build(options.target, options.archive))
    except CheckerError as error:
        print(error)
        return 2
    return 0


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(f"package/{name}")
    assert file is not None
    return file.read()
