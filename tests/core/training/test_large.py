"""A base that no process holds whole: equal to the ordinary one, and smaller in memory."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest
import torch
from lightning.pytorch import seed_everything
from run_column import column
from safetensors.torch import load_file, save_file, save_model

from scionwood.adapters import adapter_state
from scionwood.adapters.identity import ATTRIBUTE
from scionwood.recipes.recipe import resolve
from scionwood.training import build
from scionwood.training.options import strategy_class
from scionwood.training.preparation import prepare
from scionwood_scale.strategies.large import empty_backbone

TrainPair = Callable[..., None]
SHARDED = "trainer.strategy=scale/model_parallel"


@pytest.fixture
def base(toy_plugin: None, tmp_path: Path) -> Callable[..., str]:
    """Write random weights, and return the override that names them."""

    def write(width: int = 33, depth: int = 3) -> str:
        from scionwood_toy.parts import Mlp

        path = tmp_path / f"base-{width}-{depth}.safetensors"
        torch.manual_seed(3)
        save_model(Mlp(8, width, depth, 0.0), str(path))
        return f"backbone={{name: toy/stored, weights: {path}, width: {width}, depth: {depth}}}"

    return write


@pytest.mark.parametrize("adapter", ["lora", "ia3", "vera", "oft", "methods/gpart", "frozen"])
def test_the_adapter_starts_as_on_a_base_with_values(
    base: Callable[..., str], adapter: str
) -> None:
    extra = {"vera": ", r: 2", "oft": ", oft_block_size: 11", "ia3": ", feedforward_modules: []"}
    method = f"adapter={{name: {adapter}{extra.get(adapter, '')}}}"
    recipe = resolve("toy/regress", [base(), SHARDED, method])
    seed_everything(0, verbose=False)
    ordinary = prepare(recipe.backbone.build(), recipe)
    after = torch.rand(3)
    seed_everything(0, verbose=False)
    empty = empty_backbone(recipe, prepare)
    assert empty is not None
    assert torch.equal(torch.rand(3), after)
    assert any(parameter.is_meta for parameter in empty.parameters())
    if adapter != "frozen":
        assert getattr(empty, ATTRIBUTE) == getattr(ordinary, ATTRIBUTE)
        expected, state = adapter_state(ordinary), adapter_state(empty)
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[key], expected[key]) for key in expected)


def test_the_base_has_values_where_no_process_trains_a_part_of_it(
    base: Callable[..., str],
) -> None:
    assert strategy_class(resolve("toy/regress", [base(), "trainer.strategy=ddp"]).trainer) is None
    task, _ = build(resolve("toy/regress", [base(), SHARDED]))
    assert not any(parameter.is_meta for parameter in task.parameters())


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("backbone.name=toy/mlp", "toy/mlp does not use scionwood.authoring.empty_weights"),
        ("adapter.use_dora=true", "from the weights of the base|meta"),
    ],
)
def test_a_base_that_needs_values_is_built_with_them(
    base: Callable[..., str], override: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = [] if "mlp" in override else [base()]
    recipe = resolve("toy/regress", [*first, SHARDED, override])
    seed_everything(recipe.seed, verbose=False)
    before = torch.random.get_rng_state()
    assert empty_backbone(recipe, prepare) is None
    assert torch.equal(torch.random.get_rng_state(), before)
    assert re.search(f"the whole base until it is sharded: .*({reason})", capsys.readouterr().err)


def test_two_processes_learn_what_one_learns(
    train_pair: TrainPair, toy_fit: Callable[..., Path], base: Callable[..., str], tmp_path: Path
) -> None:
    options = ("trainer.max_steps=5", "trainer.logger=csv", "trainer.val_check_interval=1", base())
    options = (*options, r"adapter.targets=blocks\.[12]\.linear")  # the first block is frozen
    pair = tmp_path / "pair"
    train_pair(SHARDED, *options, "data.batch_size=8", run_dir=pair)
    one = toy_fit(*options, "data.batch_size=16", name="one")
    expected, losses = column(one, "val_loss"), column(pair, "val_loss")  # over both processes
    assert len(losses) == len(expected) == 5
    assert losses == pytest.approx(expected, abs=1e-5)
    for file in ("adapter/adapter_model.safetensors", "head.safetensors"):
        torch.testing.assert_close(load_file(pair / file), load_file(one / file), rtol=0, atol=1e-5)
    records = [json.loads((run / "adapter/scionwood.json").read_text()) for run in (pair, one)]
    for record in records:
        assert record.pop("tensors").keys() == {"adapter", "head"}  # equal to 1e-5, not in bits
    assert records[0] == records[1]


@pytest.mark.slow
def test_two_processes_resume_exactly(
    train_pair: TrainPair, base: Callable[..., str], tmp_path: Path
) -> None:
    whole, cut, name = tmp_path / "whole", tmp_path / "cut", base()
    options = (SHARDED, name, "trainer.logger=csv", "trainer.max_epochs=-1")
    options = (*options, "trainer.callbacks=[{name: checkpoint, every_n_steps: 1}]")
    train_pair(*options, "trainer.max_steps=5", run_dir=whole)
    train_pair(*options, "trainer.max_steps=3", run_dir=cut)
    train_pair(*options, "trainer.max_steps=5", resume=cut)
    assert column(cut, "train_loss") == column(whole, "train_loss")
    weights = "adapter/adapter_model.safetensors"
    assert (cut / weights).read_bytes() == (whole / weights).read_bytes()


def test_a_base_that_is_not_finite_ends_both_processes(
    train_pair: TrainPair, base: Callable[..., str], tmp_path: Path
) -> None:
    override = base()
    (path,) = tmp_path.glob("base-*")
    state = load_file(path)
    state["blocks.1.linear.weight"][-1, -1] = float("nan")  # a row of the second process
    save_file(state, path)
    train_pair(SHARDED, override, run_dir=tmp_path / "pair", code=1)


@pytest.mark.slow
def test_no_process_holds_more_than_six_tenths_of_the_base(measure: Callable[..., float]) -> None:
    width, depth = 768, 160  # 360 MiB
    size = 4 * depth * width * (width + 1)
    shares = {kind: measure(kind, width, depth) / size for kind in ("stored", "mlp")}
    print({kind: round(share, 3) for kind, share in shares.items()})
    assert shares["stored"] <= 0.6
    assert shares["mlp"] >= 1  # the same network, which each process builds with its values


@pytest.fixture
def measure(
    warm: ForkServerContext, base: Callable[..., str], tmp_path: Path
) -> Iterator[Callable[..., float]]:
    """Train on two processes, and return the larger growth of their resident memory in bytes."""
    from scionwood_toy.stored import fit_measured

    started: list[ForkServerProcess] = []

    def overrides(kind: str, width: int, depth: int) -> tuple[str, ...]:
        size = f"width: {width}, depth: {depth}"
        backbone = base(width, depth) if kind == "stored" else f"backbone={{name: toy/mlp, {size}}}"
        once = ("trainer.max_steps=1", "trainer.limit_val_batches=0")
        return SHARDED, backbone, "trainer.devices=2", *once

    def begin(kind: str, width: int, depth: int) -> float:
        small, large = overrides(kind, width, 1), overrides(kind, width, depth)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
        results = [tmp_path / f"{kind}-{rank}" for rank in (0, 1)]
        pair = []
        for rank, result in enumerate(results):
            env = {**place, "NODE_RANK": "0", "LOCAL_RANK": str(rank)}
            arguments = (small, large, tmp_path / f"run-{kind}", env, result)
            pair.append(warm.Process(target=fit_measured, args=arguments))
            pair[-1].start()
        started.extend(pair)
        for process in pair:
            process.join(120)
        assert [process.exitcode for process in pair] == [0, 0]
        return max(float(result.read_text()) for result in results)

    yield begin
    for process in started:
        process.kill()
        process.join()
