"""Load an adapter that a stranger may have made: all is checked before it reaches the model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn as nn
from peft import PeftConfig, PeftModel
from peft.utils import set_peft_model_state_dict

from scionwood.adapters.attaching import check_frozen_base, wrap
from scionwood.adapters.blueprint import blueprint, check_rank
from scionwood.adapters.head import train_head
from scionwood.adapters.identity import ATTRIBUTE, remembered_hash
from scionwood.adapters.indices import check_indices
from scionwood.adapters.methods import is_tuner
from scionwood.adapters.modules import restored_on_error
from scionwood.adapters.targets import check_patterns, literal, matched, module_names, pin, settle
from scionwood.adapters.untrusted import Spec, check_specs, read_header, read_tensors
from scionwood.adapters.untrusted_config import Manifest, read_config, read_manifest, tensors_path
from scionwood.errors import AdapterError, AdapterFileError


def load_adapter(
    model: nn.Module, folder: Path, *, trainable: bool = False, name: str = "default"
) -> PeftModel:
    """Put a saved adapter on its base.

    A folder without `scionwood.json` (plain peft) is loaded too, with a warning: nothing tells
    whether the base is the right one, and its targets are found by its own pattern, after that was
    found harmless. With `scionwood.json` the explicit list of modules counts and no pattern runs.

    Args:
        model: the bare backbone, changed in place; or a model with adapters, for one more.
        folder: as `save_adapter` wrote it.
        trainable: whether adapter and head train on; otherwise all is frozen and in eval mode.
        name: of the adapter in the model.

    Raises:
        AdapterFileError: the folder is damaged, hostile, or made for another base; the model is as
            it was before.
    """
    folder = Path(folder)
    with _named(folder):
        manifest = read_manifest(folder)
        config = read_config(folder, manifest)
        path = tensors_path(folder)
        found = read_header(path)
        identity = _check_base(model, manifest, folder)
        check_frozen_base(config)
        names = _modules(model, config, manifest)
        check_rank(config, model, names)
        own = blueprint(model, config, names)
        check_specs(path, found, {k: Spec(v.dtype, tuple(v.shape)) for k, v in own.items()})
        tensors = read_tensors(path, found)
        check_indices(tensors, own, model, config)
        with restored_on_error(model), torch.random.fork_rng(devices=[]), _no_pattern_warning():
            tuned = wrap(model, config, name, names)
            _fill(tuned, tensors, name)
    object.__setattr__(tuned, ATTRIBUTE, identity)
    _set_training(tuned, name, trainable)
    return tuned


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """Turn every error about the adapter into one about the file."""
    try:
        yield
    except AdapterFileError:
        raise
    except AdapterError as error:
        raise AdapterFileError(f"{folder}: {error.value}", error.rule, error.remedy) from error


@contextmanager
def _no_pattern_warning() -> Iterator[None]:
    """AdaLoRA's rank pattern names tensors, of which peft warns that they are no modules."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The following rank_pattern keys did not match")
        yield


def _check_base(model: nn.Module, manifest: Manifest | None, folder: Path) -> str:
    identity = remembered_hash(model)
    if manifest is None:
        warnings.warn(
            f"{folder} has no scionwood.json: whether it was made for this base is not known",
            stacklevel=3,
        )
    elif manifest.sha256 != identity:
        raise AdapterFileError(
            str(folder),
            f"made for the base {manifest.sha256[:64]}, this one is {identity}",
            "Build the backbone with the weights, size and dtype that it was trained with",
        )
    return identity


def _modules(model: nn.Module, config: PeftConfig, manifest: Manifest | None) -> list[str]:
    """The modules that the adapter goes to; the config then holds no pattern of the file."""
    if manifest is None or not is_tuner(config.peft_type.value):
        return settle(model, config, None)
    names = module_names(model)
    if foreign := sorted(set(manifest.modules) - set(names)):
        raise AdapterError(f"module {foreign[0][:200]!r}", "the base has no such module")
    if isinstance(config.target_modules, str):
        config.target_modules = literal(manifest.modules)
    check_patterns(config, names)
    if config.target_modules is not None:
        chosen = matched(config, names)
        if chosen != manifest.modules:
            raise AdapterError(
                f"modules {manifest.modules[:3]}", f"the config adapts others: {chosen[:3]}"
            )
        pin(config, chosen, model)
    return manifest.modules


def _fill(model: PeftModel, tensors: Mapping[str, torch.Tensor], name: str) -> None:
    result = set_peft_model_state_dict(model, dict(tensors), adapter_name=name)
    is_prompt = model.peft_config[name].is_prompt_learning  # loads its tensors by another way
    if result.unexpected_keys and not is_prompt:
        raise AdapterError(
            f"tensors {', '.join(result.unexpected_keys[:3])}", "peft has no place for them"
        )


def _set_training(model: PeftModel, name: str, trainable: bool) -> None:
    model.peft_config[name].inference_mode = not trainable
    if not trainable:
        model.requires_grad_(False)
        model.eval()
        return
    if model.peft_config[name].is_prompt_learning:
        model.prompt_encoder[name].requires_grad_(True)
    else:
        model.set_adapter(name)
    train_head(model)
