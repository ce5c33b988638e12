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


@table("name", list(CASES))
def test_four_adapters_share_one_base_and_answer_bit_for_bit(name):
    models = [trained(CASES[name](), seed) for seed in range(4)]
    x = torch.linspace(-1, 1, 5 * 64).reshape(5, 64)
    alone = [model(x) for model in models]
    pool = Pool()
    saved = [pool.share(model) for model in models]
    for model, before in zip(models, alone, strict=True):
        assert torch.equal(model(x), before)
    assert len({answer.sum().item() for answer in alone}) == 4
    kept = (64 * 64 + 64) * 4 if name == "partial" else BASE_BYTES  # partial trains layer 0
    assert min(saved[1:]) >= kept


def test_dual_anchors_share_one_base_and_answer_bit_for_bit():
    models = [trained(dual_anchor(), seed) for seed in (0, 1)]
    inputs = clip_inputs()
    alone = [model(*inputs) for model in models]
    pool = Pool()
    saved = [pool.share(model) for model in models]
    for model, before in zip(models, alone, strict=True):
        assert torch.equal(model(*inputs), before)
    assert not torch.equal(*alone)
    base = sum(tensor.nbytes for tensor in dual_anchor().parameters() if not tensor.requires_grad)
    assert saved[1] >= base


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
