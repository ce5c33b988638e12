"""Read the folder of a saved adapter without trusting it.

`adapter_config.json` and `scionwood.json` become a config that holds harmless options only. Of the
tensors, only the header of the file is read here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from scionwood.adapters.content import stated_hash
from scionwood.adapters.identity import BaseIdentity, stated_identity
from scionwood.adapters.layers.tuners import take_layers_of_file, unmarked
from scionwood.adapters.methods import BUILT_IN, config_class
from scionwood.adapters.patterns import PATTERNS
from scionwood.adapters.rules import LOADING, Rules
from scionwood.adapters.save import CONFIG, FORMAT, MANIFEST, TENSORS
from scionwood.adapters.untrusted import LARGEST, Spec, read_header, read_json
from scionwood.errors import AdapterError, AdapterFileError
from scionwood.runs.seal import check_part

IGNORED = frozenset(
    {
        "auto_mapping",  # names a class and a module, which only the Auto classes of peft use
        "base_model_name_or_path",
        "revision",
        "runtime_config",
        "megatron_core",
        "inference_mode",
        "peft_version",
        # initial values before training; the file has the trained values
        "eva_config",
        "corda_config",
        "lora_ga_config",
        "loftq_config",
    }
)
"""Options without influence on what a saved adapter computes; they are dropped."""

REFUSED = frozenset(
    {
        "megatron_config",  # imports a module
        "adapters",  # names other folders
        "arrow_config",
        "prompt_tuning_init_state_dict_path",
        "tokenizer_kwargs",
    }
)
"""Options with which a file could reach outside its folder; they must be empty."""


@dataclass(frozen=True)
class Manifest:
    """The content of `scionwood.json` after a check of its types.

    Attributes:
        method: The name of the method, `lora` or `plugin/name`.
        peft_type: The type of the method in peft, as in the config.
        distribution: The distribution that provides the plugin, as the file claims.
        base: The identity of the base that the adapter was made for.
        modules: The names of the adapted modules in order.
        head: The names of the modules that trained beside the adapter.
        untied: The names of the tensors that were given copies of their own.
        tensors: The hash of the adapter's own tensors; empty if an earlier version saved it.
    """

    method: str
    peft_type: str
    distribution: str
    base: BaseIdentity
    modules: list[str]
    head: list[str]
    untied: list[str]
    tensors: str = ""

    @property
    def sha256(self) -> str:
        """The hash of the base, see `base_hash`."""
        return self.base.sha256


@dataclass(frozen=True)
class SavedAdapter:
    """An adapter on disk whose files were checked by themselves, not yet against a model.

    Attributes:
        folder: The folder.
        manifest: The content of `scionwood.json`, or `None` if plain peft wrote the folder.
        config: A peft config without harmful options.
        path: The file of the tensors.
        specs: The tensors that the header of this file announces.

    Example:
        >>> from scionwood.adapters import read_folder
        >>> saved = read_folder(scionwood.find_run("seismic/denoise", quiet=True) / "adapter")
        >>> len(saved.specs) == 2 * len(saved.manifest.modules)
        True
    """

    folder: Path
    manifest: Manifest | None
    config: PeftConfig
    path: Path
    specs: dict[str, Spec]


def read_folder(folder: Path) -> SavedAdapter:
    """Read and check the files of a saved adapter, except the values of its tensors.

    Args:
        folder: A folder written by `save_adapter` or by peft.

    Raises:
        AdapterFileError: A file is missing, damaged or of a newer format, or it asks for something
            that could do harm.

    Example:
        >>> from pathlib import Path
        >>> from scionwood.adapters import read_folder
        >>> saved = read_folder(scionwood.find_run("seismic/denoise", quiet=True) / "adapter")
        >>> saved.config.r, saved.manifest.method
        (16, 'lora')
    """
    check_part(folder)
    manifest = manifest_of(folder)
    config = config_of(folder, manifest)
    path = tensors_path(folder)
    return SavedAdapter(folder, manifest, config, path, read_header(path))


def manifest_of(folder: Path) -> Manifest | None:
    """Read `scionwood.json`, or return `None` if the folder has none."""
    if not (folder / MANIFEST).exists() and not (folder / MANIFEST).is_symlink():
        return None
    path = folder / MANIFEST
    record = read_json(path)
    if record.get("format") != FORMAT:
        raise AdapterFileError(
            str(path), f"format {record.get('format')!r}, not {FORMAT}", "Upgrade scionwood"
        )
    base, lists = stated_identity(record), [record.get(key, []) for key in ("head", "untied")]
    names: list[Any] = [record.get("modules"), *([n] if isinstance(n, str) else n for n in lists)]
    are_names = all(isinstance(n, list) and all(isinstance(name, str) for name in n) for n in names)
    match record:
        case {"method": str(method), "peft_type": str(kind)} if base is not None and are_names:
            claimed = str(record.get("distribution") or "")
            name_match = re.match(r"[A-Za-z0-9._-]{1,80}", claimed)
            distribution = name_match[0] if name_match else ""
            modules, head, untied = names
            tensor_hash = stated_hash(record, "adapter")
            return Manifest(method, kind, distribution, base, modules, head, untied, tensor_hash)
    rule = "method, peft_type, base.sha256, modules, head or untied is missing or wrong"
    raise AdapterFileError(str(path), rule)


def config_of(folder: Path, manifest: Manifest | None, rules: Rules = LOADING) -> PeftConfig:
    """Build a config from the harmless options of `adapter_config.json`; see `option_faults`."""
    path = folder / CONFIG
    record = read_json(path)
    kind = record.get("peft_type")
    if not isinstance(kind, str) or (manifest is not None and kind != manifest.peft_type):
        raise AdapterFileError(str(path), f"has no usable peft_type ({kind!r})")
    cls = class_of(path, unmarked(kind), manifest)
    with rules("config: options") as faults:
        faults += option_faults(path, record, cls)
    try:
        config: PeftConfig = cls(**_options(record), inference_mode=True)
    except Exception as error:  # peft raises errors of many types
        raise AdapterFileError(str(path), f"{type(error).__name__}: {error}") from error
    take_layers_of_file(config, kind)
    return config


def option_faults(
    path: Path, record: Mapping[str, Any], cls: type[PeftConfig]
) -> Iterator[AdapterFileError]:
    """Yield an error for each option of a config that is unknown, harmful or out of bounds."""
    options = _options(record)
    option_names = {field.name for field in dataclasses.fields(cls) if field.init}
    if unknown := sorted(set(options) - option_names):
        yield AdapterFileError(
            f"{path}: {', '.join(unknown)[:200]}",
            f"this version of peft has no such option of {record.get('peft_type')}",
            "Upgrade peft",
        )
    for key, value in options.items():
        yield from _option_faults(path, key, value)


def _options(record: Mapping[str, Any]) -> dict[str, Any]:
    options = {key: value for key, value in record.items() if key not in IGNORED}
    return {**options, "peft_type": unmarked(record["peft_type"])}


def tensors_path(folder: Path) -> Path:
    """Return the path of the tensors. They must be safetensors; a pickle is never opened."""
    if not (folder / TENSORS).exists() and (folder / "adapter_model.bin").exists():
        raise AdapterFileError(
            str(folder / "adapter_model.bin"),
            "is a pickle, which can run code when it is opened",
            f"Have it saved as {TENSORS}",
        )
    return folder / TENSORS


def class_of(path: Path, kind: str, manifest: Manifest | None) -> type[PeftConfig]:
    """Return the config class of a method, or refuse one that is unknown or loads other models."""
    if kind == "XLORA":
        raise AdapterFileError(f"{path}: {kind}", "an adapter of this type loads other models")
    plugin_class: type[PeftConfig] | None = None
    if manifest is not None and "/" in manifest.method and kind not in BUILT_IN:
        plugin_class = _plugin_class(path, manifest)  # its import registers the type
    registered_class: type[PeftConfig] | None = PEFT_TYPE_TO_CONFIG_MAPPING.get(kind)
    if plugin_class is not None and plugin_class is not registered_class:
        raise AdapterFileError(f"{path}: peft_type {kind[:80]!r}", "belongs to another method")
    if registered_class is None:
        raise AdapterFileError(
            f"{path}: peft_type {kind[:80]!r}",
            "neither peft nor an imported module has this method",
            "Import the module that registers it with scionwood.authoring.peft_method",
        )
    return registered_class


def _plugin_class(path: Path, manifest: Manifest) -> type[PeftConfig]:
    try:
        return config_class(manifest.method)
    except AdapterError as error:
        claim = manifest.distribution
        hint = f"It was saved with {claim}; if you trust it: pip install {claim}" if claim else ""
        raise AdapterFileError(
            f"{path}: {error.value}", error.rule, f"{error.remedy} {hint}".strip()
        ) from error


def _option_faults(path: Path, key: str, value: Any) -> Iterator[AdapterFileError]:
    if (key in REFUSED and value) or (key == "shadow_model" and value != "mirror"):
        yield AdapterFileError(f"{path}: {key}", "a saved adapter may not set this option")
    elif value is not None and not _is_of_its_kind(key, value):
        yield AdapterFileError(f"{path}: {key}={value!r:.40}", "is not of the type that peft takes")
    is_pattern = key in PATTERNS or key.endswith("_pattern")  # bounded where they are matched
    for item in _leaves(value):
        if isinstance(item, str) and len(item) > 512 and not is_pattern:
            yield AdapterFileError(f"{path}: {key}", "the text has more than 512 characters")
        if not isinstance(item, int | float) or "seed" in key or "prng" in key:
            continue
        if not abs(item) <= (1 << 40 if isinstance(item, int) and "alpha" not in key else LARGEST):
            yield AdapterFileError(f"{path}: {key}={item!r:.40}", "is out of bounds")


def _is_of_its_kind(key: str, value: Any) -> bool:
    names = isinstance(value, list) and all(isinstance(item, str) for item in value)
    if key in PATTERNS or key == "layers_pattern":
        return names or isinstance(value, str)
    if key in ("modules_to_save", "target_parameters"):
        return names
    return isinstance(value, Mapping) if key.endswith("_pattern") else True


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for pair in value.items() for part in pair for leaf in _leaves(part)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]
