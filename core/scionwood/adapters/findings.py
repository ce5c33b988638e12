"""List everything that is wrong with a saved adapter, where loading stops at the first fault.

The rules are those of `load_adapter`: this module calls the same functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, final

import torch
import torch.nn as nn

from scionwood.adapters.attaching import check_frozen_base
from scionwood.adapters.compatibility import (
    blueprint,
    check_base,
    check_indices,
    check_rank,
    check_replaced,
    check_task,
    check_untied,
)
from scionwood.adapters.content import check_content, record_beside, stated_hash
from scionwood.adapters.folder import (
    Manifest,
    SavedAdapter,
    class_of,
    config_of,
    manifest_of,
    option_faults,
    tensors_path,
)
from scionwood.adapters.head import declared_head
from scionwood.adapters.layers.marks import unmarked
from scionwood.adapters.save import CONFIG
from scionwood.adapters.targets import settle
from scionwood.adapters.untrusted import (
    raw_tensors,
    read_header,
    read_json,
    spec_faults,
    specs_of,
    value_faults,
)
from scionwood.errors import ScionwoodError
from scionwood.runs.layout import ADAPTER, HEAD
from scionwood.runs.manifest import manifest_faults, read_manifest

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """The result of one rule about a saved adapter.

    Attributes:
        rule: what was checked, such as `tensors: values`.
        faults: the errors that loading would raise; empty if the rule is kept.
        skipped: why the rule could not be checked; empty if it was.

    Example:
        >>> from scionwood.adapters import Finding
        >>> Finding("tensors: header").faults
        ()
    """

    rule: str
    faults: tuple[ScionwoodError, ...] = ()
    skipped: str = ""


@final
class _Findings(list[Finding]):
    """The findings so far, in the order in which loading checks the rules."""

    def check(self, rule: str, check: Callable[[], T]) -> T | None:
        """Add a rule that stops at its first fault, and return its result; None after a fault."""
        try:
            result = check()
        except ScionwoodError as fault:
            self.append(Finding(rule, (fault,)))
            return None
        self.append(Finding(rule))
        return result

    def collect(self, rule: str, faults: Iterable[ScionwoodError]) -> None:
        """Add a rule with all its faults; one that is raised ends them."""
        collected: list[ScionwoodError] = []
        try:
            collected.extend(faults)
        except ScionwoodError as fault:
            collected.append(fault)
        self.append(Finding(rule, tuple(collected)))

    def skip(self, rule: str, reason: str) -> None:
        """Add a rule that cannot be checked."""
        self.append(Finding(rule, skipped=reason))


def inspect_folder(folder: str | Path, model: nn.Module | None = None) -> list[Finding]:
    """Check every rule about a saved adapter, and go on after a fault.

    Nothing is loaded into the model, and no code of the folder runs.

    Args:
        folder: the folder of the adapter; its head may lie in the folder above.
        model: the bare backbone for which it was made; None leaves the rules about it out.

    Returns:
        One finding for each rule, in the order in which loading checks them.

    Example:
        >>> from scionwood.adapters import inspect_folder
        >>> folder = scionwood.find_run("seismic/denoise", quiet=True) / "adapter"
        >>> [finding.rule for finding in inspect_folder(folder) if finding.faults]
        []
    """
    folder, findings = Path(folder), _Findings()
    _files(findings, folder)
    manifest = findings.check("scionwood.json", lambda: manifest_of(folder))
    findings.collect("config: options", _of_options(folder, manifest))
    config = findings.check("config: can be built", lambda: config_of(folder, manifest))
    path = findings.check("tensors: no pickle", lambda: tensors_path(folder))
    tensors = _tensors(findings, path, manifest.tensors if manifest else "") if path else None
    _head(findings, folder)
    if model is not None and config is not None and path is not None and tensors is not None:
        saved = SavedAdapter(folder, manifest, config, path, read_header(path))
        _against(findings, model, saved, tensors)
    return list(findings)


def _tensors(findings: _Findings, path: Path, stated_digest: str) -> dict[str, torch.Tensor] | None:
    specs = findings.check("tensors: header", lambda: read_header(path))
    tensors = None
    if specs is not None:
        tensors = findings.check("tensors: data", lambda: raw_tensors(path, specs))
    if tensors is None:
        findings.skip("tensors: values", "the tensors cannot be read")
        findings.skip("tensors: hash", "the tensors cannot be read")
        return None
    findings.collect("tensors: values", value_faults(path, tensors))
    if stated_digest:
        findings.check("tensors: hash", lambda: check_content(path, tensors, stated_digest))
    else:
        findings.skip("tensors: hash", "scionwood.json states no such hash")
    return tensors


def _files(findings: _Findings, folder: Path) -> None:
    manifest = read_manifest(folder) if folder.name == ADAPTER else None
    home = folder.parent if folder.name == ADAPTER and manifest is None else folder
    try:
        listed = read_manifest(home)
    except ScionwoodError as fault:
        findings.collect("files.json", [fault])
        return
    if listed is None:
        findings.skip("files.json", "the folder has none")
    else:
        findings.collect("files.json", manifest_faults(home, listed[1]))


def _of_options(folder: Path, manifest: Manifest | None) -> Iterator[ScionwoodError]:
    path = folder / CONFIG
    record = read_json(path)
    if isinstance(kind := record.get("peft_type"), str):
        yield from option_faults(path, record, class_of(path, unmarked(kind), manifest))


def _head(findings: _Findings, folder: Path) -> None:
    rule = "head: hash"
    path = next((p / HEAD for p in (folder.parent, folder) if (p / HEAD).is_file()), None)
    record = record_beside(path) if path else None
    if path is None or record is None or record.parent != folder:
        findings.skip(rule, "no head lies beside the adapter")
        return

    def faults(stated_digest: str) -> Iterator[ScionwoodError]:
        tensors = raw_tensors(path, read_header(path))
        yield from value_faults(path, tensors)
        check_content(path, tensors, stated_digest)

    try:
        stated_digest = stated_hash(read_json(record), "head")
    except ScionwoodError:  # the rule scionwood.json says it
        stated_digest = ""
    if stated_digest:
        findings.collect(rule, faults(stated_digest))
    else:
        findings.skip(rule, "scionwood.json states no such hash")


def _against(
    findings: _Findings, model: nn.Module, saved: SavedAdapter, tensors: dict[str, torch.Tensor]
) -> None:
    """Check the rules about a model, which stays as it is."""
    config, head = saved.config, saved.manifest.head if saved.manifest else []
    listed = saved.manifest.modules if saved.manifest is not None else None
    check = findings.check
    with declared_head(model, [name for name in head if name]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check("model: base", lambda: check_base(model, saved))
        check("model: base stays frozen", lambda: check_frozen_base(config))
        check("model: task type", lambda: check_task(model, config))
        check("model: replaced modules", lambda: check_replaced(model, saved, ()))
        names = check("model: modules", lambda: settle(model, config, listed=listed, foreign=True))
        if names is None:
            return
        check("model: untied tensors", lambda: check_untied(saved, names))
        check("model: sizes", lambda: check_rank(config, model, names))
        if findings[-1].faults:  # a blueprint of such sizes could exhaust the memory
            return
        expected = check("model: layers", lambda: blueprint(model, config, names))
        if expected is None:
            return
        findings.collect(
            "model: names and shapes", spec_faults(saved.path, saved.specs, specs_of(expected))
        )
        if not findings[-1].faults:
            check("model: indices", lambda: check_indices(tensors, expected, model, config))
