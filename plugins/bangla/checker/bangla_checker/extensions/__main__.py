"""Build all that a writer installs: `python -m bangla_checker.extensions FOLDER`.

The folder gets the page for any browser, the extensions of LibreOffice (`.oxt`), of VS Code
(`.vsix`) and of Chromium (`.zip`), and `checker.pyz`, which is the command in one file. All carry
this package as it is here. `npm` fetches Pyodide (MPL-2.0) and vscode-languageclient (MIT).
"""

from __future__ import annotations

import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from bangla_checker.extensions.archives import npm, pyodide, run, source, zipped
from bangla_checker.page.__main__ import page


def build(folder: Path, archive: Path | None = None) -> Path:
    """Write the page, the extensions and the command in one file.

    Args:
        folder: the folder to write; it is made if it is missing.
        archive: the archive of Pyodide from npm. `None` fetches it.

    Raises:
        TextError: the archive is not that of Pyodide, or npm cannot fetch a package.
    """
    members = pyodide(archive)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {
        "bangla.html": page(members).encode(),
        "checker.pyz": source(),
        "bangla-checker.oxt": office(),
        "bangla-checker.vsix": vscode(),
        "bangla-checker-chromium.zip": browser(members),
    }.items():
        (folder / name).write_bytes(content)
    return folder


def office() -> bytes:
    """Return the extension of LibreOffice; its Python finds the checker in `pythonpath.zip`."""
    return zipped({**_folder("office"), "pythonpath.zip": source()})


def browser(members: dict[str, bytes]) -> bytes:
    """Return the extension of Chromium, which carries Pyodide."""
    return zipped({**_folder("browser"), **members, "checker.zip": source()})


def vscode() -> bytes:
    """Return the extension of VS Code, with its client of the language server."""
    client = _folder("vscode")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "package.json").write_bytes(client["package.json"])
        npm("install", "--omit=dev", "--no-package-lock", folder=place)
        fetched = _files(place / "node_modules", "node_modules/")
    content = {**client, **fetched, "checker.pyz": source()}
    members = {f"extension/{name}": part for name, part in content.items()}
    types = members.pop("extension/types.xml")
    manifest = members.pop("extension/manifest.xml")
    heads = {"[Content_Types].xml": types, "extension.vsixmanifest": manifest}
    return zipped({**heads, **members})


def _folder(name: str) -> dict[str, bytes]:
    with as_file(files("bangla_checker.extensions") / name) as place:
        return _files(place)


def _files(place: Path, prefix: str = "") -> dict[str, bytes]:
    paths = (p for p in place.rglob("*") if p.is_file() and p.suffix not in (".pyc", ".map"))
    return {prefix + path.relative_to(place).as_posix(): path.read_bytes() for path in paths}


if __name__ == "__main__":
    raise SystemExit(run("bangla_checker.extensions", __doc__, "the folder to write", build))
