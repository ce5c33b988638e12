"""Convert parts between our graphs and the `Data` and `Batch` of PyTorch Geometric."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from scionwood import RecipeError
from scionwood_crash.data.encode import Encoded
from scionwood_crash.model import SIZES, CrashGraph, SizeName
from scionwood_crash.model.blocks import vectors

NEEDED = ("x", "condition", "pos", "edge_index", "near", "share", "coarse", "cells")
"""What `from_pyg` reads, in the order of the fields of a `CrashGraph` without `batch`."""


@final
class PartData(Data):  # type: ignore[misc]  # torch_geometric is untyped
    """A part as PyG's `Data`; PyG's `Batch` joins parts as `scionwood_crash.model.graph.join` does.

    `near` counts coarse nodes, and `cells` counts nodes.
    """

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what is added to the numbers of the next part in a batch."""
        if key == "near":
            return int(self.finest)
        return self.num_nodes if key == "cells" else super().__inc__(key, value, *args, **kwargs)

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the axis along which parts are joined."""
        rows = key in ("near", "share", "cells", "coarse")
        return 0 if rows else super().__cat_dim__(key, value, *args, **kwargs)


def to_pyg(part: Encoded | CrashGraph, size: SizeName = "tiny") -> PartData:
    """Return an encoded part, or its graph alone, as PyG's `Data`.

    Args:
        part: one part, as an `Encoder` of this size returns it.
        size: the size of network for which it was encoded.

    Returns:
        `x` (N, 9), `pos` (N, 3) in 100 mm, `edge_index` (2, E), `edge_attr` (E, 4): the vector of
        each edge and its length in 100 mm, `condition` (1, 27), and the fields of our graph. If
        known also `y` (N, T, 3), displacements in 100 mm, and `plastic_strain` (C, T).

    Example:
        >>> from scionwood_crash.data.encode import example_graph
        >>> from scionwood_crash.model import SIZES
        >>> from scionwood_crash.pyg import from_pyg, to_pyg
        >>> data = to_pyg(example_graph(SIZES["tiny"]))
        >>> data.x.shape, data.edge_attr.shape[1]
        (torch.Size([54, 9]), 4)
        >>> from_pyg(data).features.equal(data.x)
        True
    """
    if isinstance(part, Encoded):
        graph, targets = part.graph, {"y": part.displacement, "plastic_strain": part.plastic_strain}
    else:
        graph, targets = part, {}
    if len(graph.assembly):
        rule = "the data of PyG holds single parts"
        raise RecipeError("assembly", rule, "Give one piece at a time, or use the loader `own`")
    return PartData(
        x=graph.features,
        pos=graph.position,
        edge_index=graph.edges,
        edge_attr=vectors(graph.position, graph.position, graph.edges),
        condition=graph.condition,
        near=graph.near,
        share=graph.share,
        coarse=graph.coarse,
        cells=graph.cells,
        finest=len(SIZES[size].template().levels[0]),
        num_nodes=len(graph.features),
        **{name: values for name, values in targets.items() if len(values)},
    )


def from_pyg(data: Data | Batch) -> CrashGraph:
    """Return the graph of a `PartData`, or of a `Batch` of them.

    Edges may have any order; they are sorted by target, as the kernels need them.

    Raises:
        RecipeError: the data has not what a part needs.

    Example:
        See `to_pyg`.
    """
    missing = [name for name in NEEDED if getattr(data, name, None) is None]
    if missing:
        rule = f"a part needs {', '.join(missing)} too"
        raise RecipeError(f"graph with {', '.join(data.keys())}", rule, "Make it with to_pyg")
    values: dict[str, Tensor] = {name: getattr(data, name) for name in NEEDED}
    edges = values["edge_index"]
    if bool((edges[1].diff() < 0).any()):
        edges = edges[:, torch.argsort(edges[1], stable=True)]
    batch = getattr(data, "batch", None)
    if batch is None:
        batch = torch.zeros(len(values["x"]), dtype=torch.long)
    return CrashGraph(
        values["x"],
        values["condition"],
        values["pos"],
        edges,
        values["near"],
        values["share"],
        values["coarse"],
        batch,
        values["cells"],
    )
