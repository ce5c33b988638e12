"""A small network with LoRA, and toy tasks with conflicting answers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn as nn
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor

from scionwood_methods.continual import ContinualController, ContinualMethod
from scionwood_methods.igsp.tuner import IgspConfig

Batch = tuple[Tensor, Tensor]


class Net(nn.Module):
    """Two layers; `visual` and `textual` are the groups of a dual encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.visual, self.textual = nn.Linear(16, 24), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.textual(torch.tanh(self.visual(x)))


class PlaneNet(nn.Module):
    """A strided convolution in two dimensions and a linear layer."""

    kernel: tuple[int, ...] = (3, 2)

    def __init__(self) -> None:
        super().__init__()
        self.visual, self.textual = nn.Conv2d(2, 12, self.kernel, stride=2), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.textual(torch.tanh(self.visual(x)).flatten(2).mean(2))


class VolumeNet(PlaneNet):
    """A padded convolution in three dimensions and a linear layer."""

    kernel = (3, 2, 3)

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.visual, self.textual = nn.Conv3d(2, 12, self.kernel, padding=1), nn.Linear(12, 3)


NETS = [Net(), PlaneNet(), VolumeNet()]


def lora(
    net: nn.Module | None = None,
    *,
    r: int = 3,
    trained: bool = False,
    targets: Sequence[str] = ("visual", "textual"),
) -> PeftModel:
    """Return a model with a LoRA; the base is the same in every call."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        base = type(net or Net())()
    config = LoraConfig(r=r, lora_alpha=2 * r, target_modules=list(targets))
    model = get_peft_model(base, config)
    return unsettle(model) if trained else model


def mixed(experts: int = 2, targets: Sequence[str] = ("visual", "textual")) -> PeftModel:
    """Return the network with a mixture of iGSP; the base is the same in every call."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = Net()
    config = IgspConfig(r=2, alpha=4, experts=experts, target_modules=list(targets))
    return get_peft_model(net, config)


def unsettle(model: PeftModel, scale: float = 0.3) -> PeftModel:
    """Move the trainable parameters as training could have done."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += scale * torch.randn_like(parameter)
    return model


def batches(seed: int, count: int = 8, width: int = 6) -> list[Batch]:
    """Return a task: classes of a fixed random linear map, with inputs in a random subspace."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.randn(width, 16, generator=generator)
    teacher = torch.randn(16, 3, generator=generator)
    made = []
    for _ in range(count):
        x = torch.randn(16, width, generator=generator) @ basis
        made.append((x, (x @ teacher).argmax(1)))
    return made


def task(net: nn.Module, seed: int, count: int = 6) -> list[Batch]:
    """Return a task for a network: batches, or random classes of random fields."""
    if not isinstance(net, PlaneNet):
        return batches(seed, count)
    draw = torch.Generator().manual_seed(seed)
    shape = (8, 2, *(side + 3 for side in net.kernel))
    return [
        (torch.randn(shape, generator=draw), torch.randint(3, (8,), generator=draw))
        for _ in range(count)
    ]


def losses(model: nn.Module, batch: Batch) -> Tensor:
    """Return the negative log-likelihood of each sample in nats."""
    x, y = batch
    return F.cross_entropy(model(x), y, reduction="none")


def features(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return two halves of the hidden layer as the features of pairs, both (n, 12)."""
    hidden = model.get_submodule("base_model.model.visual")(batch[0])
    return hidden[:, :12], hidden[:, 12:]


def accuracy(model: nn.Module, data: Sequence[Batch]) -> float:
    """Return the share of right answers."""
    model.eval()
    with torch.no_grad():
        return float(torch.cat([model(x).argmax(1) == y for x, y in data]).float().mean())


def learn(controller: ContinualController, task: str, data: Sequence[Batch], steps: int) -> None:
    """Run the loop of the controller's documentation."""
    model = controller.model.train()
    controller.begin(task)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for step in range(steps):
        batch = data[step % len(data)]
        losses(model, batch).mean().backward()
        controller.adjust(batch)
        optimizer.step()
        controller.stepped()
        optimizer.zero_grad()
    controller.end(data)


class Naive(ContinualMethod):
    """Stores nothing."""

    name = "naive"

    def end(self, model, batches):
        pass

    def state(self):
        return {}

    def restore(self, model, state):
        pass
