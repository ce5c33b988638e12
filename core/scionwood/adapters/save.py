"""Save an adapter as a folder that plain peft opens, with `scionwood.json` beside its files.

`scionwood.json` records what peft does not: the hash of the base and that of the adapter's own
tensors, the adapted modules, the method's plugin and the versions.
"""

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

from scionwood.adapters.content import KEY, stated_hash, write_record, write_stated
from scionwood.adapters.head import head_names
from scionwood.adapters.identity import remembered_identity, warn_if_changed
from scionwood.adapters.layers.tuners import marked
from scionwood.adapters.methods import origin
from scionwood.adapters.modules import gathered, has_adapter, learned, tuner_layers, writes
from scionwood.adapters.sharing import untied
from scionwood.errors import AdapterError
from scionwood.runs.seal import changing
from scionwood_sandbox.files import writing

CONFIG, TENSORS, MANIFEST = "adapter_config.json", "adapter_model.safetensors", "scionwood.json"
FORMAT = 1


def save_adapter(
    model: PeftModel,
    folder: str | Path,
    *,
    base: Mapping[str, str] | None = None,
    name: str | None = None,
    corruption: Mapping[str, str] | None = None,
) -> None:
    """Write one adapter as a folder that `peft.PeftModel.from_pretrained(backbone, folder)` opens.

    Each file is replaced as a whole. Saving again during a run changes the tensors and their hash
    only. While the tensors change no hash is stated, so that the folder is valid at any moment. In
    a distributed run every rank calls this function, since sharded tensors are gathered, and rank 0
    writes.

    Args:
        model: A model with adapters.
        folder: The folder; it is created if it is missing.
        base: Free entries about the base, such as architecture, weights and licence.
        name: The name of the adapter. `None` means the active one, or the one that trains if
            several are active.
        corruption: Name and source hash of the function by which the task corrupted its samples;
            see `scionwood.authoring.Corruption`.

    Warns:
        BaseChangedWarning: A buffer of the frozen base is not what it was when the adapter was
            attached.

    Raises:
        AdapterError: The model has no such adapter, or it is merged into the base.
        WriteError: The disk is full or not writable. The previous files stay.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> from pathlib import Path
        >>> scionwood.save_adapter(tuned, "adapter", base={"licence": "Apache-2.0"})
        >>> sorted(path.name for path in Path("adapter").iterdir())
        ['adapter_config.json', 'adapter_model.safetensors', 'scionwood.json']
    """
    name = name or active_adapter(model)
    state = adapter_state(model, name)
    warn_if_changed(model)
    if not writes():
        return
    folder = Path(folder)
    record = manifest(model, name, dict(base or {}))
    record |= {"corruption": dict(corruption)} if corruption else {}
    if head := _head_hash(folder / MANIFEST):
        record[KEY] = {"head": head}
    records = {
        CONFIG: marked(config_record(model.peft_config[name]), model, name),
        MANIFEST: marked(record, model, name),
    }
    with writing(folder), changing(folder, (CONFIG, MANIFEST, TENSORS)):
        folder.mkdir(parents=True, exist_ok=True)
        for file, record in records.items():
            write_record(folder / file, record)
        write_stated(folder / TENSORS, state, folder / MANIFEST, "adapter")


def adapter_state(model: PeftModel, name: str | None = None) -> dict[str, torch.Tensor]:
    """Return the tensors of one adapter on the CPU, by the names that a file of peft uses.

    Sharded tensors are gathered, so every rank must call this function. Shared tensors are copied.

    Args:
        model: A model with adapters.
        name: The name of the adapter, as in `save_adapter`.

    Raises:
        AdapterError: The model has no such adapter, or it is merged into the base.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> from scionwood.adapters import adapter_state
        >>> {name: tuple(tensor.shape) for name, tensor in adapter_state(tuned).items()}
        {'base_model.model.0.lora_A.weight': (2, 8), 'base_model.model.0.lora_B.weight': (16, 2)}
    """
    name = name or active_adapter(model)
    if name not in model.peft_config:
        adapters = ", ".join(model.peft_config)
        raise AdapterError(
            f"adapter {name!r}", "the model has no such adapter", f"It has: {adapters}"
        )
    if any(name in layer.merged_adapters for layer in tuner_layers(model).values()):
        raise AdapterError(f"adapter {name!r}", "it is merged into the base", "Unmerge it first")
    with warnings.catch_warnings():
        # AdaLoRA may prune a layer to rank 0, which peft mistakes for a shard.
        warnings.filterwarnings("ignore", message=".*tensor.s. have invalid shape")
        state = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    return {key: gathered(value) for key, value in state.items()}


def active_adapter(model: PeftModel) -> str:
    """Return the name of the active adapter, or of the one that trains if several are active."""
    active: list[str] = list(model.active_adapters)
    candidates = active if len(active) == 1 else [name for name in active if learned(model, name)]
    if len(candidates) != 1:
        raise AdapterError(f"active adapters {active}", "one must be chosen", "Give its name")
    return candidates[0]


def config_record(config: PeftConfig) -> dict[str, Any]:
    """Return the content of `adapter_config.json`, without any path or module of this machine."""
    record = {
        key: sorted(value) if isinstance(value, set) else value
        for key, value in config.to_dict().items()
    }
    record.update(inference_mode=True, auto_mapping=None, base_model_name_or_path=None)
    record.pop("runtime_config", None)
    return record


def manifest(model: PeftModel, name: str, base: dict[str, str]) -> dict[str, Any]:
    """Return the content of `scionwood.json`."""
    config = model.peft_config[name]
    source, identity = origin(config), remembered_identity(model)
    return {
        "format": FORMAT,
        "method": source.method,
        "peft_type": config.peft_type.value,
        "requires_plugin": source.plugin,
        "distribution": source.distribution,
        "base": {**base, "sha256": identity.sha256},
        **({"base_sketch": near} if (near := identity.record()) else {}),
        "modules": adapted(model, name),
        "head": list(head_names(model)),
        **({"untied": names} if (names := list(untied(model))) else {}),
        "versions": {package: _version(package) for package in ("scionwood", "peft", "torch")},
    }


def adapted(model: PeftModel, name: str) -> list[str]:
    """List the modules that an adapter wraps, in the order of the model.

    The order is part of the state of some methods. Parameters that the config targets directly
    (`target_parameters`) are not modules and are left out, and so is the part of peft that holds
    trained tokens (`trainable_token_indices`).
    """
    return [
        module
        for module, layer in tuner_layers(model).items()
        if has_adapter(layer, name)
        and not hasattr(layer, "parameter_name")
        and not module.endswith(".token_adapter")
    ]


def _head_hash(path: Path) -> str:
    """Return the hash of the head that a folder states already: saving leaves the head alone."""
    try:
        return stated_hash(json.loads(path.read_bytes()), "head")
    except (OSError, ValueError, AttributeError):  # there is none, or it is to be replaced
        return ""


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # run from a source tree
        return "unknown"
