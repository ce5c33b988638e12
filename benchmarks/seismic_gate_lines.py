"""The field lines and noises of the calibration of the harm gate.

The held-out lines are in github.com/chenyk1990/reproducible_research, in whose folders they are
looked for. Nothing was tuned on them. Lines that may be tuned on come from the folder of
seismic_field.py and from the generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.signal import butter, sosfiltfilt
from seismic_field_cases import FORGE_TEST

from scionwood_seismic import open_file
from scionwood_seismic.synth.field_signal import draw_record

SHAPE = 128, 512
Domain = Literal["shot", "stack"]


@dataclass(frozen=True)
class Line:
    """A record that is clean enough for a reference.

    Attributes:
        data: (trace, time) float32.
        dt: the sample interval, s.
        domain: the shipped model that suits it.
    """

    data: np.ndarray
    dt: float
    domain: Domain


SALT = "nonMada/UML_denoise/Datapre/SaltShot-5m-1ms-1500-180.dat"

FILES: Mapping[str, tuple[str, int, int, int, int, float, Domain]] = {
    "alaska": ("nonMada/dlcoh/alaska_1501_534_4ms.bin", 0, 1501, 150, 100, 0.004, "stack"),
    "bend_l1": ("npm/vecta-nar/bend_l1_pmig_enhanc.sgy", 0, 0, 150, 100, 0.002, "stack"),
    "ln472": ("tf/lowf/ln472_old.sgy", 0, 0, 30, 100, 0.002, "stack"),
    "freeusp": ("asa/freeusp/stack.bin", 0, 751, 600, 100, 0.004, "stack"),
    "zq_rc": ("nonMada/erratic_mf/zq_rc_input.su", 60, 1501, 0, 0, 0.001, "stack"),
    "elfgath": ("optnoise/prestack/elfgath.rsf", 0, 800, 0, 0, 0.004, "shot"),
    "sosvmf": ("sosvmf/field/field.rsf", 0, 751, 40, 60, 0.004, "shot"),
    "erratic": ("nonMada/erratic_sosvmf/real.bin", 0, 800, 40, 100, 0.002, "shot"),
    "image2d": ("orthon/field/image2d.rsf", 0, 512, 0, 0, 0.004, "stack"),
    "dipseis": ("dipseis/field/xline.rsf", 0, 700, 80, 80, 0.001, "stack"),
    "dealias": ("dealiase1/field/field0.rsf", 0, 501, 0, 0, 0.008, "shot"),
    "Qcdn": ("qcomp/matfun/Qcdn_field.bin", 0, 2001, 150, 300, 0.004, "stack"),
    "flat": ("q/field/field0.rsf", 0, 376, 0, 0, 0.004, "stack"),
    "salt shot": (SALT, 0, 1500, 20, 300, 0.001, "shot"),
    "freeusp left": ("asa/freeusp/stack.bin", 0, 751, 150, 100, 0.004, "stack"),
    "alaska deep": ("nonMada/dlcoh/alaska_1501_534_4ms.bin", 0, 1501, 380, 700, 0.004, "stack"),
    "Qcdn deep": ("qcomp/matfun/Qcdn_field.bin", 0, 2001, 330, 1100, 0.004, "stack"),
}
"""Line -> file, words of each trace header, samples of a trace (0: SEG-Y), first trace and sample,
interval and model. Parts have `SHAPE` at most. Some limits moved after the first twelve lines had
been measured once; the last five were read for the first time when all limits stood."""


def held_out(folder: Path) -> dict[str, Line]:
    """Return the lines that nothing is tuned on."""
    lines = {}
    for name, (path, header, samples, trace, sample, dt, domain) in FILES.items():
        if samples:
            data = _raw(folder / path, header, samples)
        else:
            with open_file(folder / path, gather=None) as reader:
                data = next(iter(reader)).data
        part = data[trace : trace + SHAPE[0], sample : sample + SHAPE[1]]
        lines[name] = Line(np.ascontiguousarray(part, np.float32), dt, domain)
    return lines


def _raw(path: Path, header: int, samples: int) -> np.ndarray:
    """Return the traces of floats without a format, or after the header of an RSF file."""
    content = path.read_bytes()
    content = content[content.find(b"\x0c\x0c\x04") + 3 :] if path.suffix == ".rsf" else content
    size = 4 * (header + samples)
    content = content[: len(content) // size * size]
    for order in "<>":
        data = np.frombuffer(content, f"{order}f4").reshape(-1, header + samples)[:, header:]
        if np.isfinite(data).all() and np.abs(data).max() < 1e12:
            return data
    raise ValueError(f"{path} holds no floats of {samples} samples a trace")


def tuning(folder: Path) -> dict[str, Line]:
    """Return the lines that thresholds are set on."""
    with open_file(folder / "viking_small.segy", gather=None) as reader:
        viking = next(iter(reader)).data[100:228, 60:572]
    masha = np.fromfile(folder / "masha_field_800_1000.bin", "<f4").reshape(1000, 800)
    cube = np.fromfile(folder / "real3d.bin", "<f4").reshape(10, 100, 300)
    lines = {
        "viking": Line(viking, 0.004, "shot"),
        "salt": Line(masha[300:428, 150:662], 0.004, "stack"),
        "cube": Line(cube[3], 0.004, "stack"),
    }
    for index, kind in enumerate(("section", "hyperbola", "plane", "layers")):
        data = draw_record(np.random.default_rng([7, index]), SHAPE, [kind])
        lines[f"generated {kind}"] = Line(data, 0.004, "shot" if index in (1, 2) else "stack")
    return lines


class Noises:
    """Noises of unit variance, by name.

    Args:
        folder: that of seismic_field.py.
    """

    names = ("none", "white", "band", "FORGE", "OptoDAS", "Silixa", "roll", "swell")

    def __init__(self, folder: Path) -> None:
        forge = np.fromfile(folder / "forge0723.bin", "<f4").reshape(960, 500)
        self._fibres = {"FORGE": forge[slice(*FORGE_TEST["test"])]}
        files = {"OptoDAS": "decimated_optodas.hdf5", "Silixa": "silixa_h5_1.hdf5"}
        for name, file in files.items():
            with open_file(folder / file) as reader:
                self._fibres[name] = next(iter(reader)).data

    def draw(self, name: str, shape: tuple[int, int], period: float, seed: int) -> np.ndarray:
        """Return noise, (trace, time).

        Args:
            name: one of `names`.
            shape: (trace, time).
            period: that of the line, samples.
            seed: of the noise.
        """
        rng = np.random.default_rng(seed)
        if name in self._fibres:
            noise = mirrored(self._fibres[name], shape, rng)
        else:
            noise = DRAWN[name](rng, shape, period)
        unit: np.ndarray = noise / noise.std()
        return unit


def mirrored(record: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return a part of a fibre record without its largest samples, mirrored if it is too small."""
    record = record - record.mean(axis=1, keepdims=True)
    first = int(rng.integers(0, max(1, len(record) - shape[0] + 1)))
    part = record[first : first + shape[0]]
    more = [(0, max(0, n - m)) for n, m in zip(shape, part.shape, strict=True)]
    part = np.pad(part, more, mode="symmetric")[: shape[0], : shape[1]]
    return np.clip(part, *np.quantile(part, (0.002, 0.998)))


def _white(rng: np.random.Generator, shape: tuple[int, int], period: float) -> np.ndarray:
    return rng.standard_normal(shape)


def _band(rng: np.random.Generator, shape: tuple[int, int], period: float) -> np.ndarray:
    sections = butter(4, [0.02, 0.24], "band", fs=1, output="sos")
    noise: np.ndarray = sosfiltfilt(sections, rng.standard_normal(shape), axis=1)
    return noise


def _roll(rng: np.random.Generator, shape: tuple[int, int], period: float) -> np.ndarray:
    """Return slow dispersive trains of 2 to 3.5 periods of the line, from one source."""
    traces, time = shape[0], np.arange(shape[1])
    noise = 0.15 * rng.standard_normal(shape)
    source = rng.integers(-traces // 3, traces + traces // 3)
    offset = np.abs(np.arange(traces) - source)[:, None]
    for _ in range(5):
        long = period * rng.uniform(2, 3.5)
        slope = long * rng.uniform(0.12, 0.3)
        late = time - rng.uniform(-0.1, 0.7) * shape[1] - slope * offset
        width = long * (1 + 1.5 * offset / traces)
        phase = 2 * np.pi * (late / long) * (1 - 0.12 * late / width) + rng.uniform(0, 6)
        noise += np.exp(-((late / width) ** 2)) * np.cos(phase) / np.sqrt(1 + offset / 40)
    return noise


def _swell(rng: np.random.Generator, shape: tuple[int, int], period: float) -> np.ndarray:
    """Return noise below a third of the line's frequency, strong in a few bands of traces."""
    spectrum = np.fft.rfft(rng.standard_normal(shape))
    spectrum *= np.exp(-((np.fft.rfftfreq(shape[1]) * period * 2.8) ** 2))
    slow = np.fft.irfft(spectrum, shape[1])
    x, strong = np.arange(shape[0]), np.full(shape[0], 0.3)
    for _ in range(6):
        strong += 3 * np.exp(-(((x - rng.uniform(0, shape[0])) / rng.uniform(2, 8)) ** 2))
    return 0.15 * rng.standard_normal(shape) + strong[:, None] * slow / slow.std()


DRAWN: Mapping[str, Callable[[np.random.Generator, tuple[int, int], float], np.ndarray]] = {
    "white": _white,
    "band": _band,
    "roll": _roll,
    "swell": _swell,
}
