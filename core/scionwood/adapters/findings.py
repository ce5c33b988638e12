"""List everything that is wrong with a saved adapter, where loading stops at the first fault."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path

import torch.nn as nn

from scionwood.adapters.compatibility import check_against
from scionwood.adapters.content import read_stated, record_beside, stated_hash
from scionwood.adapters.folder import SavedAdapter, config_of, manifest_of, tensors_path
from scionwood.adapters.modules import declared_head
from scionwood.adapters.rules import Ended, Finding, Rules
from scionwood.adapters.save import MANIFEST
from scionwood.adapters.untrusted import read_header, read_json
from scionwood.errors import ScionwoodError
from scionwood.runs.layout import ADAPTER, FILES, HEAD
from scionwood.runs.manifest import manifest_faults, read_manifest


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
