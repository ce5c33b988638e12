"""A model whose features cannot be cached is refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from case_table import table
from torch import Tensor, nn
from torch.distributed.tensor import distribute_tensor, init_device_mesh
from torch.utils.data import Dataset, IterableDataset

from scionwood.authoring import DataLoader
from scionwood.errors import AdapterError, ScionwoodError, TrainingError
from scionwood_scale.prefix.cache import FrozenPrefix

Change = Callable[["Net"], object]
X = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(0))


class Block(nn.Module):
    """A layer to which a test adds what a prefix must not have. x: (batch, token, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.extra = nn.Linear(6, 6), nn.Identity()
        self.grad_checkpointing = False

    def forward(self, x: Tensor) -> Tensor:
        return x + self.extra(self.linear(x).tanh())


class Net(nn.Module):
    """A stem, a token, four blocks and a head; the last block trains. x: (batch, token, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.token = nn.Linear(6, 6), nn.Parameter(torch.ones(1, 1, 6))
        self.blocks = nn.ModuleList(Block() for _ in range(4))
        self.head = nn.Linear(6, 1)
        self.requires_grad_(False)
        self.blocks[3].requires_grad_(True)
        self.between: Callable[[Tensor], Tensor] = nn.Identity()
        self.skips = self.repeat = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.between(self.stem(x) + self.token)
        early = []
        for block in self.blocks:
            x = block(x)
            early.append(x)
        if self.repeat:
            x = self.blocks[2](x)
        return self.head(x + early[0] if self.skips else x)


class DropPath(nn.Module):
    """A layer with the name and the use that it has in timm."""

    def __init__(self) -> None:
        super().__init__()
        self.drop_prob = 0.1

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.rand(len(x), 1, 1) > self.drop_prob)


def extra(n: int, module: nn.Module) -> Change:
    return lambda net: setattr(net.blocks[n], "extra", module)


def trains(path: str) -> Change:
    return lambda net: net.get_parameter(path).requires_grad_(True)


def has(**values: Any) -> Change:
    return lambda net: vars(net).update(values)


STATIC: dict[str, tuple[Change, str]] = {
    "adapter in the first block": (
        trains("blocks.0.linear.weight"),
        r"Net: no frozen prefix.*\(as blocks\.0\.linear\.weight\).*last blocks",
    ),
    "nothing trains": (lambda net: net.requires_grad_(False), "Net: nothing trains.*Attach"),
    "dropout": (
        extra(1, nn.Dropout(0.1)),
        r"blocks\.1\.extra.*drops values at random \(p=0.1\).*to 0",
    ),
    "dropout of maps": (extra(2, nn.Dropout2d(0.2)), r"blocks\.2\.extra.*\(p=0.2\)"),
    "dropout of attention": (
        extra(0, nn.MultiheadAttention(6, 1, dropout=0.3)),
        r"blocks\.0\.extra.*\(p=0.3\)",
    ),
    "drop path": (extra(1, DropPath()), r"blocks\.1\.extra.*drops values at random"),
    "activation checkpointing": (
        lambda net: vars(net.blocks[1]).update(grad_checkpointing=True),
        r"checkpointing in blocks\.1.*Switch it off",
    ),
}

RUNNING: dict[str, tuple[Change, str]] = {
    "trainable embedding": (trains("stem.weight"), r"stem\.weight: it trains.*Freeze it"),
    "trainable token": (trains("token"), "token: it trains and runs before"),
    "dropout before the blocks": (
        lambda net: setattr(net, "between", nn.Dropout(0.1)),
        "between in the frozen prefix: it drops values at random",
    ),
    "dropout as a function": (has(between=F.dropout), "draws random numbers.*dropout off"),
    "statistics of the batch": (extra(1, nn.BatchNorm1d(5)), r"blocks\.1\.extra.*eval mode"),
    "statistics without memory": (
        extra(1, nn.BatchNorm1d(5, track_running_stats=False)),
        r"blocks\.1\.extra.*normalises by the batch",
    ),
    "neighbours": (has(between=lambda x: x - x.mean(0)), "change with its neighbours"),
    "a block twice": (has(repeat=True), r"'blocks\.2'.*more than once"),
    "a skip": (has(skips=True), r"recorded features.*relative difference.*\(skip connections\)"),
}


def changed(change: Change) -> Net:
    torch.manual_seed(0)
    net = Net()
    change(net)
    for block in net.blocks[:3]:
        block.extra.requires_grad_(False)
    return net


@table(("change", "message"), STATIC.values(), ids=STATIC)
def test_faults_that_are_visible_without_a_forward_pass_are_refused_at_once(
    change: Change, message: str
) -> None:
    with pytest.raises(AdapterError, match=message):
        FrozenPrefix(changed(change))


@table(("change", "message"), RUNNING.values(), ids=RUNNING)
def test_faults_that_a_forward_pass_shows_are_refused_in_the_first_step(
    change: Change, message: str
) -> None:
    net = changed(change)
    with FrozenPrefix(net) as cache:
        with torch.no_grad():
            net(X)  # checks and stores nothing
        with pytest.raises(ScionwoodError, match=message):
            net(X)
        assert len(cache) == 0
    assert not any("forward" in vars(block) for block in net.blocks)


def test_a_skip_connection_is_detected_before_a_head_that_starts_at_zero() -> None:
    net = changed(has(skips=True))
    nn.init.zeros_(net.head.requires_grad_(True).weight)
    with FrozenPrefix(net), pytest.raises(TrainingError, match="recorded features"):
        net(X)


def test_frozen_statistics_and_dropout_with_p_of_zero_are_accepted() -> None:
    net = changed(lambda net: [extra(0, nn.BatchNorm1d(5))(net), extra(1, nn.Dropout(0.0))(net)])
    net.blocks[0].extra.eval()
    with FrozenPrefix(net) as cache:
        assert torch.equal(net(X), net(X))
        assert cache.hits == len(X)


@table(
    ("blocks", "message"),
    [
        (["blocks.7"], r"'blocks\.7'.*none of that name"),
        (["blocks.2", "blocks.3"], r"'blocks\.3'.*trains or has an adapter \(blocks\.3\.linear"),
        ([], "at least one block"),
        (["blocks.0.extra"], "at least one block with weights"),
    ],
    ids=["missing", "trains", "none", "weightless"],
)
def test_blocks_given_by_name_are_checked(blocks: list[str], message: str) -> None:
    with pytest.raises(AdapterError, match=message):
        FrozenPrefix(Net(), blocks=blocks)


@pytest.mark.parametrize("blocks", [["stem", "blocks.0"], ["blocks.1"]], ids=str)
def test_blocks_given_by_name_are_skipped(blocks: list[str]) -> None:
    net = Net()
    with FrozenPrefix(net, blocks=blocks) as cache:
        assert torch.equal(net(X), net(X))
        assert (list(cache.blocks), cache.hits) == (blocks, len(X))


@pytest.mark.parametrize("given", [object(), [{1, 2}]], ids=["object", "set"])
def test_an_input_without_a_known_content_is_refused(given: Any) -> None:
    class Told(Net):
        def forward(self, x: Tensor, more: Any = None) -> Tensor:
            return super().forward(x)

    net = Told()
    with FrozenPrefix(net), pytest.raises(TrainingError, match=r"an input of type (object|set)"):
        net(X, more=given)


def test_an_output_without_a_batch_is_refused() -> None:
    net = changed(extra(2, nn.Identity()))
    net.blocks[2].forward = lambda x: x.transpose(0, 1)  # tokens first
    with FrozenPrefix(net), pytest.raises(TrainingError, match=r"returns \(5, 4, 6\).*batch's, 4"):
        net(X)


@table(
    "change",
    [
        lambda net: net.double(),
        lambda net: net.load_state_dict(Net().state_dict()),
        lambda net: torch.nn.init.zeros_(net.stem.weight),
    ],
    ids=["precision", "weights", "stem"],
)
def test_a_model_that_changes_after_the_cache_was_filled_is_refused(
    change: Callable[[Net], object],
) -> None:
    net = Net()
    with FrozenPrefix(net):
        net(X), net(X)
        change(net)
        with pytest.raises(TrainingError, match=r"must stay as they were.*make a new one"):
            net(X.to(net.stem.weight.dtype))
    other = Net()
    with FrozenPrefix(other):
        other(X)
        refused = pytest.raises(TrainingError, match=r"float32 None, now .* torch.bfloat16")
        with torch.autocast("cpu", torch.bfloat16), refused:
            other(X)


def test_sharded_weights_are_refused() -> None:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        net, mesh = Net(), init_device_mesh("cpu", (1,))
        weight = distribute_tensor(net.stem.weight.data, mesh)
        net.stem.weight = nn.Parameter(weight, requires_grad=False)
        with pytest.raises(TrainingError, match=r"spread over processes.*ddp"):
            FrozenPrefix(net)
    finally:
        dist.destroy_process_group()


class Images(Dataset[tuple[Tensor, str]]):
    """Rows of which some are flipped at random."""

    def __init__(self, share: float) -> None:
        self.share = share

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        image = torch.arange(3.0) + index
        return (image.flip(0) if torch.rand(()) < self.share else image), "name"


class Stream(IterableDataset[Tensor]):
    """Rows that cannot be read by index."""

    def __iter__(self) -> Any:
        return iter(X)


@pytest.mark.parametrize("loaded", [False, True], ids=["plain", "of a loader"])
def test_data_that_are_augmented_at_random_are_refused(loaded: bool) -> None:
    dataset = DataLoader(Images(0.5)).dataset if loaded else Images(0.5)
    net, before = Net(), torch.get_rng_state()
    with pytest.raises(TrainingError, match=r"sample \d+ of Images.*augmented at random.*Switch"):
        FrozenPrefix(net, dataset)
    assert torch.equal(torch.get_rng_state(), before)


@table("dataset", [Images(0.0), Stream(), []], ids=["same", "stream", "empty"])
def test_other_data_are_accepted(dataset: Any) -> None:
    with FrozenPrefix(Net(), dataset) as cache:
        assert cache.samples in {0, 40}
