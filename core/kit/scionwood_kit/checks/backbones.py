"""A backbone builds small, offline and seeded, and says where adapters may go."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from scionwood.plugins.plugin import Plugin
from scionwood_kit.cases import example_of
from scionwood_kit.checks.static import component
from scionwood_kit.offline import offline
from scionwood_kit.rules import NothingToCheck, Problem, check
from scionwood_kit.tensors import digest, leaves, output

LIMIT = 2.0
"""Seconds of CPU that a backbone with its defaults may take to build."""


@check
def check_backbones_build_offline(plugin: Plugin) -> Iterator[Problem]:
    """With its defaults a backbone builds in 2 s of CPU, without the network."""
    for name, build in _backbones(plugin):
        with offline() as tried:
            seconds, backbone = _timed(build)
        for address in sorted(set(tried)):
            rule = "with its defaults it builds without the network"
            remedy = "Make the defaults build from random or shipped weights"
            yield Problem(f"backbone {name!r} asks for {address}", rule, remedy)
        if not isinstance(backbone, nn.Module):
            rule = "a backbone is a torch.nn.Module"
            yield Problem(f"backbone {name!r}: {type(backbone).__name__}", rule, "Return one")
        if seconds > LIMIT:
            rule = f"with its defaults it builds in {LIMIT:g} s of CPU"
            yield Problem(f"backbone {name!r}: {seconds:.1f} s", rule, "Make the defaults smaller")


@check
def check_backbones_are_seeded(plugin: Plugin) -> Iterator[Problem]:
    """The same options give the same weights, and building leaves the global generator unchanged.

    An adapter is bound to the bits of its base, so every process must build the same bits.
    """
    for name, build in _backbones(plugin):
        digests = []
        for seed in (1, 2):
            with torch.random.fork_rng(devices=()):
                torch.manual_seed(seed)
                state = torch.random.get_rng_state()
                digests.append(digest(build().state_dict()))
                moved = not torch.equal(state, torch.random.get_rng_state())
        if digests[0] != digests[1]:
            rule = "its weights depend on its options alone, not on the global generator"
            remedy = "Take an option `init_seed` and build inside torch.random.fork_rng"
            yield Problem(f"backbone {name!r}: built twice, its weights differ", rule, remedy)
        if moved:
            rule = "building leaves torch's global generator as it was"
            remedy = "Build inside torch.random.fork_rng"
            yield Problem(f"backbone {name!r} draws from the global generator", rule, remedy)


@check
def check_backbones_describe_themselves(plugin: Plugin) -> Iterator[Problem]:
    """A backbone states where adapters may go, what its head is, and an example of its input.

    `adapter_targets` holds presets; each is a regex that matches the whole name of one or more
    modules. `head` holds names of submodules, and `card` texts; both are optional.
    `example_input()` returns tensors for which forward returns finite tensors.
    """
    for name, build in _backbones(plugin):
        backbone = build()
        for value, rule, remedy in _faults(backbone):
            yield Problem(f"backbone {name!r}: {value}", rule, remedy)


def _backbones(plugin: Plugin) -> list[tuple[str, Any]]:
    if not plugin.backbones:
        raise NothingToCheck("no backbones")
    return [(name, component(reference)) for name, reference in plugin.backbones.items()]


def _timed(build: Any) -> tuple[float, Any]:
    # The better of two times counts: the first call may import a library.
    spent = []
    for _ in range(2):
        start = time.process_time()
        backbone = build()
        spent.append(time.process_time() - start)
    return min(spent), backbone


def _faults(backbone: nn.Module) -> Iterator[tuple[str, str, str]]:
    names = [name for name, _ in backbone.named_modules() if name]
    presets = getattr(backbone, "adapter_targets", None)
    if not isinstance(presets, Mapping) or not presets:
        rule = "adapter_targets maps presets to regexes over module names"
        yield f"adapter_targets is {presets!r}", rule, 'Such as {"attention": r".*\\.qkv"}'
        presets = {}
    for preset, pattern in presets.items():
        yield from _pattern_faults(preset, pattern, names)
    declared = getattr(backbone, "head", ())
    # A network of a library may have a module of this name, which declares nothing.
    for head in () if isinstance(declared, torch.nn.Module) else declared:
        if head not in names:
            yield f"head {head!r}", "head names submodules", f"It has: {', '.join(names[:12])}"
    card = getattr(backbone, "card", {})
    if not isinstance(card, Mapping) or not all(isinstance(v, str) for v in card.values()):
        yield "card", "card maps names to texts", "Turn its values into str"
    yield from _example_faults(backbone)


def _pattern_faults(preset: str, pattern: Any, names: list[str]) -> Iterator[tuple[str, str, str]]:
    try:
        matched = any(re.fullmatch(pattern, name) for name in names)
    except (re.error, TypeError) as error:
        rule = f"a preset is a regular expression ({error})"
        yield f"adapter_targets[{preset!r}] = {pattern!r}", rule, "Correct it"
        return
    if not matched:
        rule = "a preset matches the whole name of one or more modules"
        remedy = f"Its modules: {', '.join(names[:12])}"
        yield f"adapter_targets[{preset!r}] = {pattern!r}", rule, remedy


def _example_faults(backbone: nn.Module) -> Iterator[tuple[str, str, str]]:
    rule = "example_input() gives a tuple of tensors for forward"
    if not callable(getattr(backbone, "example_input", None)):
        yield "it has no example_input", rule, "Return a small input"
        return
    example = example_of(backbone)
    if not isinstance(example, tuple) or not all(isinstance(x, torch.Tensor) for x in example):
        yield f"example_input() gives {type(example).__name__}", rule, "Return a tuple"
        return
    tensors = output(backbone, example)
    if not tensors or not all(torch.isfinite(x).all() for x in leaves(tensors)):
        rule = "forward gives finite tensors for example_input()"
        yield "its output is empty, or holds NaN or infinity", rule, "Scale its initial weights"
