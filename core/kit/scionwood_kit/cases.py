"""The cases of the checks: each is a backbone, an adapter on it, and a loss that trains it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import torch
from torch import nn

from scionwood.adapters.head import eval_frozen_norms, head_names, in_head
from scionwood.plugins.discovery import reference
from scionwood.plugins.plugin import Plugin
from scionwood.recipes.recipe import Recipe, resolve
from scionwood.recipes.recipe_keys import BASELINES
from scionwood_kit.checks.static import component, recipe_names
from scionwood_kit.rules import NothingToCheck
from scionwood_kit.tensors import leaves

SEED = 20


@dataclass(frozen=True)
class Rig:
    """An adapter on its backbone, ready for a step.

    Attributes:
        model: the model that `attach` returned.
        trained: the module that the optimizer sees: the task, or the model if there is no task.
        loss: a function that computes the loss of one fixed batch.
        places: for each tensor of the bare backbone, by name, the module that holds it and the
            attribute. Wrapping a module or assigning a new tensor changes neither.
        head: those names in `places` that train as the head.
        example: an input of the model.
    """

    model: nn.Module
    trained: nn.Module
    loss: Callable[[], torch.Tensor]
    places: dict[str, tuple[nn.Module, str]]
    head: frozenset[str]
    example: tuple[torch.Tensor, ...]

    def base(self) -> dict[str, torch.Tensor]:
        """Return the tensors of the frozen base as they are now, buffers included."""
        return {
            name: getattr(module, attribute)
            for name, (module, attribute) in self.places.items()
            if name not in self.head
        }

    def grafted(self) -> dict[str, torch.Tensor]:
        """Return the parameters of the adapter, the head and the task, by name."""
        base = {id(tensor) for tensor in self.base().values()}
        return {n: p for n, p in self.trained.named_parameters() if id(p) not in base}

    def backward(self) -> None:
        """Compute gradients in training mode; running statistics stay fixed, as in `fit`."""
        self.trained.train()
        eval_frozen_norms(self.model)
        with seeded():
            self.loss().backward()

    def perturb(self) -> None:
        """Move every trainable tensor off its initial value, because LoRA starts at zero."""
        with seeded(), torch.no_grad():
            for parameter in self.grafted().values():
                if parameter.requires_grad:
                    parameter.add_(0.02 * torch.randn_like(parameter))


class Case(ABC):
    """An adapter to check. A fresh process can build it again from its kind and name."""

    kind: str

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"

    def described(self) -> dict[str, Any]:
        """Return JSON from which `case_of` makes a case with the same backbone."""
        return {"kind": self.kind, "name": self.name}

    @abstractmethod
    def backbone(self) -> nn.Module:
        """Build the bare backbone."""

    @abstractmethod
    def attach(self, backbone: nn.Module) -> nn.Module:
        """Attach the adapter to the backbone."""

    @abstractmethod
    def train(self, model: nn.Module) -> tuple[nn.Module, Callable[[], torch.Tensor]]:
        """Return the module that trains, and a function that computes its loss on a fixed batch."""

    def rig(self) -> Rig:
        """Build everything that a check needs, from fixed seeds."""
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

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return resolve(self.name, smoke=True)

    def described(self) -> dict[str, Any]:
        """Describe the backbone alone if JSON can hold its options.

        The other process then imports no task and no data, hence no lightning.
        """
        slot = self.recipe.backbone
        options = dict(slot.options)
        try:
            if json.loads(json.dumps(options)) != options:
                return super().described()
        except TypeError:  # such as a Path
            return super().described()
        return BackboneCase(reference("backbones", slot.name), options).described()

    def backbone(self) -> nn.Module:
        """Build the recipe's backbone with its options."""
        built: nn.Module = self.recipe.backbone.build()
        return built

    def attach(self, backbone: nn.Module) -> nn.Module:
        """Attach the recipe's adapter."""
        from scionwood.adapters import attach

        slot = self.recipe.adapter
        options = {key: value for key, value in slot.options.items() if key != "targets"}
        assert slot.component is not None, "baselines are no cases"
        config = slot.component(**options)
        attached: nn.Module = attach(backbone, config, targets=slot.options["targets"])
        return attached

    def train(self, model: nn.Module) -> tuple[nn.Module, Callable[[], torch.Tensor]]:
        """Return the recipe's task, and its loss on the first batch of its data."""
        from scionwood_kit.checks.data import first_batch  # it imports lightning

        task = self.recipe.task.build(model)
        batch = first_batch(self.recipe.data, self.recipe.seed)
        return task, lambda: task.losses(batch)["loss"]


@final
class BackboneCase(Case):
    """A backbone that no recipe uses, with LoRA on its first preset.

    Args:
        name: its reference, `"module:attribute"`.
        options: those options of the backbone that differ from its defaults.
    """

    kind = "backbone"

    def __init__(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name)
        self.options = dict(options or {})

    def described(self) -> dict[str, Any]:
        """Return the reference of the backbone and its options."""
        return {**super().described(), "options": self.options}

    def backbone(self) -> nn.Module:
        """Build the backbone with its options."""
        built: nn.Module = component(self.name)(**self.options)
        return built

    def attach(self, backbone: nn.Module) -> nn.Module:
        """Attach LoRA of rank 2."""
        return _method("lora", backbone, r=2)

    def train(self, model: nn.Module) -> tuple[nn.Module, Callable[[], torch.Tensor]]:
        """Return the model, and the mean square of its output for the example input."""
        return model, lambda: _energy(model, example_of(model))


@final
class MethodCase(Case):
    """A plugin's adapter method with its default options on a small net of linear layers."""

    kind = "method"

    def backbone(self) -> nn.Module:
        """Build two linear layers, 16 -> 32 -> 16, the same in every process."""
        with seeded():
            return _Small()

    def attach(self, backbone: nn.Module) -> nn.Module:
        """Attach the method to both layers."""
        return _method(self.name, backbone)

    def train(self, model: nn.Module) -> tuple[nn.Module, Callable[[], torch.Tensor]]:
        """Return the model, and the mean square of its output for the example input."""
        return model, lambda: _energy(model, example_of(model))


class _Small(nn.Module):
    """A net to which every method for linear layers can be attached."""

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


_KINDS: dict[str, Callable[..., Case]] = {
    case.kind: case for case in (RecipeCase, BackboneCase, MethodCase)
}


def case_of(described: Mapping[str, Any]) -> Case:
    """Return the case that another process described."""
    arguments = dict(described)
    return _KINDS[arguments.pop("kind")](**arguments)


def cases(plugin: Plugin) -> list[Case]:
    """Return the plugin's recipes with an adapter, its backbones outside recipes, and its methods.

    Raises:
        NothingToCheck: the plugin has none of them.
    """
    recipes = [RecipeCase(f"{plugin.name}/{name}") for name in recipe_names(plugin)]
    adapted = [case for case in recipes if case.recipe.adapter.name not in BASELINES]
    used = {case.recipe.backbone.name for case in adapted}
    alone = [ref for n, ref in plugin.backbones.items() if f"{plugin.name}/{n}" not in used]
    methods = [f"{plugin.name}/{name}" for name in plugin.adapters]
    all_cases: list[Case] = [*adapted, *map(BackboneCase, alone)]
    all_cases += map(MethodCase, methods)
    if not all_cases:
        raise NothingToCheck("no backbones and no adapter methods")
    return all_cases


def example_of(model: nn.Module) -> tuple[torch.Tensor, ...]:
    """Return the backbone's example input, drawn from a fixed state of the generator."""
    with seeded():
        offer: Any = model.example_input
        example: tuple[torch.Tensor, ...] = offer()
    return example


@contextmanager
def seeded() -> Iterator[None]:
    """Set torch's global generator to a fixed seed, and restore its state afterwards."""
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
        tensors = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, _ in tensors:
            yield f"{prefix}.{name}".lstrip("."), (module, name)
