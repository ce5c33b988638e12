"""Adapters of any method share their base, and answer as they do alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from case_table import table
from peft import LoraConfig
from torch import nn

import scionwood
from scionwood import attach
from scionwood.authoring import LoadedRun
from scionwood_serve import Pool

BASE_BYTES = (64 * 64 + 64) * 4 * 2


def net() -> nn.Module:
    """Return a base that is the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64))
    model.adapter_targets = {"all-linear": ["0", "2"]}
    return model


def trained(model: Any, seed: int) -> Any:
    """Change what an adapter trains as a training could have done."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn(parameter.shape, generator=draw)
    return model.requires_grad_(False).eval()


def method(name: str) -> Callable[[], Any]:
    options: dict[str, dict[str, Any]] = {"disel": {"r": 3}, "gpart": {"d": 60}, "partial": {}}
    kind = scionwood.load("adapters", f"methods/{name}")
    return lambda: attach(net(), kind(target_modules=["0"], **options[name]))


def dual_anchor() -> Any:
    from scionwood_biomed.backbones import ClipBackbone

    kind = scionwood.load("adapters", "biomed/dual_anchor")
    return attach(ClipBackbone(), kind(), targets="dual")


def clip_inputs() -> tuple[Any, ...]:
    from scionwood_biomed.backbones import ClipBackbone

    draw = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 64, 64, generator=draw), ClipBackbone().tokenize(["a cyst", "a tumour"])


CASES: dict[str, Callable[[], Any]] = {
    "lora": lambda: attach(net(), LoraConfig(r=2, target_modules=["0", "2"])),
    "disel": method("disel"),
    "gpart": method("gpart"),
    "partial": method("partial"),
}


@table("name", [*CASES, "dual anchors"])
def test_adapters_share_one_base_and_answer_bit_for_bit(name):
    make = CASES.get(name, dual_anchor)
    inputs = clip_inputs() if make is dual_anchor else (torch.linspace(-1, 1, 320).reshape(5, 64),)
    models, pool = [trained(make(), seed) for seed in range(4)], Pool()
    alone = [model(*inputs) for model in models]
    saved = [pool.share(model) for model in models]
    for model, before in zip(models, alone, strict=True):
        assert torch.equal(model(*inputs), before)
    assert len({answer.sum().item() for answer in alone}) == 4
    other = make()
    frozen = [parameter for parameter in other.parameters() if not parameter.requires_grad]
    assert min(saved[1:]) >= sum(parameter.nbytes for parameter in frozen)
    pool.share(other, frozen=True)  # what trains beside them keeps its own
    held = {parameter.data_ptr() for model in models for parameter in model.parameters()}
    assert {p.data_ptr() in held for p in frozen} == {True}
    assert not any(p.requires_grad and p.data_ptr() in held for p in other.parameters())


def test_what_no_model_uses_is_forgotten():
    pool, first, second = Pool(), net(), net()
    pool.share(first)
    assert pool.share(second) == BASE_BYTES
    pool.forget([])
    assert pool.share(copy.deepcopy(second)) == 0


def test_a_lent_run_is_loaded_in_its_own_thread_alone():
    from concurrent.futures import ThreadPoolExecutor

    run = scionwood.find_run("seismic/denoise", quiet=True)
    loaded = LoadedRun(run, scionwood.load_run(run))
    with loaded.as_current(), ThreadPoolExecutor(1) as pool:
        assert scionwood.load_run("seismic/denoise") is loaded.task
        assert pool.submit(scionwood.load_run, run).result() is not loaded.task
    assert scionwood.load_run(run) is not loaded.task
