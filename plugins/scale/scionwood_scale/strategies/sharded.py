"""FSDP2: shard a backbone over processes, block by block, after its adapter is attached."""

from __future__ import annotations

from typing import Any, final

from lightning.pytorch.strategies import ModelParallelStrategy
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard

from scionwood import Task, TrainingError
from scionwood.authoring import Recipe
from scionwood_scale.strategies.large import Prepare, empty_backbone, read_shards, unread


@final
class ShardedStrategy(ModelParallelStrategy):
    """Each process holds a part of the weights and computes its own part of a batch.

    A checkpoint is one ordinary file, gathered on the first process without the frozen weights.

    Args:
        process_group_backend: gloo or nccl; `None` means the one for the device.
    """

    def __init__(self, *, process_group_backend: str | None = None) -> None:
        super().__init__(
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,
            process_group_backend=process_group_backend,
        )

    @staticmethod
    def empty_backbone(recipe: Recipe, prepare: Prepare) -> nn.Module | None:
        """Return the backbone without values, with its adapter; see `large.empty_backbone`."""
        return empty_backbone(recipe, prepare)

    def shard(self, task: Task) -> None:
        """Spread the backbone of a task over the processes; see `shard`."""
        mesh: Any = self.device_mesh
        shard(task, mesh["data_parallel"])

    def setup_environment(self) -> None:
        """Make all processes one data-parallel group."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Gather the trainable weights on the first process; a large frozen base would not fit."""
        if self.model is None:
            return {}
        options = StateDictOptions(
            full_state_dict=True, cpu_offload=True, ignore_frozen_params=True
        )
        return dict(get_model_state_dict(self.model, options=options))


def shard(task: nn.Module, mesh: DeviceMesh) -> None:
    """Apply `fully_shard` to the backbone's repeated blocks and to the backbone itself.

    Blocks are elements of an `nn.ModuleList` or `nn.Sequential`, see `blocks`. The task must call
    the backbone itself, `self.backbone(x)`, because that call gathers the weights. Parameters
    without values are read from their files afterwards, by each process its own part.

    Raises:
        TrainingError: a parameter outside the backbone trains; its gradient would not be averaged.
            Or a weight is not finite.
    """
    backbone = task.backbone
    if not isinstance(backbone, nn.Module):
        raise TrainingError("task.backbone", "it must be a module", "Call Task.__init__")
    inside = {id(parameter) for parameter in backbone.parameters()}
    for name, parameter in task.named_parameters():
        if parameter.requires_grad and id(parameter) not in inside:
            rule = "with strategy scale/model_parallel only the backbone can train"
            raise TrainingError(f"parameter {name}", rule, "Move it into the backbone, or use ddp")
    for parameter in backbone.parameters():  # FSDP2 takes no other layout
        parameter.data = parameter.data.contiguous()
    empty = unread(backbone)
    for block in blocks(backbone):
        fully_shard(block, mesh=mesh)
    fully_shard(backbone, mesh=mesh)
    if empty:
        read_shards(empty, mesh)


def blocks(model: nn.Module) -> list[nn.Module]:
    """Return the repeated modules that are gathered one after the other, children before parents.

    These are the innermost ones with trainable parameters. Where none is inside and none around,
    the outermost frozen ones with parts of their own follow, such as the layers before the first
    adapted one.
    """
    repeated = [
        child
        for parent in model.modules()
        if isinstance(parent, nn.ModuleList | nn.Sequential)
        for child in parent
        if any(True for _ in child.parameters())
    ]
    trained = [b for b in repeated if any(p.requires_grad for p in b.parameters())]
    inner = [b for b in trained if not any(o is not b and o in set(b.modules()) for o in trained)]
    covered = {*trained, *(part for block in inner for part in block.modules())}
    apart = [b for b in repeated if b not in covered and any(True for _ in b.children())]
    nested = {part for b in apart for part in b.modules() if part is not b}
    return inner + [b for b in apart if b not in nested]
