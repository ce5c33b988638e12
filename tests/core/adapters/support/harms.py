"""Ways to harm the folder of a saved LoRA adapter of `adapter_nets.Net`."""

from __future__ import annotations

import json
import os
import pickle
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from adapter_nets import Net
from safetensors.torch import load_file, save_file

from scionwood.adapters import base_hash

CONFIG, TENSORS, MANIFEST = "adapter_config.json", "adapter_model.safetensors", "scionwood.json"
KEY = "base_model.model.blocks.0.fc1.lora_A.weight"
OTHER = "base_model.model.blocks.1.fc1.lora_A.weight"
Harm = Callable[[Path], None]


def option(**values: Any) -> Harm:
    """Set options of the config."""
    return lambda folder: edit(folder / CONFIG, values)


def plain(**values: Any) -> Harm:
    """Set options of the config in a folder of plain peft, without scionwood.json."""

    def harm(folder: Path) -> None:
        (folder / MANIFEST).unlink()
        edit(folder / CONFIG, values)

    return harm


def other(**values: Any) -> Harm:
    """Replace the config in a folder of plain peft."""

    def harm(folder: Path) -> None:
        (folder / MANIFEST).unlink()
        (folder / CONFIG).write_text(json.dumps(values))

    return harm


def claim(**values: Any) -> Harm:
    """Set entries of scionwood.json."""
    return lambda folder: edit(folder / MANIFEST, values)


def edit(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def text(name: str, content: str | bytes) -> Harm:
    """Replace a file."""
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: _write(folder / name, data)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def raw_option(key: str, literal: str) -> Harm:
    """Set an option to text that json.dumps would not write."""

    def harm(folder: Path) -> None:
        content = json.dumps({**json.loads((folder / CONFIG).read_text()), key: "@"})
        (folder / CONFIG).write_text(content.replace('"@"', literal))

    return harm


def tensors(change: Callable[[dict[str, torch.Tensor]], Any]) -> Harm:
    """Change the tensors and write a valid file."""

    def harm(folder: Path) -> None:
        state = load_file(folder / TENSORS)
        change(state)
        save_file(state, folder / TENSORS)

    return harm


def header(change: Callable[[dict[str, Any]], Any]) -> Harm:
    """Change the header of the tensors and keep the data."""

    def harm(folder: Path) -> None:
        data = (folder / TENSORS).read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        record = json.loads(data[8 : 8 + length])
        made = change(record)
        text = made if isinstance(made, str) else json.dumps(record)
        packed = struct.pack("<Q", len(text)) + text.encode() + data[8 + length :]
        (folder / TENSORS).write_bytes(packed)

    return harm


def cut(folder: Path) -> None:
    (folder / TENSORS).write_bytes((folder / TENSORS).read_bytes()[:-10])


def grow(folder: Path) -> None:
    (folder / TENSORS).write_bytes((folder / TENSORS).read_bytes() + b"PK\x03\x04")


def link(name: str, target: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return harm


def fifo(name: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return harm


def link_inside(folder: Path) -> None:
    (folder / TENSORS).rename(folder / "elsewhere")
    (folder / TENSORS).symlink_to("elsewhere")


def socket_file(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    os.mknod(folder / MANIFEST, 0o600 | stat.S_IFSOCK)


def wide_header(folder: Path) -> None:
    """Describe 80,000 tensors without values, in a header of 6 MB."""
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    text = json.dumps({f"tensor.{n}": entry for n in range(80_000)}).encode()
    (folder / TENSORS).write_bytes(struct.pack("<Q", len(text)) + text)


def whole_stem(folder: Path) -> None:
    """Add a copy of the stem to a folder of plain peft, complete and of the right shapes."""
    plain(modules_to_save=["stem"])(folder)
    _add_stem(folder)


def forged_stem(folder: Path) -> None:
    """Add a copy of the stem to a folder whose scionwood.json is left in place."""
    option(modules_to_save=["stem"])(folder)
    _add_stem(folder)


def forged_head(folder: Path) -> None:
    """Declare the stem as a head in scionwood.json too, with the hash of the rest of the base."""
    forged_stem(folder)
    net = Net()
    net.head = ("stem", "decoder")
    claim(head=["stem", "decoder"], base={"sha256": base_hash(net)})(folder)


def _add_stem(folder: Path) -> None:
    stem = Net().stem.state_dict()
    new = {f"base_model.model.stem.{name}": value for name, value in stem.items()}
    save_file(load_file(folder / TENSORS) | new, folder / TENSORS)


def directory(folder: Path) -> None:
    (folder / TENSORS).unlink()
    (folder / TENSORS).mkdir()


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("import evil_module",))


def pickled(folder: Path) -> None:
    (folder / TENSORS).unlink()
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Bomb()))


def repeat_name(record: dict[str, Any]) -> str:
    entry = json.dumps({KEY: record[KEY]})
    return json.dumps(record)[:-1] + ", " + entry[1:]


def overlap(record: dict[str, Any]) -> None:
    names = [name for name in record if name != "__metadata__"]
    same = [n for n in names if record[n]["shape"] == record[names[0]]["shape"]]
    record[same[1]]["data_offsets"] = record[same[0]]["data_offsets"]


def huge(folder: Path) -> None:
    (folder / TENSORS).write_bytes(struct.pack("<Q", 200 << 20) + b"{}" * 100)


def endless(folder: Path) -> None:
    (folder / TENSORS).write_bytes(struct.pack("<Q", 2**63) + b"{}" * 100)
