"""Save an adapter as a plain peft folder, with `scionwood.json` beside it for what peft forgets."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

from scionwood.adapters.head import head_names
from scionwood.adapters.identity import remembered_hash
from scionwood.adapters.methods import origin
from scionwood.adapters.modules import tuner_layers, whole, writes
from scionwood.errors import AdapterError
from scionwood.files import atomic_path

CONFIG, TENSORS, MANIFEST = "adapter_config.json", "adapter_model.safetensors", "scionwood.json"
FORMAT = 1


def save_adapter(
    model: PeftModel,
    folder: Path,
    *,
    base: Mapping[str, str] | None = None,
    name: str | None = None,
) -> None:
    """Write one adapter; plain `peft.PeftModel.from_pretrained(backbone, folder)` opens it.

    Each file is replaced whole, the tensors last: saving again during a run changes only them, so
    that the folder is valid at any moment. In a distributed run every rank calls this, since
    sharded tensors are gathered; the first rank writes.

    Args:
        model: with adapters.
        folder: is made where it is missing.
        base: free entries about the base (architecture, weights, licence).
        name: of the adapter; the active one where None, or the one that trains among several.

    Raises:
        AdapterError: there is no such adapter, or it is merged into the base.
        OSError: the disk is full or not writable; the old file stays.
    """
    name = name or active_adapter(model)
    state = adapter_state(model, name)
    if not writes():
        return
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = model.peft_config[name]
    _write_json(folder / CONFIG, config_record(config))
    _write_json(folder / MANIFEST, manifest(model, name, dict(base or {})))
    with atomic_path(folder / TENSORS) as path:
        save_file(state, path, metadata={"format": "pt"})


def adapter_state(model: PeftModel, name: str | None = None) -> dict[str, torch.Tensor]:
    """The tensors of one adapter by the names that a peft file has for them, on the CPU.

    Sharded tensors are gathered, which every rank has to call for. Shared tensors are copied.

    Raises:
        AdapterError: there is no such adapter, or it is merged into the base.
    """
    name = name or active_adapter(model)
    if name not in model.peft_config:
        known = ", ".join(model.peft_config)
        raise AdapterError(f"adapter {name!r}", "the model has no such adapter", f"It has: {known}")
    if any(name in layer.merged_adapters for layer in tuner_layers(model).values()):
        raise AdapterError(f"adapter {name!r}", "it is merged into the base", "Unmerge it first")
    with warnings.catch_warnings():
        # AdaLoRA may leave a layer no rank at all, which peft takes for a shard.
        warnings.filterwarnings("ignore", message=".*tensor.s. have invalid shape")
        state = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    return {key: whole(value) for key, value in state.items()}


def active_adapter(model: PeftModel) -> str:
    """The name of the one active adapter, or of the one that trains among several.

    Raises:
        AdapterError: several are active and not one of them trains, so that one must be named.
    """
    active: list[str] = list(model.active_adapters)
    found = active if len(active) == 1 else [name for name in active if _trains(model, name)]
    if len(found) != 1:
        raise AdapterError(f"active adapters {active}", "one must be chosen", "Give its name")
    return found[0]


def config_record(config: PeftConfig) -> dict[str, Any]:
    """What goes into `adapter_config.json`: no path, no module name of this machine."""
    record = {
        key: sorted(value) if isinstance(value, set) else value
        for key, value in config.to_dict().items()
    }
    record.update(inference_mode=True, auto_mapping=None, base_model_name_or_path=None)
    record.pop("runtime_config", None)
    return record


def manifest(model: PeftModel, name: str, base: dict[str, str]) -> dict[str, Any]:
    """What goes into `scionwood.json`."""
    config = model.peft_config[name]
    source = origin(config)
    return {
        "format": FORMAT,
        "method": source.method,
        "peft_type": config.peft_type.value,
        "requires_plugin": source.plugin,
        "distribution": source.distribution,
        "base": {**base, "sha256": remembered_hash(model)},
        "modules": adapted(model, name),
        "head": list(head_names(model)),
        "versions": {each: _version(each) for each in ("scionwood", "peft", "torch")},
    }


def adapted(model: PeftModel, name: str) -> list[str]:
    """The modules that one adapter is on, in the model's order, which is part of its state.

    Parameters that are targeted by themselves (`target_parameters`) are no modules.
    """
    return [
        module
        for module, layer in tuner_layers(model).items()
        if name in layer._all_available_adapter_names() and not hasattr(layer, "parameter_name")
    ]


def _trains(model: PeftModel, name: str) -> bool:
    return any(
        parameter.requires_grad
        for layer in tuner_layers(model).values()
        for key, parameter in layer.named_parameters()
        if name in key.split(".") and not key.startswith("base_layer.")
    )


def _write_json(path: Path, record: dict[str, Any]) -> None:
    text = json.dumps(record, indent=2, sort_keys=True, default=_plain)
    with atomic_path(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if hasattr(value, "value"):  # an enum that is not a str
        return value.value
    raise AdapterError(f"option {value!r}", f"a {type(value).__name__} cannot be saved as JSON")


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # run from a source tree
        return "unknown"
