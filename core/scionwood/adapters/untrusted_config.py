"""Turn a stranger's `adapter_config.json` and `scionwood.json` into a config that does no harm."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from scionwood.adapters.methods import config_class
from scionwood.adapters.peft_types import BUILT_IN
from scionwood.adapters.save import CONFIG, FORMAT, MANIFEST, TENSORS
from scionwood.adapters.targets import PATTERNS
from scionwood.adapters.untrusted import LARGEST, read_json, regular_file
from scionwood.errors import AdapterError, AdapterFileError

IGNORED = frozenset(
    {
        "auto_mapping",  # names a class and a module, for peft's Auto classes alone
        "base_model_name_or_path",
        "revision",
        "runtime_config",
        "megatron_core",
        "inference_mode",
        "peft_version",
        # how values are made before training; the file brings the values
        "eva_config",
        "corda_config",
        "lora_ga_config",
        "loftq_config",
    }
)
"""Options that say nothing about the function that a saved adapter computes."""

REFUSED = frozenset(
    {
        "megatron_config",  # imports a module
        "adapters",  # names other folders
        "arrow_config",
        "prompt_tuning_init_state_dict_path",
        "tokenizer_kwargs",
    }
)
"""Options with which a file could reach out of its folder."""


@dataclass(frozen=True)
class Manifest:
    """What `scionwood.json` says, its types checked.

    Attributes:
        method: `lora` or `plugin/name`.
        peft_type: as in the config.
        distribution: what brings the plugin, as the file claims.
        sha256: of the base.
        modules: the adapted modules in order.
    """

    method: str
    peft_type: str
    distribution: str
    sha256: str
    modules: list[str]


def read_manifest(folder: Path) -> Manifest | None:
    """`scionwood.json`, or None where the folder is plain peft.

    Raises:
        AdapterFileError: it is damaged, or of a newer format.
    """
    if not (folder / MANIFEST).exists() and not (folder / MANIFEST).is_symlink():
        return None
    path = regular_file(folder, MANIFEST)
    record = read_json(path)
    if record.get("format") != FORMAT:
        raise AdapterFileError(
            str(path), f"format {record.get('format')!r}, not {FORMAT}", "Upgrade scionwood"
        )
    match record:
        case {
            "method": str(method),
            "peft_type": str(kind),
            "base": {"sha256": str(sha256)},
            "modules": list(modules),
        } if all(isinstance(name, str) for name in modules):
            claimed = str(record.get("distribution") or "")
            known = re.match(r"[A-Za-z0-9._-]{1,80}", claimed)
            return Manifest(method, kind, known[0] if known else "", sha256, modules)
        case _:
            raise AdapterFileError(str(path), "lacks method, peft_type, base.sha256 or modules")


def read_config(folder: Path, manifest: Manifest | None) -> PeftConfig:
    """A config made of the harmless options of a file.

    Raises:
        AdapterFileError: the method is unknown or its plugin missing, an option is unknown, reaches
            out of the folder, or has a value without bounds.
    """
    path = regular_file(folder, CONFIG)
    record = read_json(path)
    kind = record.get("peft_type")
    if not isinstance(kind, str) or (manifest is not None and kind != manifest.peft_type):
        raise AdapterFileError(str(path), f"has no usable peft_type ({kind!r})")
    cls = _class(path, kind, manifest)
    known = {field.name for field in dataclasses.fields(cls) if field.init}
    options = {key: value for key, value in record.items() if key not in IGNORED}
    if unknown := sorted(set(options) - known):
        raise AdapterFileError(
            f"{path}: {', '.join(unknown)[:200]}",
            f"this version of peft has no such option of {kind}",
            "Upgrade peft",
        )
    for key, value in options.items():
        _check_option(path, key, value)
    try:
        config: PeftConfig = cls(**options, inference_mode=True)
    except Exception as error:  # peft checks its options with errors of every kind
        raise AdapterFileError(str(path), f"{type(error).__name__}: {error}") from error
    return config


def tensors_path(folder: Path) -> Path:
    """The path of the tensors, which must be safetensors.

    Raises:
        AdapterFileError: there are none; a pickle is never opened.
    """
    if not (folder / TENSORS).exists() and (folder / "adapter_model.bin").exists():
        raise AdapterFileError(
            str(folder / "adapter_model.bin"),
            "is a pickle, which can run code when it is opened",
            f"Have it saved as {TENSORS}",
        )
    return regular_file(folder, TENSORS)


def _class(path: Path, kind: str, manifest: Manifest | None) -> type[PeftConfig]:
    if kind == "XLORA":
        raise AdapterFileError(f"{path}: {kind}", "such an adapter loads other models")
    wanted: type[PeftConfig] | None = None
    if manifest is not None and "/" in manifest.method and kind not in BUILT_IN:
        wanted = _plugin_class(path, manifest)  # its import registers the type
    known: type[PeftConfig] | None = PEFT_TYPE_TO_CONFIG_MAPPING.get(kind)
    if wanted is not None and wanted is not known:
        raise AdapterFileError(f"{path}: peft_type {kind[:80]!r}", "is of another method")
    if known is None:
        raise AdapterFileError(
            f"{path}: peft_type {kind[:80]!r}",
            "neither peft nor an imported module has such a method",
            "Import the module that registers it with scionwood.peft_method",
        )
    return known


def _plugin_class(path: Path, manifest: Manifest) -> type[PeftConfig]:
    try:
        return config_class(manifest.method)
    except AdapterError as error:
        claim = manifest.distribution
        hint = f"It was saved with {claim}; if you trust it: pip install {claim}" if claim else ""
        raise AdapterFileError(
            f"{path}: {error.value}", error.rule, f"{error.remedy} {hint}".strip()
        ) from error


def _check_option(path: Path, key: str, value: Any) -> None:
    if (key in REFUSED and value) or (key == "shadow_model" and value != "mirror"):
        raise AdapterFileError(f"{path}: {key}", "a saved adapter may not ask for this")
    for item in _leaves(value):
        if isinstance(item, str) and len(item) > 512 and key not in PATTERNS:
            raise AdapterFileError(f"{path}: {key}", "a text has at most 512 characters")
        if not isinstance(item, int | float) or "seed" in key or "prng" in key:
            continue
        if not abs(item) <= (1 << 40 if isinstance(item, int) and "alpha" not in key else LARGEST):
            raise AdapterFileError(f"{path}: {key}={item!r:.40}", "is out of all bounds")


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for pair in value.items() for part in pair for leaf in _leaves(part)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]
