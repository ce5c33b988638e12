"""A merge keeps what a model computes, or it is refused and leaves the model exactly as it was."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from case_table import table
from peft import IA3Config, LoHaConfig, LoraConfig, PeftConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch.nn import utils
from torch.nn.utils import parametrizations, prune

from scionwood import AdapterError, attach, load_adapter, merge, unmerge
from scionwood_export.merging import plain


class Normalised(nn.Linear):
    """A linear layer with rows of length one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, F.normalize(self.weight), self.bias)


class Padded(nn.Conv2d):
    """A convolution that pads its input by itself, as in timm's Conv2dSame."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (high, wide) = self.kernel_size
        return F.conv2d(F.pad(x, (0, wide - 1, 0, high - 1)), self.weight, self.bias)


def rewrites(layer: nn.Module) -> nn.Module:
    """Let a hook write the weight anew before each call, as an average of weights may."""
    source = layer.weight.detach().clone()
    layer.register_forward_pre_hook(lambda m, _: (m.weight.data.copy_(source), None)[1])
    return layer


def own_forward(layer: nn.Module) -> nn.Module:
    """Set a forward on the instance that keeps the present weight."""
    weight, forward = layer.weight.detach().clone(), layer.forward
    layer.forward = lambda x: forward(x) + 100 * F.mse_loss(layer.weight.detach(), weight)
    return layer


def hooks(kind: str, hook: Callable[..., Any]) -> Callable[[nn.Module], nn.Module]:
    def put(layer: nn.Module) -> nn.Module:
        getattr(layer, f"register_{kind}")(hook)
        return layer

    return put


def pruned(layer: nn.Module) -> nn.Module:
    prune.l1_unstructured(layer, "weight", 0.5)
    return layer


COMPUTED: dict[str, Callable[[nn.Module], nn.Module]] = {
    "weight_norm": parametrizations.weight_norm,
    "weight_norm of old": utils.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "spectral_norm of old": utils.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "pruning": pruned,
}
OTHERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "a hook that writes the weight": rewrites,
    "a hook that changes the input": hooks("forward_pre_hook", lambda _, a: (2 * a[0],)),
    "a hook that changes the output": hooks("forward_hook", lambda _, a, y: y.relu()),
    "a hook that fails": hooks("forward_pre_hook", lambda _, a: (a[0].reshape(3, 5, -1), None)[1]),
    "a forward of the instance": own_forward,
}
FINE: dict[str, Callable[[nn.Module], nn.Module]] = {
    "nothing": lambda layer: layer,
    "a hook that looks on": hooks("forward_hook", lambda *_: None),
}
LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "Linear": (lambda: nn.Linear(6, 6), (3, 6)),
    "Conv1d": (lambda: nn.Conv1d(6, 6, 3, padding=1), (2, 6, 9)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(6, 6, 3, padding=1), (2, 6, 9)),
}
METHODS: dict[str, Callable[[], PeftConfig]] = {
    "lora": lambda: LoraConfig(r=2, init_lora_weights=False),
    "dora": lambda: LoraConfig(r=2, init_lora_weights=False, use_dora=True),
    "loha": lambda: LoHaConfig(r=2, init_weights=False),
    "ia3": lambda: IA3Config(feedforward_modules=[], init_ia3_weights=False),
}


def tuned(layer: nn.Module, method: str = "lora", scale: float = 1.0) -> nn.Module:
    """Return a model whose first adapted layer is plain, and whose last is the given one."""
    first = (
        nn.Linear(6, 6) if not isinstance(layer, nn.modules.conv._ConvNd) else nn.Conv1d(6, 6, 1)
    )
    model = attach(nn.Sequential(first, layer), METHODS[method](), targets="0|1", head=()).eval()
    for name, value in model.named_parameters():
        if "lora_B" in name:
            value.data *= scale
    return model


def everything(model: nn.Module) -> list[Any]:
    """Return all that a refused merge must leave: bits, memory, classes, flags and hooks."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return [
        {name: (value.data_ptr(), value.tolist()) for name, value in tensors.items()},
        [(type(m), m.training, list(vars(m)), len(m._forward_hooks)) for m in model.modules()],
        [list(m.merged_adapters) for m in model.modules() if isinstance(m, BaseTunerLayer)],
    ]


def takes_computed(layer: str, method: str) -> bool:
    """Return whether the layer is one of peft, and not of this library, which needs its weight."""
    return layer == "Linear" or (layer == "Conv1d" and method != "ia3")


def equal_or_refused(model: nn.Module, x: torch.Tensor) -> str:
    """Merge, and return the reason of a refusal; check what holds in either case."""
    wanted = model(x)
    before = everything(model)
    try:
        merge(model)
    except AdapterError as error:
        assert everything(model) == before
        assert torch.equal(model(x), wanted)
        return str(error)
    assert any(m.merged for m in model.modules() if isinstance(m, BaseTunerLayer))
    torch.testing.assert_close(
        model(x), wanted, rtol=1e-4, atol=1e-4 * float(wanted.detach().abs().max())
    )
    unmerge(model)
    assert everything(model) == before
    return ""


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated")
@pytest.mark.filterwarnings("ignore:.*spectral_norm. is deprecated")
@table("kind", [*COMPUTED, *OTHERS, *FINE])
def test_a_merge_keeps_the_outputs_or_is_refused_and_changes_nothing(kind):
    change = {**COMPUTED, **OTHERS, **FINE}[kind]
    refused = []
    for layer, method in itertools.product(LAYERS, METHODS):
        if (layer, method) == ("ConvTranspose1d", "loha"):
            continue  # a layer that this method does not take
        make, shape = LAYERS[layer]
        if kind in COMPUTED and not takes_computed(layer, method):
            with pytest.raises(AdapterError, match="remove the parametrization"):
                tuned(change(make()), method)
            continue
        model = tuned(change(make()), method)
        if kind == "a hook that fails":
            x = torch.randn(3 * 5 * 2, *shape[1:])
        else:
            x = torch.randn(shape)
        refused.append(equal_or_refused(model, x))
    assert len(refused) >= 6
    if kind in COMPUTED:
        assert all("weight is no parameter, but computed" in reason for reason in refused)
        assert all(reason.startswith("1 (") for reason in refused), "it names the layer"
    elif kind in FINE:
        assert not any(refused)
    else:  # a few of them change nothing that matters, as twice the input of a scaled layer
        assert sum(map(bool, refused)) >= 6


def test_a_small_adapter_is_not_lost_within_the_tolerance():
    x = torch.randn(3, 6)
    assert "Use it unmerged" in equal_or_refused(tuned(rewrites(nn.Linear(6, 6)), scale=1e-4), x)
    assert not equal_or_refused(tuned(nn.Linear(6, 6), scale=1e-4), x)
    assert not equal_or_refused(tuned(nn.Linear(6, 6), scale=0.0), x)


def test_a_hook_on_all_modules_is_seen():
    model, x = tuned(nn.Linear(6, 6)), torch.randn(3, 6)
    handle = nn.modules.module.register_module_forward_hook(lambda _, a, y: y.relu())
    try:
        assert equal_or_refused(model, x)
    finally:
        handle.remove()
    assert not equal_or_refused(model, x)


def test_a_layer_that_changes_its_weight_is_refused_and_stays():
    assert "Normalised changes its weight" in equal_or_refused(
        tuned(Normalised(6, 6)), torch.randn(3, 6)
    )


def test_another_forward_with_the_plain_weight_is_merged():
    model = attach(nn.Sequential(Padded(2, 3, 2)), METHODS["lora"](), targets="0", head=()).eval()
    assert not equal_or_refused(model, torch.randn(1, 2, 6, 6))


@pytest.mark.filterwarnings("ignore:.*has no scionwood.json")
def test_a_layer_that_is_never_called_is_not_switched_on_by_a_merge(tmp_path):
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(6, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.attention(x, x, x)[0]

    config = LoraConfig(r=2, target_modules=["out_proj"], init_lora_weights=False)
    get_peft_model(Net(), config).save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="has no effect on attention.out_proj"):
        model = load_adapter(Net(), tmp_path)
    assert "never calls it" in equal_or_refused(model, torch.randn(4, 6)[None])


def test_a_merge_that_stops_halfway_leaves_an_attention_adapted():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.last = nn.MultiheadAttention(6, 2), nn.Linear(6, 6)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.attention(x, x, x)[0])

    model = attach(Net(), METHODS["lora"](), targets="attention|last", head=()).eval()
    last = model.get_base_model().last
    last.lora_B["default"].weight.data[0, 0] = float("inf")
    assert "NaNs detected" in equal_or_refused(model, torch.randn(4, 6)[None])


def test_an_export_keeps_an_adapter_that_cannot_be_merged():
    model, x = tuned(parametrizations.weight_norm(nn.Linear(6, 6))), torch.randn(3, 6)
    wanted = model(x)
    bare, reason = plain(model)
    assert "computed at each call by _WeightNorm" in reason
    assert torch.equal(bare(x), wanted)


def test_unmerge_undoes_a_merge_of_peft_itself_and_follows_the_model():
    model, x = tuned(nn.Linear(6, 6)), torch.randn(3, 6)
    wanted = model(x)
    model.merge_adapter()
    unmerge(model)
    torch.testing.assert_close(model(x), wanted)
    merge(model)
    model.double()
    unmerge(model)
    torch.testing.assert_close(model(x.double()), wanted.double(), atol=1e-5, rtol=0)
