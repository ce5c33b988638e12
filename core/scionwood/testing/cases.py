"""The adapters that the checks try: each a backbone, an adapter on it, and a loss to train it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import nn

from scionwood.adapters.head import eval_frozen_norms, head_names, in_head
from scionwood.plugin import Plugin
from scionwood.recipe import BASELINES, Recipe, resolve
from scionwood.testing.checks.data import first_batch
from scionwood.testing.checks.static import component, recipe_names
from scionwood.testing.rules import NothingToCheck
from scionwood.testing.tensors import leaves

SEED = 20


@dataclass(frozen=True)
class Rig:
    """An adapter on its backbone, ready for a step.

    Attributes:
        model: what `attach` returned.
        trained: what the optimizer sees: the task, or the model where there is no task.
        loss: computes the loss of one fixed batch.
        places: each tensor of the bare backbone by name, as the module that holds it and the
            attribute: wrapping a module or assigning a new tensor changes neither.
        head: the names among them that train as the head.
        example: an input for the model.
    """

    model: nn.Module
    trained: nn.Module
    loss: Callable[[], torch.Tensor]
    places: dict[str, tuple[nn.Module, str]]
    head: frozenset[str]
    example: tuple[torch.Tensor, ...]

    def base(self) -> dict[str, torch.Tensor]:
        """The tensors of the frozen base as they are now, buffers included."""
        return {
            name: getattr(module, attribute)
            for name, (module, attribute) in self.places.items()
            if name not in self.head
        }

    def grafted(self) -> dict[str, torch.Tensor]:
        """The parameters that are not the base's: the adapter's, the head's and the task's."""
        base = {id(tensor) for tensor in self.base().values()}
        return {n: p for n, p in self.trained.named_parameters() if id(p) not in base}

    def backward(self) -> None:
        """The gradients of the loss in training mode, with running statistics kept as in `fit`."""
        self.trained.train()
        eval_frozen_norms(self.model)
        with seeded():
            self.loss().backward()  # type: ignore[no-untyped-call]

    def perturb(self) -> None:
        """Move every trainable tensor off its initial value, since LoRA starts at zero."""
        with seeded(), torch.no_grad():
            for parameter in self.grafted().values():
                if parameter.requires_grad:
                    parameter.add_(0.02 * torch.randn_like(parameter))


class Case(ABC):
    """One adapter to try, which a fresh process can build again from its kind and name."""

    kind: str

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"

    @abstractmethod
    def backbone(self) -> nn.Module:
        """The bare backbone."""

    @abstractmethod
    def attach(self, backbone: nn.Module) -> nn.Module:
        """The backbone with its adapter."""

    @abstractmethod
    def train(self, model: nn.Module) -> tuple[nn.Module, Callable[[], torch.Tensor]]:
        """What trains, and its loss on one fixed batch."""

    def rig(self) -> Rig:
        """Everything that a check needs, built from fixed seeds."""
        with seeded():
            backbone = self.backbone()
            places = dict(_places(backbone))
            heads = head_names(backbone)
            head = frozenset(name for name in places if in_head(name, heads))
            example = example_of(backbone)
            model = self.attach(backbone)
            trained, loss = self.train(model)
        return Rig(model, trained, loss, places, head, example)


@final
class RecipeCase(Case):
    """The backbone, adapter, task and data of a recipe, at its smoke size."""

    kind = "recipe"

    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return resolve(self.name, smoke=True)

    def backbone(self) -> nn.Module:
        """The recipe's backbone with its options."""
        built: nn.Module = self.recipe().backbone.build()
        return built

    def attach(self, backbone: nn.Module) -> nn.Module:
        """The recipe's adapter on it."""
        from scionwood.adapters import attach

        slot = self.recipe().adapter
        options = {key: value for key, value in slot.options.items() if key != "targets"}
        assert slot.component is not None, "baselines are no cases"
        config = slot.component(**options)
        attached: nn.Module = attach(backbone, config, targets=slot.options["targets"])
        return attached

    def train(self, model: nn.Module) -> tuple[nn.Module, Callable[[], torch.Tensor]]:
        """The recipe's task on the first batch of its data."""
        recipe = self.recipe()
        task = recipe.task.build(model)
        batch = first_batch(recipe.data, recipe.seed)
        return task, lambda: task.losses(batch)["loss"]


@final
class BackboneCase(Case):
    """A backbone that no recipe uses, with LoRA on its first preset."""

    kind = "backbone"

    def backbone(self) -> nn.Module:
        """The backbone with its defaults."""
        built: nn.Module = component(self.name)()
        return built

    def attach(self, backbone: nn.Module) -> nn.Module:
        """LoRA of rank 2."""
        return _method("lora", backbone, r=2)

    def train(self, model: nn.Module) -> tuple[nn.Module, Callable[[], torch.Tensor]]:
        """The model itself, which shrinks its output for the example input."""
        return model, lambda: _energy(model, example_of(model))


@final
class MethodCase(Case):
    """A plugin's adapter method with its default options on a small net of linear layers."""

    kind = "method"

    def backbone(self) -> nn.Module:
        """Two linear layers, 16 -> 32 -> 16, the same in every process."""
        with seeded():
            return _Small()

    def attach(self, backbone: nn.Module) -> nn.Module:
        """The method on both layers."""
        return _method(self.name, backbone)

    def train(self, model: nn.Module) -> tuple[nn.Module, Callable[[], torch.Tensor]]:
        """The model itself, which shrinks its output for the example input."""
        return model, lambda: _energy(model, example_of(model))


class _Small(nn.Module):
    """A net that every method for linear layers fits."""

    adapter_targets: ClassVar = {"all": "first|second"}

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 32)
        self.second = nn.Linear(32, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(torch.tanh(self.first(x)))
        return result

    def example_input(self) -> tuple[torch.Tensor, ...]:
        return (torch.linspace(-1, 1, 64).reshape(4, 16),)


_KINDS: dict[str, Callable[[str], Case]] = {
    case.kind: case for case in (RecipeCase, BackboneCase, MethodCase)
}


def case_of(kind: str, name: str) -> Case:
    """The case that another process described."""
    return _KINDS[kind](name)


def cases(plugin: Plugin) -> list[Case]:
    """The plugin's recipes with an adapter, its backbones outside recipes, and its methods.

    Raises:
        NothingToCheck: it has none of them.
    """
    recipes = [f"{plugin.name}/{name}" for name in recipe_names(plugin)]
    resolved = {name: resolve(name, smoke=True) for name in recipes}
    adapted = {n: r for n, r in resolved.items() if r.adapter.name not in BASELINES}
    used = {recipe.backbone.name for recipe in adapted.values()}
    alone = [ref for n, ref in plugin.backbones.items() if f"{plugin.name}/{n}" not in used]
    methods = [f"{plugin.name}/{name}" for name in plugin.adapters]
    found: list[Case] = [*map(RecipeCase, adapted), *map(BackboneCase, alone)]
    found += map(MethodCase, methods)
    if not found:
        raise NothingToCheck("no backbones and no adapter methods")
    return found


def example_of(model: nn.Module) -> tuple[torch.Tensor, ...]:
    """The backbone's own example, from a generator state that is always the same."""
    with seeded():
        offer: Any = model.example_input
        example: tuple[torch.Tensor, ...] = offer()
    return example


@contextmanager
def seeded() -> Iterator[None]:
    """Torch's global generator at a fixed seed; its state comes back afterwards."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(SEED)
        yield


def _method(name: str, backbone: nn.Module, **options: Any) -> nn.Module:
    from scionwood.adapters import attach
    from scionwood.adapters.methods import config_class

    attached: nn.Module = attach(backbone, config_class(name)(**options))
    return attached


def _energy(model: nn.Module, example: tuple[torch.Tensor, ...]) -> torch.Tensor:
    terms = [leaf.square().mean() for leaf in leaves(model(*example)) if leaf.is_floating_point()]
    return torch.stack(terms).sum()


def _places(backbone: nn.Module) -> Iterator[tuple[str, tuple[nn.Module, str]]]:
    for prefix, module in backbone.named_modules():
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, _ in own:
            yield f"{prefix}.{name}".lstrip("."), (module, name)
