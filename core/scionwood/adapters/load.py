"""Load an adapter that a stranger may have made.

`load_adapter` takes three steps and never goes back to an earlier one:

1. Check. `folder` reads the files and checks them by themselves. `compatibility` checks them
   against the model and reads the values. The model is not changed.
2. Build. `attaching` wraps the layers of the model, and restores the model if a step fails.
3. Load. This module fills the checked values in, and sets what trains.

`inspect_folder` runs the first step alone, and lists everything that is wrong with an adapter.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
import torch.nn as nn
from peft import PeftModel
from peft.utils import set_peft_model_state_dict

from scionwood.adapters.attaching import wrap
from scionwood.adapters.compatibility import check_against
from scionwood.adapters.content import read_stated, record_beside, stated_hash
from scionwood.adapters.folder import (
    SavedAdapter,
    config_of,
    manifest_of,
    read_folder,
    tensors_path,
)
from scionwood.adapters.head import backbone, keep_statistics, train_head
from scionwood.adapters.identity import ATTRIBUTE, remember_buffers, remembered_identity
from scionwood.adapters.layers.attention import is_dead
from scionwood.adapters.modules import declared_head
from scionwood.adapters.rules import Ended, Finding, Rules
from scionwood.adapters.save import MANIFEST
from scionwood.adapters.sharing import untie
from scionwood.adapters.untrusted import read_header, read_json
from scionwood.errors import AdapterError, AdapterFileError, ScionwoodError
from scionwood.runs.layout import ADAPTER, FILES, HEAD
from scionwood.runs.manifest import manifest_faults, read_manifest


def load_adapter(
    model: nn.Module,
    folder: str | Path,
    *,
    trainable: bool = False,
    name: str = "default",
    whole: Sequence[str] = (),
) -> PeftModel:
    """Load a saved adapter into the base that it was made for.

    With `scionwood.json`, the adapter goes to the modules that this file lists, and no pattern of
    the config runs. The head that the file names becomes the head of the model; `load_head` loads
    its values. A layer that was untied when the adapter was attached is untied again. A folder of
    plain peft has no such file. It is loaded too, with a warning, since nothing tells whether the
    base is the right one. Its own pattern then selects the modules, after a check that the pattern
    cannot run for long.

    Args:
        model: The bare backbone, or a model with adapters that gets another one. It is changed in
            place.
        folder: A folder written by `save_adapter` or by peft.
        trainable: Whether adapter and head continue to train. If false, all parameters are frozen
            and the model is in eval mode.
        name: The name of the adapter in the model.
        whole: The names, or their ends, of modules outside the head that the adapter may replace by
            copies of its own, as the option `modules_to_save` of peft does. Others are refused.

    Returns:
        The model inside a `PeftModel`.

    Warns:
        UserWarning: It is a folder of plain peft, or some of its layers are never called.

    Raises:
        AdapterFileError: The folder is damaged, hostile, or made for another base. The model is
            left as it was.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=("1",))
        >>> scionwood.save_adapter(tuned, "adapter")
        >>> scionwood.save_head(tuned, "head.safetensors")
        >>> again = scionwood.load_adapter(tuned.unload(), "adapter")
        >>> again.peft_config["default"].r
        2
    """
    folder = Path(folder)
    with _name_folder(folder):
        saved = read_folder(folder)
        manifest, config = saved.manifest, saved.config
        # The stated base stays stated if the adapter trains on, at another site or after a move.
        base = manifest.base if manifest else remembered_identity(model)
        head = manifest.head if manifest else []
        # `unfreeze` declares a whole model as the head, by an empty name.
        with declared_head(model, [name for name in head if name]):
            names, tensors = check_against(model, saved, whole)
            _warn_of_dead(model, names)
            with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
                # The rank pattern of AdaLoRA names tensors and not modules, which is correct.
                warnings.filterwarnings("ignore", "The following rank_pattern keys did not match")
                tuned = wrap(model, config, name, names)
                _fill(tuned, tensors, name)
                untie(tuned, manifest.untied if manifest else [])
    object.__setattr__(tuned, ATTRIBUTE, base)
    _set_training(tuned, name, trainable)
    keep_statistics(tuned)
    if not isinstance(model, PeftModel):
        remember_buffers(tuned)
    return tuned


@contextmanager
def _name_folder(folder: Path) -> Iterator[None]:
    """Turn each error about the adapter into one that names the folder."""
    try:
        yield
    except AdapterFileError:
        raise
    except AdapterError as error:
        raise AdapterFileError(f"{folder}: {error.value}", error.rule, error.remedy) from error


def _warn_of_dead(model: nn.Module, names: Sequence[str]) -> None:
    """Warn if some of the adapted layers are never called, here or where they were trained."""
    if dead := [name for name in names if is_dead(backbone(model), name)]:
        warnings.warn(
            f"the adapter has no effect on {', '.join(dead[:3])} ({len(dead)} of {len(names)} "
            "layers): nn.MultiheadAttention reads this weight and never calls the layer",
            stacklevel=3,  # the caller of load_adapter
        )


def _fill(model: PeftModel, tensors: Mapping[str, torch.Tensor], name: str) -> None:
    result = set_peft_model_state_dict(model, dict(tensors), adapter_name=name)
    is_prompt = model.peft_config[name].is_prompt_learning  # peft reports its keys as unexpected
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


def inspect_folder(folder: str | Path, model: nn.Module | None = None) -> list[Finding]:
    """Check every rule about a saved adapter, and go on after a fault.

    Nothing is loaded into the model, and no code of the folder runs.

    Args:
        folder: the folder of the adapter; its head may lie in the folder above.
        model: the bare backbone for which it was made; None leaves the rules about it out.

    Returns:
        One finding for each rule that could be reached, in the order in which they are checked.

    Example:
        >>> from scionwood.adapters import inspect_folder
        >>> folder = scionwood.find_run("seismic/denoise", quiet=True) / "adapter"
        >>> [finding.rule for finding in inspect_folder(folder) if finding.faults]
        []
    """
    folder, findings = Path(folder), list[Finding]()
    rules = Rules(findings)
    manifest = config = tensors = None
    _files(rules, folder)
    with rules(MANIFEST, goes_on=True):
        manifest = manifest_of(folder)
    with suppress(Ended), rules("config: can be built"):
        config = config_of(folder, manifest, rules)
    with suppress(Ended):
        with rules("tensors: no pickle"):
            path = tensors_path(folder)
        with rules("tensors: header"):
            specs = read_header(path)
        tensors = read_stated(path, specs, manifest.tensors if manifest else "", rules)
    _head(rules, folder)
    if model is not None and config is not None and tensors is not None:
        saved = SavedAdapter(folder, manifest, config, path, specs)
        head = [name for name in manifest.head if name] if manifest else []
        with declared_head(model, head), warnings.catch_warnings(), suppress(Ended):
            warnings.simplefilter("ignore")
            check_against(model, saved, (), rules, tensors)
    return findings


def _files(rules: Rules, folder: Path) -> None:
    homes = (folder, folder.parent) if folder.name == ADAPTER else (folder,)
    home = next((home for home in homes if os.path.lexists(home / FILES)), None)
    if home is None:
        rules.skip(FILES, "the folder has none")
        return
    with rules(FILES, goes_on=True) as faults:
        if listed := read_manifest(home):
            faults += manifest_faults(home, listed[1])


def _head(rules: Rules, folder: Path) -> None:
    path = next((p / HEAD for p in (folder.parent, folder) if (p / HEAD).is_file()), None)
    if path is None or record_beside(path) != folder / MANIFEST:
        rules.skip("head: hash", "no head lies beside the adapter")
        return
    checksum = ""
    with suppress(ScionwoodError):  # the rule scionwood.json says it
        checksum = stated_hash(read_json(folder / MANIFEST), "head")
    with suppress(Ended):
        with rules("head: header"):
            specs = read_header(path)
        read_stated(path, specs, checksum, rules, "head")
