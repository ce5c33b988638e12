"""Parsers with faults, which the fuzz must find."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import h5py
import numpy as np

from scionwood import ReadError
from scionwood_kit import Parser

GOOD = b"GOOD 0123456789"


class Careful(Parser):
    """Refuses whatever it did not write."""

    suffixes = (".good",)

    @classmethod
    def parse(cls, path: Path) -> object:
        if not (content := path.read_bytes()).startswith(b"GOOD"):
            raise ReadError(str(path), "it does not start with GOOD", "Copy it again")
        return [content]

    @classmethod
    def write_sample(cls, path: Path) -> None:
        path.write_bytes(GOOD)


class Careless(Careful):
    """Raises a foreign error for a wrong start."""

    suffixes = (".bad",)

    @classmethod
    def parse(cls, path: Path) -> object:
        content = path.read_bytes()
        if not content.startswith(b"GOOD"):
            raise KeyError("start")
        return [content]


class Deadly(Careful):
    """Kills its process for a wrong start."""

    suffixes = (".dead",)

    @classmethod
    def parse(cls, path: Path) -> object:
        content = path.read_bytes()
        if not content.startswith(b"GOOD"):
            os.abort()
        return [content]


class Greedy(Careful):
    """Wants more memory than there is for a wrong start."""

    suffixes = (".large",)

    @classmethod
    def parse(cls, path: Path) -> object:
        content = path.read_bytes()
        if not content.startswith(b"GOOD"):
            return [bytes(3 << 30)]
        return [content]


class Sleepy(Careful):
    """Sleeps for ever for a wrong start."""

    suffixes = (".slow",)

    @classmethod
    def parse(cls, path: Path) -> object:
        content = path.read_bytes()
        while not content.startswith(b"GOOD"):
            time.sleep(1)
        return [content]


class Stillborn(Careful):
    """Kills its process when its sample is written."""

    suffixes = (".still",)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Trusting(Careful):
    """Loads arrays of objects, which are pickles."""

    suffixes = (".npy",)

    @classmethod
    def parse(cls, path: Path) -> object:
        try:
            return [np.load(path, allow_pickle=True)]
        except Exception as error:
            raise ReadError(str(path), f"no array ({error})", "Copy it again") from error

    @classmethod
    def write_sample(cls, path: Path) -> None:
        np.save(path, np.arange(3.0))


class Following(Trusting):
    """Reads whatever a file of HDF5 points to."""

    suffixes = (".h5",)

    @classmethod
    def parse(cls, path: Path) -> object:
        try:
            with h5py.File(path) as file:
                return [file["data"][:9]]
        except Exception as error:
            raise ReadError(str(path), f"no array ({error})", "Copy it again") from error

    @classmethod
    def write_sample(cls, path: Path) -> None:
        with h5py.File(path, "w") as file:
            file["data"] = np.arange(9.0)
