"""Quantities that engineers derive from a history: probe motions and absorbed energy."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from scipy.signal import butter, filtfilt

from scionwood import RecipeError
from scionwood_crash.morph.surface import Surface
from scionwood_crash.parts.part import Part

CFC = 60
"""Channel frequency class of accelerations: the lowest of SAE J211, for structures."""
PASS = 2.0775
"""Hz; cutoff of each of the two passes of a class of 1, by SAE J211-1, appendix C."""
MEAN_WORK = 0.69
"""Plastic work of a sheet as a share of that of its largest strain in the whole thickness.

The strain is largest at a face. In pure bending the share is 5/9 with three layers, in pure
stretching 1. It is the mean of twelve simulations of the suite, which lie at 0.62 to 0.76.
"""
TAPS = 9
"""States beyond each end that the filter assumes, mirrored through the last value."""


@final
class Probe(NamedTuple):
    """The motion of one node.

    Attributes:
        displacement: (frame, 3).
        velocity: (frame, 3), second-order differences.
        acceleration: (frame, 3), second-order differences of the velocity. Widely spaced frames
            smooth it.
    """

    displacement: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray


def probe(times: np.ndarray, displacement: np.ndarray, node: int) -> Probe:
    """Return the motion of a node, in the units of times and displacements.

    Args:
        times: (frame,), at least three.
        displacement: (frame, node, 3).
        node: index of the node.

    Raises:
        RecipeError: the node does not exist, or there are fewer than three frames.
    """
    if not 0 <= node < displacement.shape[1]:
        rule = f"nodes are numbered 0 to {displacement.shape[1] - 1}"
        raise RecipeError(f"probe {node}", rule, "Choose one of them")
    if len(times) < 3:
        rule = "a probe needs three or more"
        raise RecipeError(f"{len(times)} frames", rule, "Keep more frames")
    moved = np.asarray(displacement[:, node], np.float64)
    velocity = np.gradient(moved, times, axis=0, edge_order=2)
    return Probe(moved, velocity, np.gradient(velocity, times, axis=0, edge_order=2))


def filtered(times: np.ndarray, values: np.ndarray, frequency_class: int = CFC) -> np.ndarray:
    """Return values after a channel frequency class filter, (frame, ...).

    The filter is a Butterworth filter of second order, forwards and backwards, so that it has no
    phase. Its attenuation is 3 dB at 5/3 Hz times the class.

    Source: SAE J211-1, appendix C.

    Args:
        times: (frame,), ms, at equal intervals.
        values: (frame, ...).
        frequency_class: 60, 180, 600 or 1000.

    Raises:
        RecipeError: the intervals differ, there are fewer than 11 states, or they are too far apart
            for the class.
    """
    steps = np.diff(times)
    if len(times) < TAPS + 2 or np.ptp(steps) > 0.02 * steps.mean():
        rule = f"the filter needs {TAPS + 2} or more at equal intervals"
        raise RecipeError(f"{len(times)} states", rule, "Keep more states")
    rate = 1e3 / float(steps.mean())
    if rate < 10 * frequency_class:
        rule = f"class {frequency_class} needs {10 * frequency_class} states a second or more"
        raise RecipeError(f"{rate:.0f} states a second", rule, "Keep more states, or a lower class")
    numerator, denominator = butter(2, PASS * frequency_class, fs=rate)
    # Two passes cancel the phase, and each has half of the attenuation in decibels.
    return np.asarray(filtfilt(numerator, denominator, values, axis=0, padlen=TAPS))


def absorbed_energy(part: Part) -> np.ndarray:
    """Return the plastic work over time, (frame,), J.

    It is `m sum_cells A t (Y e + B e^(n + 1) / (n + 1))`, with the cell area A, the thickness t,
    and Ludwik's Y, B and n of the cell's sheet. The strain e is the largest through the thickness,
    and `m` is `MEAN_WORK`. The flow stress is quasi-static: the strain-rate effect and the elastic
    energy are neglected, so that the result lies below the energy that the part really takes.

    Args:
        part: has plastic strain.

    Raises:
        RecipeError: the part has no plastic strain.
    """
    if part.plastic_strain is None:
        remedy = "Predict it: backbone.plastic: true"
        raise RecipeError(f"part {part.name!r}", "it has no plastic strain", remedy)
    strain = np.maximum(part.plastic_strain, 0)
    volume = Surface(part.points, part.cells).areas * part.thickness
    materials = part.materials or (part.material,)
    sheet = np.zeros(len(part.cells), np.int64) if part.sheet is None else part.sheet
    yields, hardening, exponent = (
        np.array([getattr(material, name) for material in materials])[sheet]
        for name in ("yield_stress", "hardening", "exponent")
    )
    power = exponent + 1
    work = yields * strain + hardening * strain**power / power
    return np.asarray(MEAN_WORK * (work @ volume))
