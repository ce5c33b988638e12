"""Readers that do to their process what damaged files do, for a child to suffer."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
import warnings
from pathlib import Path

import numpy as np

import scionwood


class HostileReader(scionwood.Reader):
    """Does what the first word of its file says: one record of 4 values if it says `good`."""

    suffixes = (".hostile",)
    dims = ("sample",)
    units = {"data": "unknown"}  # noqa: RUF012

    def __init__(self, path, *, scale=1.0):
        self.path, self.scale = Path(path), scale
        word, _, self.rest = self.path.read_text("utf-8").partition(" ")
        self.word = word
        getattr(self, f"on_{word.replace('-', '_')}", lambda: None)()

    def __len__(self):
        return 1

    def __iter__(self):
        if self.word == "warn":
            warnings.warn("samples were rounded", UserWarning, stacklevel=1)
        if self.word == "later":
            os.abort()
        yield self.read(0)

    def read(self, index):
        return scionwood.Record({"index": index}, np.arange(4, dtype="float32") * self.scale)

    def rewrite(self, target, function, *, overwrite=False):
        with scionwood.authoring.atomic_path(target, overwrite=overwrite) as part:
            part.write_text(" ".join(["good", *map(str, function(self.read(0)))]), "utf-8")

    @classmethod
    def write_sample(cls, path):
        path.write_text("good", "utf-8")

    def on_segv(self):
        ctypes.string_at(8)

    def on_abort(self):
        os.abort()

    def on_bus(self):
        libc = ctypes.CDLL(None)
        libc.mmap.restype = ctypes.c_void_p
        with self.path.open("rb") as file:  # the second page lies behind the end of the file
            held = libc.mmap(None, ctypes.c_size_t(1 << 13), 1, 2, file.fileno(), ctypes.c_long(0))
            ctypes.string_at(held + (1 << 12), 1)

    def on_exit(self):
        os._exit(3)

    def on_hang(self):
        while True:
            pass

    def on_sleep(self):
        time.sleep(600)

    def on_memory(self):
        self.held = np.ones(2 << 30, np.uint8)

    def on_foreign(self):
        raise KeyError("a key of a library")

    def on_open(self):
        Path(self.rest).read_text("utf-8")

    def on_write(self):
        Path(self.rest).write_text("written", "utf-8")

    def on_network(self):
        socket.socket()

    def on_program(self):
        subprocess.run(["true"], check=True)

    def on_signal(self):
        os.kill(os.getppid(), signal.SIGTERM)

    def on_forge_attributes(self):
        vars(self).update({name: "forged" for name in ("rewrite", "strange", "_shared", "units")})
        vars(self)["__class__"] = vars(self)["on_hang"] = vars(self)["close"] = "forged"

    def on_forge_path(self):
        self.path = Path("/etc/passwd")

    def on_forged(self):
        for number in range(3, 256):  # whatever descriptor leads to the parent
            try:
                os.write(number, b"\xff" * 64)
            except OSError:
                continue
        time.sleep(600)
