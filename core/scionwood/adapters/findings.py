"""List everything that is wrong with a saved adapter, where loading stops at the first fault.

The rules are those of `load_adapter`: this module calls the same functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar, final

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
from scionwood.adapters.content import beside, check_content, stated_hash
from scionwood.adapters.folder import (
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
    Spec,
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
    folder = Path(folder)
    findings = [_files(folder)]
    manifest, finding = _one("scionwood.json", lambda: manifest_of(folder))
    findings.append(finding)
    findings.append(Finding("config: options", tuple(_of_options(folder, manifest))))
    config, finding = _one("config: can be built", lambda: config_of(folder, manifest))
    findings.append(finding)
    read = _tensors(folder, manifest.tensors if manifest else "")
    findings += [*read.findings, _head(folder)]
    if model is not None and config is not None and read.path is not None:
        saved = SavedAdapter(folder, manifest, config, read.path, read.specs)
        findings += _against(model, saved, read.tensors)
    return findings


@final
class _Read(NamedTuple):
    """What could be read of the tensors; `path` is None if it was not all."""

    findings: list[Finding]
    path: Path | None
    specs: dict[str, Spec]
    tensors: dict[str, torch.Tensor]


def _tensors(folder: Path, recorded_hash: str) -> _Read:
    path, finding = _one("tensors: no pickle", lambda: tensors_path(folder))
    findings = [finding]
    if path is None:
        return _Read(findings, None, {}, {})
    specs, finding = _one("tensors: header", lambda: read_header(path))
    findings.append(finding)
    tensors, finding = (
        (None, finding)
        if specs is None
        else _one("tensors: data", lambda: raw_tensors(path, specs))
    )
    if specs is None or tensors is None:
        rules = ("tensors: values", "tensors: hash")
        findings += [Finding(rule, skipped="the tensors cannot be read") for rule in rules]
        return _Read(findings, None, {}, {})
    findings.append(Finding("tensors: values", tuple(value_faults(path, tensors))))
    if recorded_hash:
        findings.append(
            _one("tensors: hash", lambda: check_content(path, tensors, recorded_hash))[1]
        )
    else:
        findings.append(Finding("tensors: hash", skipped="scionwood.json states no such hash"))
    return _Read(findings, path, specs, tensors)


def _files(folder: Path) -> Finding:
    home = folder.parent if folder.name == ADAPTER and read_manifest(folder) is None else folder
    listed, finding = _one("files.json", lambda: read_manifest(home))
    if finding.faults:
        return finding
    if listed is None:
        return Finding("files.json", skipped="the folder has none")
    return Finding("files.json", tuple(manifest_faults(home, listed[1])))


def _of_options(folder: Path, manifest: object) -> Iterator[ScionwoodError]:
    try:
        record = read_json(folder / CONFIG)
        kind = record.get("peft_type")
        if isinstance(kind, str):
            adapter_manifest = manifest_of(folder) if manifest is not None else None
            yield from option_faults(
                folder / CONFIG, record, class_of(folder / CONFIG, unmarked(kind), adapter_manifest)
            )
    except ScionwoodError as fault:
        yield fault


def _head(folder: Path) -> Finding:
    path = next((p / HEAD for p in (folder.parent, folder) if (p / HEAD).is_file()), None)
    record = beside(path) if path else None
    if path is None or record is None or record.parent != folder:
        return Finding("head: hash", skipped="no head lies beside the adapter")

    recorded_hash = _one("head: hash", lambda: stated_hash(read_json(record), "head"))[0]
    if not recorded_hash:
        return Finding("head: hash", skipped="scionwood.json states no such hash")

    def check() -> list[ScionwoodError]:
        tensors = raw_tensors(path, read_header(path))
        faults: list[ScionwoodError] = list(value_faults(path, tensors))
        check_content(path, tensors, recorded_hash)
        return faults

    faults, finding = _one("head: hash", check)
    return Finding("head: hash", tuple(faults)) if faults else finding


def _against(
    model: nn.Module, saved: SavedAdapter, tensors: dict[str, torch.Tensor]
) -> list[Finding]:
    """Check the rules about a model, which stays as it is."""
    config, head = saved.config, saved.manifest.head if saved.manifest else []
    listed = saved.manifest.modules if saved.manifest is not None else None
    with declared_head(model, [name for name in head if name]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        findings = [
            _one("model: base", lambda: check_base(model, saved))[1],
            _one("model: base stays frozen", lambda: check_frozen_base(config))[1],
            _one("model: task type", lambda: check_task(model, config))[1],
            _one("model: replaced modules", lambda: check_replaced(model, saved, ()))[1],
        ]
        names, finding = _one(
            "model: modules", lambda: settle(model, config, listed=listed, foreign=True)
        )
        findings.append(finding)
        if names is None:
            return findings
        findings.append(_one("model: sizes", lambda: check_rank(config, model, names))[1])
        findings.append(_one("model: untied tensors", lambda: check_untied(saved, names))[1])
        if findings[-2].faults:  # a blueprint of such sizes could exhaust the memory
            return findings
        expected_tensors, finding = _one("model: layers", lambda: blueprint(model, config, names))
        findings.append(finding)
        if expected_tensors is None:
            return findings
        wrong = tuple(spec_faults(saved.path, saved.specs, specs_of(expected_tensors)))
        findings.append(Finding("model: names and shapes", wrong))
        if not wrong:
            check = _one(
                "model: indices", lambda: check_indices(tensors, expected_tensors, model, config)
            )
            findings.append(check[1])
    return findings


def _one(rule: str, check: Callable[[], T]) -> tuple[T | None, Finding]:
    """Return the result of a check, or None with the error that it raised."""
    try:
        return check(), Finding(rule)
    except ScionwoodError as fault:
        return None, Finding(rule, (fault,))


def faults_of(findings: Iterable[Finding]) -> list[ScionwoodError]:
    """Return all errors of some findings."""
    return [fault for finding in findings for fault in finding.faults]
