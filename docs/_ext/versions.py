r"""Publish a built site: put it into the folder of its version, list all versions, and push.

    SCIONWOOD_VERSION=v0.1.0 SCIONWOOD_VERSIONS=https://HOST/versions.json \
        python docs/_ext/versions.py docs/_build/html --push origin

The branch gh-pages holds one folder for each version: `dev`, `v0.1.0`. Its index.html leads to the
newest release, or to `dev`. Releases are never removed. Without --push, `--into FOLDER` writes the
same folders to a place of this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

VERSION = re.compile(r"dev|v\d+\.\d+\.\d+")
BRANCH = "gh-pages"


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


def push(built: Path, version: str, address: str, remote: str) -> None:
    """Publish into the branch of the pages, in a working tree of its own, and push it.

    Args:
        built: the site, as `make docs` builds it.
        version: `dev`, or a tag such as `v0.1.0`.
        address: where versions.json will be.
        remote: the remote of the repository that this process runs in.
    """
    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder) / "pages"
        if git("ls-remote", "--heads", remote, BRANCH):
            git("fetch", "--depth", "1", remote, BRANCH)
            git("worktree", "add", "--detach", str(pages), "FETCH_HEAD")
        else:  # the first time
            git("worktree", "add", "--orphan", "-b", BRANCH, str(pages))
        try:
            publish(built, pages, version, address)
            git("add", "--all", "--force", at=pages)
            if git("status", "--porcelain", at=pages):
                git("commit", "--quiet", "--message", version, at=pages)
                git("push", "--quiet", remote, f"HEAD:refs/heads/{BRANCH}", at=pages)
        finally:
            git("worktree", "remove", "--force", str(pages))


def git(*words: str, at: Path | None = None) -> str:
    """Run git in a folder, and return what it prints; its failure ends this program."""
    run = subprocess.run(["git", *words], cwd=at, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"git {words[0]}: it failed with {run.returncode}, as printed above")
    return run.stdout


def main() -> None:
    """Publish the version that the environment names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("built", type=Path)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--push", metavar="REMOTE")
    place.add_argument("--into", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    version, address = os.environ["SCIONWOOD_VERSION"], os.environ["SCIONWOOD_VERSIONS"]
    if options.push:
        push(options.built, version, address, options.push)
    else:
        publish(options.built, options.into, version, address)


if __name__ == "__main__":
    main()
