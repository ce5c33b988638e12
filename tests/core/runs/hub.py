"""A server on this machine that speaks as much of the hub as push and pull need, for tests.

It keeps a list of commits for each repository, and serves plain files under `/files/`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Files = dict[str, bytes]
TOKEN = "hf_of_the_tests"


@dataclass
class Repository:
    """The commits of a repository, the oldest first, and its tags."""

    private: bool = True
    commits: list[tuple[str, Files]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def add(self, files: Files) -> str:
        """Add a commit with all files of the repository, and return its name."""
        content = b"".join(name.encode() + data for name, data in sorted(files.items()))
        commit = hashlib.sha1(content + bytes([len(self.commits)])).hexdigest()
        self.commits.append((commit, dict(files)))
        return commit

    def at(self, revision: str) -> tuple[str, Files] | None:
        """Return the commit that a branch, tag or name means."""
        if revision == "main":
            return self.commits[-1] if self.commits else ("0" * 40, {})
        wanted = self.tags.get(revision, revision)
        return next((commit for commit in self.commits if commit[0] == wanted), None)


@dataclass
class Hub:
    """What the server holds, how it misbehaves, and what it was asked.

    Attributes:
        url: its address.
        repositories: by `owner/name`.
        files: plain files by name, served at `/files/NAME`.
        redirects: addresses by path.
        sizes: false sizes that the list of a repository's files announces, by file name.
        cut: names of files of which only half is sent.
        requests: "METHOD path" of all requests so far.
    """

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    files: Files = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)

    def latest(self, repository: str) -> Files:
        """Return the present files of a repository."""
        return self.repositories[repository].commits[-1][1]

    def replace(self, repository: str, **files: bytes | None) -> str:
        """Add a commit in which some files differ; None removes one. Return its name.

        The manifest of the run is left out, unless it is among the files.
        """
        content = {**self.latest(repository), "files.json": None, **files}
        kept = {name: data for name, data in content.items() if data is not None}
        return self.repositories[repository].add(kept)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if path in self.hub.redirects:
            self._send(b"", 302, Location=self.hub.redirects[path])
            return
        for method, pattern, route in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == ("POST" if self.command == "POST" else "GET"):
                route(self, body, *match.groups())
                return
        self._missing("EntryNotFound")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, body: Any, status: int = 200, *, cut: bool = False, **headers: str) -> None:
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = cut

    def _missing(self, code: str) -> None:
        self._send({"error": code}, 404, X_Error_Code=code)

    def _found(self, name: str, revision: str | None) -> tuple[str, Files] | None:
        if name not in self.hub.repositories:
            self._missing("RepoNotFound")
            return None
        found = self.hub.repositories[name].at(revision or "main")
        if found is None:
            self._missing("RevisionNotFound")
        return found

    def _info(self, _: bytes, name: str, revision: str | None = None) -> None:
        if found := self._found(name, revision):
            sizes = {k: self.hub.sizes.get(k, len(v)) for k, v in found[1].items()}
            siblings = [{"rfilename": k, "size": size} for k, size in sizes.items()]
            private = self.hub.repositories[name].private
            self._send({"id": name, "sha": found[0], "private": private, "siblings": siblings})

    def _tree(self, _: bytes, name: str, revision: str) -> None:
        if found := self._found(name, revision):
            self._send(
                [
                    {"type": "file", "oid": _blob(v), "size": len(v), "path": k}
                    for k, v in found[1].items()
                ]
            )

    def _resolve(self, _: bytes, name: str, revision: str, path: str) -> None:
        found = self._found(name, revision)
        if found and path not in found[1]:
            self._missing("EntryNotFound")
        elif found:
            etag = f'"{_blob(found[1][path])}"'
            cut = path in self.hub.cut
            self._send(found[1][path], cut=cut, ETag=etag, X_Repo_Commit=found[0])

    def _file(self, _: bytes, name: str) -> None:
        if name in self.hub.files:
            self._send(self.hub.files[name], cut=name in self.hub.cut)
        else:
            self._missing("EntryNotFound")

    def _create(self, body: bytes) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send({"error": "Invalid username or password."}, 401)
            return
        wanted = json.loads(body)
        name = f"{wanted['organization']}/{wanted['name']}"
        exists = name in self.hub.repositories
        if not exists:
            private = wanted.get("visibility") == "private" or wanted.get("private", False)
            self.hub.repositories[name] = Repository(private)
        self._send({"url": f"{self.hub.url}/{name}", "name": name}, 409 if exists else 200)

    def _yaml(self, _: bytes) -> None:
        self._send({"errors": [], "warnings": []})

    def _preupload(self, body: bytes, *_: str) -> None:
        paths = [file["path"] for file in json.loads(body)["files"]]
        plain = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
        self._send({"files": [{"path": path, **plain} for path in paths]})

    def _commit(self, body: bytes, name: str, _: str) -> None:
        repository = self.hub.repositories[name]
        found = repository.at("main")
        files = dict(found[1]) if found else {}
        for item in map(json.loads, body.splitlines()):
            if item["key"] == "file":
                files[item["value"]["path"]] = base64.b64decode(item["value"]["content"])
            if item["key"] == "deletedFile":
                del files[item["value"]["path"]]
        commit = repository.add(files)
        self._send({"commitOid": commit, "commitUrl": f"{self.hub.url}/{name}/commit/{commit}"})


_NAME = "([^/]+/[^/]+)"
_ROUTES = [
    ("GET", rf"/api/models/{_NAME}", _Handler._info),
    ("GET", rf"/api/models/{_NAME}/revision/([^/]+)", _Handler._info),
    ("GET", rf"/api/models/{_NAME}/tree/([^/]+)", _Handler._tree),
    ("GET", rf"/{_NAME}/resolve/([^/]+)/(.+)", _Handler._resolve),
    ("GET", r"/files/([^/]+)", _Handler._file),
    ("POST", r"/api/repos/create", _Handler._create),
    ("POST", r"/api/validate-yaml", _Handler._yaml),
    ("POST", rf"/api/models/{_NAME}/preupload/(.+)", _Handler._preupload),
    ("POST", rf"/api/models/{_NAME}/commit/(.+)", _Handler._commit),
]


def _blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def serve() -> Iterator[Hub]:
    """Run the server in a thread until the block ends."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield hub
        server.shutdown()
        thread.join()
