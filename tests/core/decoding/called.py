"""Functions that read a file, for a child or another process to call."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np

import scionwood


def values(reader):
    return [record.data.tolist() for record in reader]


def kind_of(cls, path):
    with cls(path) as reader:
        return type(reader).__name__


def describe(path, *, factor=1):
    """Return plain data of every kind that a function may return."""
    text = path.read_text("utf-8")
    values = np.arange(20_000, dtype="float32") * factor
    return {"text": text, "values": values, "where": (path, os.getpid()), "word": {"a"}}


def lines(path, *, after=None):
    for number, line in enumerate(path.read_text("utf-8").splitlines()):
        if number == after:
            raise scionwood.ReadError(str(path), "its rows are bad", "Mend them")
        yield scionwood.Record({"row": number}, np.full(3, float(line)))


def kill(path):
    os.abort()


def open_other(path, other):
    return Path(other).read_text("utf-8")


def warn_and_refuse(path):
    warnings.warn("cells are left out", UserWarning, stacklevel=1)
    raise scionwood.RecipeError("columns", "none is known", "Name them")


def nothing_plain(path):
    return object()


def nothing_annotated(path) -> str:
    return [1]
