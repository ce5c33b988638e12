"""Fork children that are ready to decode: this process imports libraries and reads no data.

It starts with `python -c`, so that no thread and no open file of the parent is in it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import NoReturn

from scionwood_sandbox.decoding import namespaces, sandbox
from scionwood_sandbox.decoding.child import serve

MESSAGE = 1 << 17
"""Bytes of the largest message to the zygote."""

_DEBUG = "SANDBOX_DEBUG"  # its standard error stays open
_SYSTEM = ("/usr/lib", "/lib", "/lib64", "/usr/local/lib", "/usr/share/zoneinfo")
_DEVICES = ("/dev/null", "/dev/urandom")


def run(descriptor: int) -> None:
    """Serve the control socket until every client has closed it."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1) if os.environ.get(_DEBUG) else (0, 1, 2):
        os.dup2(null, number)
    sys.setrecursionlimit(3000)
    apart = "namespaces" not in sandbox.left_out() and namespaces.enter()
    _Zygote(socket.socket(fileno=descriptor), apart).loop()


@dataclass
class _Zygote:
    control: socket.socket
    apart: bool
    waiting: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    spare: tuple[int, socket.socket] | None = None
    loaded: set[str] = field(default_factory=set)
    libraries: list[str] = field(default_factory=list)
    writing: dict[int, list[str]] = field(default_factory=dict)

    def loop(self) -> None:
        self.waiting.register(self.control, selectors.EVENT_READ)
        self.libraries = _libraries()
        while True:
            for key, _ in self.waiting.select():
                if key.data is None:
                    self._request()
                else:
                    self._ended(key.fd, *key.data)

    def _request(self) -> None:
        data, passed, _, _ = socket.recv_fds(self.control, MESSAGE, 4)
        if not data:
            self._end()
        job = json.loads(data)
        if "modules" in job:
            self._warm(job["modules"], job["path"])
            return
        child, sock = self.spare or self._fork()
        self.spare = None
        socket.send_fds(sock, [data], passed[:1])
        sock.close()
        os.close(passed[0])
        handle = os.pidfd_open(child)
        self.waiting.register(handle, selectors.EVENT_READ, (child, passed[1]))
        if job["write"]:
            self.writing[child] = job["write"]
        self.spare = self._fork()

    def _end(self) -> NoReturn:
        """End with the parent, which was killed if a child still writes for it."""
        self._drop_spare()
        for child, folders in self.writing.items():
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)

    def _warm(self, modules: list[str], path: list[str]) -> None:
        sys.path += [place for place in path if place not in sys.path]
        for name in modules:
            if name not in self.loaded:
                self.loaded.add(name)
                try:
                    importlib.import_module(name)
                except Exception as error:  # a child that needs it reports the error itself
                    print(f"{name}: {error}", file=sys.stderr)
        self.libraries = _libraries()
        gc.collect()
        gc.freeze()  # children write to none of its pages
        self._drop_spare()

    def _drop_spare(self) -> None:
        if self.spare:
            child, sock = self.spare
            sock.close()
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            self.spare = None

    def _fork(self) -> tuple[int, socket.socket]:
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child = os.fork()
        if child:
            its.close()
            return child, mine
        try:
            mine.close()
            self._become_child(its)
        except BaseException as error:  # nothing of the zygote may go on in the child
            print(f"child: {type(error).__name__}: {error}", file=sys.stderr)
        os._exit(70)

    def _become_child(self, its: socket.socket) -> None:
        for key in list(self.waiting.get_map().values()):
            if key.data is not None:
                os.close(key.fd)
                os.close(key.data[1])
        self.waiting.close()
        self.control.close()
        data, passed, _, _ = socket.recv_fds(its, MESSAGE, 4)
        its.close()
        if data:
            serve(socket.socket(fileno=passed[0]), json.loads(data), self.libraries, self.apart)

    def _ended(self, handle: int, child: int, status: int) -> None:
        _, code, usage = os.wait4(child, 0)
        self.waiting.unregister(handle)
        self.writing.pop(child, None)
        os.close(handle)
        report = [code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10]
        try:
            os.write(status, json.dumps(report).encode())
        except BrokenPipeError:  # the parent closed the file, and asks no more
            pass
        finally:
            os.close(status)


def _libraries() -> list[str]:
    """Return what decoders may read: the interpreter, the packages that are loaded, devices.

    A folder of the path of imports is not among them: it may hold the user's own files.
    """
    paths = {sys.prefix, sys.base_prefix, *_SYSTEM, *_DEVICES}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and ("." in name or hasattr(module, "__path__")):
            paths.add(os.path.dirname(file))  # editable installs
        elif file:
            paths.add(file)
    return sorted(paths)
