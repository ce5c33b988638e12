r"""Put a built site into the folder of its version, and list all versions for the switcher.

    SCIONWOOD_VERSION=v0.1.0 SCIONWOOD_VERSIONS=https://HOST/versions.json \
        python docs/_ext/versions.py docs/_build/html pages

`pages` holds one folder for each version: `dev`, `v0.1.0`. Its index.html leads to the newest
release, or to `dev`. Releases are never removed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

VERSION = re.compile(r"dev|v\d+\.\d+\.\d+")


def publish(built: Path, pages: Path, version: str, address: str) -> None:
    """Replace the folder of a version, and write versions.json and index.html.

    Args:
        built: the site, as `make docs` builds it.
        pages: the folder of all versions.
        version: `dev`, or a tag such as `v0.1.0`.
        address: where versions.json will be.
    """
    if not VERSION.fullmatch(version):
        raise SystemExit(f"{version}: a version is dev, or v and three numbers. Mend the tag")
    pages.mkdir(exist_ok=True)
    shutil.rmtree(pages / version, ignore_errors=True)
    shutil.copytree(built, pages / version, ignore=shutil.ignore_patterns(".doctrees"))
    names = [path.name for path in pages.iterdir() if VERSION.fullmatch(path.name)]
    names.sort(key=lambda name: [int(part) for part in re.findall(r"\d+", name)], reverse=True)
    root = address.rpartition("/")[0]
    listed = [
        {"name": name, "version": name, "url": f"{root}/{name}/", "preferred": name == names[0]}
        for name in names
    ]
    (pages / "versions.json").write_text(json.dumps(listed, indent=1) + "\n", "utf-8")
    forward = f'<meta http-equiv="refresh" content="0; url={names[0]}/index.html">'
    (pages / "index.html").write_text(f"<!doctype html>\n{forward}\n", "utf-8")
    (pages / ".nojekyll").touch()  # GitHub would leave out _static otherwise


if __name__ == "__main__":
    version, address = os.environ["SCIONWOOD_VERSION"], os.environ["SCIONWOOD_VERSIONS"]
    publish(Path(sys.argv[1]), Path(sys.argv[2]), version, address)
