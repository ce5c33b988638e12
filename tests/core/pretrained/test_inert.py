"""Hostile checkpoints: nothing of them runs, and they get neither memory nor time."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from case_table import table

from scionwood import WeightsError
from scionwood.authoring import read_tensors

REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n"


def checkpoint(path: Path, content: bytes, values: bytes = bytes(64)) -> Path:
    """Write a file as `torch.save` lays it out, around any pickle and one storage."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/data/0", values)
        archive.writestr("archive/version", "3\n")
    return path


def word(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def number(value: int) -> bytes:
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def storage(key: str = "0", count: int = 16) -> bytes:
    return STORAGE + word(key) + word("cpu") + number(count) + b"tQ"


def tensor(shape: list[int], strides: list[int], offset: int = 0, at: bytes = b"") -> bytes:
    sizes = [b"(" + b"".join(map(number, part)) + b"t" for part in (shape, strides)]
    hooks = b"\x89ccollections\nOrderedDict\n)R"
    return REBUILD + b"(" + (at or storage()) + number(offset) + b"".join(sizes) + hooks + b"tR"


FOREIGN = b"cevil\nThing\n)\x81"
"""An object of an unknown class, without which torch's own reader would take the file."""


def listed(*parts: bytes) -> bytes:
    return b"\x80\x02(" + b"".join([FOREIGN, *parts]) + b"l."


class Command:
    """What a stranger would pickle."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


class Layer(torch.nn.Module):
    """A module of a package that a reader does not have."""

    def __init__(self, mark: Path) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 2, dtype=torch.bfloat16)
        self.register_buffer("mean", torch.arange(6.0).view(2, 3).T)
        self.register_buffer("table", torch.zeros(2), persistent=False)
        self.command = Command(mark)


def test_a_module_gives_its_state_dict_and_its_code_does_not_run(tmp_path: Path) -> None:
    layer = Layer(tmp_path / "ran")
    torch.save({"model": layer, "epoch": 3}, tmp_path / "a.pt")
    found = read_tensors(tmp_path / "a.pt")
    assert not (tmp_path / "ran").exists()
    assert list(found) == [f"model.{name}" for name in layer.state_dict()]
    for name, value in layer.state_dict().items():
        assert torch.equal(found[f"model.{name}"], value.float())


def test_a_tensor_of_a_foreign_file_is_read_at_its_place(tmp_path: Path) -> None:
    values = np.arange(16, dtype="<f4")
    path = checkpoint(tmp_path / "a.pt", listed(tensor([2, 3], [4, 2], 1)), values.tobytes())
    (found,) = read_tensors(path).values()
    assert found.tolist() == [[1, 3, 5], [5, 7, 9]]


def nest(depth: int) -> bytes:
    return b"]" * depth + b"a" * (depth - 1)


def doubled(levels: int) -> bytes:
    """Lists of lists, where ten bytes multiply what a search would visit by ten."""
    text = b"]q\x00"
    for level in range(levels):
        text += b"(" + b"".join([b"h" + bytes([level])] * 10) + b"lq" + bytes([level + 1])
    return text


REFUSED = {
    "a storage outside of the archive": listed(tensor([1], [1], at=storage("../../etc/passwd"))),
    "a storage that is missing": listed(tensor([1], [1], at=storage("7"))),
    "a storage larger than its bytes": listed(tensor([1], [1], at=storage(count=17))),
    "a storage of a negative size": listed(tensor([1], [1], at=storage(count=-1))),
    "a storage of another form": listed(b"(" + word("storage") + b"tQ"),
    "a stride beyond the storage": listed(tensor([2], [1 << 40])),
    "a stride that overflows": listed(tensor([2, 2], [1 << 62, 1 << 62])),
    "a negative stride": listed(tensor([4], [-1], 8)),
    "an offset beyond the storage": listed(tensor([1], [1], 16)),
    "a number repeated by a stride of 0": listed(tensor([1 << 34], [0])),
    "an empty tensor of huge sides": listed(tensor([0, 1 << 62, 1 << 62], [1, 1, 1])),
    "a memo of 2^31 places": b"\x80\x02" + FOREIGN + b"r\xff\xff\xff\x7f.",
    "a text of 2^60 bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b".",
    "lists nested 100,000 deep": listed(nest(100_000), tensor([1], [1])),
    "lists that multiply": listed(doubled(20), tensor([1], [1])),
    "a list in itself": listed(b"]q\x00h\x00a", tensor([1], [1])),
    "a state for the rebuilder": listed(REBUILD + b"}" + word("name") + word("x") + b"sb"),
    "slots for the rebuilder": listed(REBUILD + b"N}" + word("reader") + b"Ns\x86b"),
    "a state for the class of placeholders": listed(b"cevil\nThing\n}" + word("a") + b"Nsb"),
    "a state for a tensor": listed(tensor([1], [1]) + b"}" + word("values") + b"Nsb"),
    "a tensor of no storage": listed(tensor([1], [1], at=b"]")),
    "a class named like the rebuilder": listed(tensor([1], [1]).replace(b"torch._utils", b"evil")),
    "an extension": listed(b"\x82\x01"),
    "no pickle": b"\xff\xff",
    "a cut pickle": listed(tensor([1], [1]))[:-20],
}


@table("what", REFUSED)
def test_a_hostile_pickle_is_refused(what: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        read_tensors(checkpoint(tmp_path / "a.pt", REFUSED[what]))


def test_views_of_one_storage_take_no_more_than_twice_the_file(tmp_path: Path) -> None:
    views = listed(*[tensor([1 << 14], [1], at=storage(count=1 << 14))] * 20)
    path = checkpoint(tmp_path / "a.pt", views, bytes(1 << 16))
    with pytest.raises(WeightsError, match="twice the size"):
        read_tensors(path)


def test_calls_of_known_names_do_nothing(tmp_path: Path) -> None:
    """Reductions by eval, getattr, subprocess and dotted names give placeholders alone."""
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w')"
    evil = [
        b"cbuiltins\neval\n(" + word(code) + b"tR",
        b"csubprocess\ncall\n((" + word("touch") + word(str(mark)) + b"ltR",
        b"\x8c\x08builtins\x8c\x04exec\x93(" + word(code) + b"tR",
        b"\x8c\x02os\x8c\x0bpath.os.sys\x93)R}" + word("modules") + b"Nsb",
        b"(" + word(f"touch {mark}") + b"ios\nsystem\n",
        b"cbuiltins\ngetattr\n(cos\nsystem\n" + word("__call__") + b"tR(" + word("ls") + b"tR",
    ]
    path = checkpoint(tmp_path / "a.pt", b"\x80\x04(" + b"".join([*evil, tensor([2], [1])]) + b"l.")
    assert [len(value) for value in read_tensors(path).values()] == [2]
    assert not mark.exists()
