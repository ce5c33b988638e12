"""The tensors of an adapter and of a head in files, and the hashes by which they are known.

`scionwood.json` states the hash of an adapter as `tensors.adapter`, and that of the head beside it
as `tensors.head`, so that a replaced file is not loaded in silence. A folder that an earlier
version wrote states none, and is loaded without this check.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
from safetensors.torch import save_file

from scionwood.adapters.head import head_names, head_state
from scionwood.adapters.modules import declared_head, gathered, writes
from scionwood.adapters.rules import LOADING, Rules
from scionwood.adapters.untrusted import (
    Spec,
    raw_tensors,
    read_header,
    read_json,
    read_untrusted,
    spec_faults,
    specs_of,
    value_faults,
)
from scionwood.errors import AdapterError, AdapterFileError
from scionwood.runs.layout import ADAPTER, HEAD, MANIFEST
from scionwood.runs.seal import changing, check_part
from scionwood_sandbox.files import atomic_path, writing

Tensors = dict[str, torch.Tensor]

KEY = "tensors"
"""The entry of `scionwood.json`: a hash for `adapter`, and one for `head`."""

_REPLACED = "Fetch it again. If you changed it yourself: scionwood.save_adapter writes the hash"


def tensors_hash(tensors: Tensors) -> str:
    """Return the SHA-256 over names, dtypes, shapes and bytes of tensors.

    The order of the tensors and the metadata of a file do not count.

    Args:
        tensors: values by name, of any shapes.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> from scionwood.adapters import tensors_hash
        >>> weights = {"b": torch.ones(2), "a": torch.zeros(3)}
        >>> tensors_hash(weights) == tensors_hash(dict(reversed(weights.items())))
        True
    """
    total = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def read_stated(
    path: Path,
    specs: Mapping[str, Spec],
    checksum: str,
    rules: Rules = LOADING,
    part: str = "tensors",
) -> Tensors:
    """Read the tensors of a file whose header was checked, and compare them with a stated hash.

    An empty checksum means that no hash is stated. `part` begins the names of the rules.
    """
    with rules(f"{part}: data"):
        tensors = raw_tensors(path, specs)
    with rules(f"{part}: values", goes_on=True) as faults:
        faults += value_faults(path, tensors)
    if not checksum:
        rules.skip(f"{part}: hash", f"{MANIFEST} states no such hash")
        return tensors
    with rules(f"{part}: hash", goes_on=True):
        if (have := tensors_hash(tensors)) != checksum:
            rule = f"its tensors have the hash {have[:12]}..., and {MANIFEST} states "
            raise AdapterFileError(str(path), f"{rule}{checksum[:12]}...", _REPLACED)
    return tensors


def stated_hash(record: Mapping[str, Any], part: str) -> str:
    """Return the hash that the content of `scionwood.json` states, or an empty text."""
    hashes = record.get(KEY)
    value = hashes.get(part) if isinstance(hashes, Mapping) else None
    return value if isinstance(value, str) else ""


def record_beside(head: Path) -> Path | None:
    """Return the `scionwood.json` of the adapter beside which a head's file lies, if there is one.

    A file of another name than that of a head in a run folder belongs to no adapter.
    """
    places = (head.parent / ADAPTER / MANIFEST, head.parent / MANIFEST)
    return next((p for p in places if p.is_file()), None) if head.name == HEAD else None


def state_hash(path: Path, part: str, value: str) -> None:
    """Write a hash into a `scionwood.json`; an empty text removes the entry.

    Args:
        path: the file.
        part: `adapter` or `head`.
        value: the hash.

    Raises:
        AdapterFileError: the file is damaged.

    Example:
        >>> from pathlib import Path
        >>> from scionwood.adapters import state_hash
        >>> written = Path("scionwood.json").write_text("{}")
        >>> state_hash(Path("scionwood.json"), "adapter", "0" * 64)
        >>> '"adapter": "0000' in Path("scionwood.json").read_text()
        True
    """
    record = read_json(path)
    hashes = {key: stated_hash(record, key) for key in ("adapter", "head")} | {part: value}
    record[KEY] = {key: digest for key, digest in hashes.items() if digest}
    write_record(path, record if record[KEY] else {k: v for k, v in record.items() if k != KEY})


def write_stated(path: Path, state: Tensors, record: Path | None, part: str) -> None:
    """Write tensors and state their hash; none is stated meanwhile, so that the folder is valid."""
    if record:
        state_hash(record, part, "")
    with atomic_path(path) as file:
        save_file(state, file, metadata={"format": "pt"})
    if record:
        state_hash(record, part, tensors_hash(state))


def restate(folder: Path) -> None:
    """State the hashes of the tensors that lie in the folder of a run or of an adapter now.

    A folder that states no hash stays as it is.
    """
    for place, head in ((folder / ADAPTER, folder / HEAD), (folder, folder / HEAD)):
        path = place / MANIFEST
        if not path.is_file():
            continue
        for part, file in (("adapter", place / "adapter_model.safetensors"), ("head", head)):
            if stated_hash(read_json(path), part) and file.is_file():
                state_hash(path, part, tensors_hash(read_untrusted(file)))


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON object as a whole, with sorted keys."""
    text = json.dumps(record, indent=2, sort_keys=True, default=_plain)
    with atomic_path(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if hasattr(value, "value"):  # an enum that is not a str
        return value.value
    raise AdapterError(f"option {value!r}", f"a {type(value).__name__} cannot be saved as JSON")


def save_head(model: nn.Module, path: str | Path) -> None:
    """Write the parameters and buffers of the head as safetensors.

    If `adapter/` lies beside a file `head.safetensors`, its `scionwood.json` states the hash.

    In a distributed run every rank calls this function, and rank 0 writes.

    Args:
        model: A backbone that declares a head, with or without adapters.
        path: The file to write; an existing file is replaced.

    Raises:
        AdapterError: The model has no head.
        WriteError: The disk is full or not writable. The previous file stays.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=("1",))
        >>> scionwood.save_head(tuned, "head.safetensors")
        >>> from safetensors.torch import load_file
        >>> sorted(load_file("head.safetensors"))
        ['1.bias', '1.weight']
    """
    state = {name: gathered(value) for name, value in _state(model).items()}
    if not writes():
        return
    path = Path(path)
    record = record_beside(path)
    names = (path.name, *([record.relative_to(path.parent).as_posix()] if record else []))
    with writing(path), changing(path.parent, names):
        write_stated(path, state, record, "head")


def load_head(model: nn.Module, path: str | Path) -> None:
    """Load a head into a model that has the same head.

    All tensors of the file are checked before any value of the model changes.

    Args:
        model: A backbone, with or without adapters. If it declares no head, the modules whose
            tensors are in the file become its head.
        path: A file written by `save_head`.

    Raises:
        AdapterError: The model has no head.
        AdapterFileError: The file has other tensors, other shapes, or values that are not finite.
            Or its tensors are not those whose hash the adapter beside it states.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=("1",))
        >>> scionwood.save_head(tuned, "head.safetensors")
        >>> zeros = torch.nn.init.zeros_(model[1].bias)
        >>> scionwood.load_head(tuned, "head.safetensors")
        >>> bool(zeros.any())
        True
    """
    path = Path(path)
    check_part(path.parent)
    specs = read_header(path)
    names = () if head_names(model) else {name.rpartition(".")[0] for name in specs}
    with declared_head(model, sorted(names)):
        state = _state(model)
        with LOADING("names and shapes") as faults:
            faults += spec_faults(path, specs, specs_of(state))
        record = record_beside(path)
        tensors = read_stated(path, specs, stated_hash(read_json(record), "head") if record else "")
    with torch.no_grad():
        for name, value in state.items():
            value.copy_(tensors[name])


def _state(model: nn.Module) -> Tensors:
    state = head_state(model)
    if not state:
        raise AdapterError(
            f"head of {type(model).__name__}",
            "the backbone declares none",
            "Set backbone.head, or name the head: attach(..., head=(...))",
        )
    return state
