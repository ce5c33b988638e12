"""The energy that a sheet absorbs, from its plastic strain: of graphs, for losses and metrics."""

from __future__ import annotations

import torch
from torch import Tensor

from scionwood_crash.data.encode import LENGTH
from scionwood_crash.evaluation.probes import MEAN_WORK
from scionwood_crash.model.graph import CrashGraph

YIELD, HARDENING, EXPONENT = 4, 5, 6
"""Columns of log(yield stress / 0.4 GPa), Ludwik's B and Ludwik's n in the condition of a part."""
THICKNESS = 0
"""Column of the thickness in the features of nodes, mm."""


def sheet_energy(strain: Tensor, graph: CrashGraph) -> Tensor:
    """Return the plastic work of each part over time, (parts, T), J.

    It is the estimate of `probes.absorbed_energy`, from the largest strain through the thickness at
    the quasi-static flow stress.

    Args:
        strain: (C, T), plastic strain of cells.
        graph: graph with these cells.
    """
    corners = [LENGTH * graph.position[graph.cells[:, at]] for at in range(4)]
    area = torch.linalg.cross(corners[2] - corners[0], corners[3] - corners[1]).norm(dim=1) / 2
    volume = area * graph.features[graph.cells, THICKNESS].mean(1)
    owner = graph.batch[graph.cells[:, 0]]
    yields, hardening, exponent = (
        graph.condition[owner, column, None] for column in (YIELD, HARDENING, EXPONENT)
    )
    positive_strain = strain.clamp_min(1e-9)
    # The condition holds log(yield stress / 0.4 GPa). Work of Ludwik's law: integral of A + B e^n.
    work = 0.4 * yields.exp() * positive_strain + hardening * positive_strain ** (exponent + 1) / (
        exponent + 1
    )
    total = strain.new_zeros(graph.assembly_count, strain.shape[1])
    owner = graph.node_assembly[graph.cells[:, 0]]
    return total.index_add(0, owner, MEAN_WORK * work * volume[:, None])


def energy_loss(predicted: Tensor, simulated: Tensor, graph: CrashGraph) -> Tensor:
    """Return the mean error of the energy over time, divided by its maximum, (parts,).

    Args:
        predicted: (C, T), plastic strain of cells.
        simulated: (C, T), plastic strain of cells.
        graph: graph with these cells.
    """
    predicted_energy, true_energy = (
        sheet_energy(strain, graph) for strain in (predicted, simulated)
    )
    return (predicted_energy - true_energy).abs().mean(1) / true_energy.amax(1).clamp_min(1e-3)


def strain_loss(predicted: Tensor, simulated: Tensor, graph: CrashGraph) -> Tensor:
    """Return the mean error of the plastic strain over its mean, over cells and times, (parts,).

    Args:
        predicted: (C, T), plastic strain of cells.
        simulated: (C, T), plastic strain of cells.
        graph: graph with these cells.
    """
    owner = graph.node_assembly[graph.cells[:, 0]]
    wrong, size = (
        values.new_zeros(graph.assembly_count).index_add(0, owner, values)
        for values in ((predicted - simulated).abs().mean(1), simulated.abs().mean(1))
    )
    return wrong / size.clamp_min(1e-6)
