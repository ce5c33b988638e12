"""Verify the files of a base: hashes, names and shapes, and the outputs on a fixed input.

Strict loading is no proof: a network with the right tensors can still compute something else, by
another padding for example. Only equal outputs are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from scionwood.errors import PluginError, WeightsError
from scionwood.plugins import discovery
from scionwood.pretrained import catalogue
from scionwood.pretrained.catalogue import PREFIX, Base
from scionwood.pretrained.place import find, lay_out, remedy
from scionwood.pretrained.tensors import layout_of, read_tensors
from scionwood.runs.layout import file_digest


class Finding(NamedTuple):
    """One line of a verification: whether it holds, None for what was not compared, and what.

    Example:
        >>> from scionwood_bases import Finding
        >>> Finding(None, "outputs: no network here reads it").holds is None
        True
    """

    holds: bool | None
    text: str


TOLERANCE = 1e-4
"""The largest accepted difference over the largest number: sums in float32 differ by threads."""


def verify_base(base: str | Base, file: str | Path | None = None) -> list[Finding]:
    """Compare hashes, names and shapes, and the outputs on a fixed input, with a record.

    Args:
        base: a name such as `atoms/sevennet-0`, or its record.
        file: a file or folder of yours instead of the files of this machine.

    Raises:
        WeightsError: the files are missing or cannot be read.

    Example:
        >>> from scionwood_bases import verify_base
        >>> hashes, layout, outputs = verify_base("atoms/sevennet-0")
        >>> outputs.holds
        True
    """
    base = catalogue.base(base)
    files = find(base)
    if file is not None:
        place = Path(file)
        names = [Path(name).name for name in base.files]
        files = [place / name for name in names] if place.is_dir() else [place]
    if len(files) != len(base.files) or not all(path.is_file() for path in files):
        rule = f"it needs {', '.join(base.files)}"
        raise WeightsError(f"base {base.name}", rule, remedy(base))
    findings = [
        _hash(path, digest) for path, digest in zip(files, base.files.values(), strict=True)
    ]
    if any(finding.holds is False for finding in findings):
        return findings  # another file: what it holds is not read
    return [*findings, *_content(base, files)]


def digest_of(outputs: Any) -> tuple[float, ...]:
    """Return mean, deviation and six values of the numbers in the outputs of a network."""
    parts = [leaf.detach().double().flatten() for leaf in _leaves(outputs)]
    numbers = torch.cat(parts)
    places = torch.linspace(0, len(numbers) - 1, 6).long()
    values = [numbers.mean(), numbers.std(correction=0), *numbers[places]]
    return tuple(float(f"{value:.6g}") for value in values)


def _hash(path: Path, digest: str) -> Finding:
    if not digest:
        return Finding(None, f"{path.name}: SHA-256 {file_digest(path)}; the record names none")
    actual = file_digest(path)
    if actual == digest:
        return Finding(True, f"{path.name}: SHA-256 {digest}")
    return Finding(False, f"{path.name}: SHA-256 {actual}, and the record names {digest}")


def _content(base: Base, files: list[Path]) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        place = files[0] if len(files) == 1 else files[0].parent
        if base.lay_out:
            target = Path(folder) / "laid-out"
            lay_out(base, files, target)
            inner = list(target.iterdir())
            place = inner[0] if len(inner) == 1 else target
        weights = [path for path in files if path.suffix not in (".json", ".txt")]
        tensors = {k: v for path in weights for k, v in read_tensors(path).items()}
        layout = layout_of(tensors)
        text = f"names and shapes: {layout}"
        fits = layout == base.layout if base.layout else None
        yield Finding(fits, text if fits is not False else f"{text}, not {base.layout}")
        if fits is not False:
            yield _outputs(base, place)


def _outputs(base: Base, place: Path) -> Finding:
    if not base.probe and not base.backbones:
        return Finding(None, "outputs: no network here reads it")
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            digest = digest_of(_run(base, place))
    except (ImportError, PluginError) as error:
        return Finding(None, f"outputs: not computed, because of a missing package ({error})")
    except RuntimeError as error:  # of a strict load
        return Finding(False, f"outputs: the network cannot read it ({error})"[:300])
    if not base.outputs:
        return Finding(None, f"outputs: {digest}; the record has none to compare")
    pairs = zip(digest, base.outputs, strict=True)
    worst = max(abs(a - b) for a, b in pairs) / max(map(abs, base.outputs))
    text = f"outputs on a fixed input: largest difference {worst:.1e}, allowed {TOLERANCE:g}"
    return Finding(worst <= TOLERANCE, text)


def _run(base: Base, place: Path) -> Any:
    if base.probe:
        return discovery.resolve(f"base {base.name}", base.probe)(place)
    name, options = next(iter(base.backbones.items()))
    chosen = {key: str(place) if value == PREFIX else value for key, value in options.items()}
    backbone: Any = discovery.load("backbones", name)(**chosen).eval()
    with torch.enable_grad():  # forces are gradients
        return backbone(*backbone.example_input())


def _leaves(outputs: Any) -> Iterator[Tensor]:
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, dict | tuple | list):
        for part in outputs.values() if isinstance(outputs, dict) else outputs:
            yield from _leaves(part)
