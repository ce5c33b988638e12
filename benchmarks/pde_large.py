"""The peak of memory and the CPU time of encoding a large state, which is read row by row.

    python benchmarks/pde_large.py --side 256      # minutes; three fields
    python benchmarks/pde_large.py --side 512      # hours on one core

The state is a Zarr store of three periodic fields, made here slab by slab. A process of its own
encodes it, so that its peak (VmHWM) holds nothing else. The size of the model counts too.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr
from runner import Row, machine, option, out, parsed, printed, write

CHILD = """
import sys, torch
import scionwood_pde as pde
from scionwood_pde.readers.opening import open_reader
torch.set_num_threads(1)
side, tile, halo, at_once, fields = sys.argv[3:]
states = open_reader(sys.argv[1], fields=fields.split(",")).to_xarray()
options = pde.EncodeOptions(tile=int(tile), halo=int(halo), at_once=int(at_once))
pde.encode(states, sys.argv[2], options)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak.split()[1])
"""


def write_states(side: int, folder: Path) -> Path:
    """Write a state of three fields, one slab in memory at a time."""
    from scionwood_pde import simulate, write_states

    small = simulate(n=1, n_points=16, n_steps=1).isel(time=slice(0, 1))
    write_states(small, folder / "small.zarr")
    source, target = folder / "small.zarr", folder / "large.zarr"
    old, new = zarr.open_group(source, mode="r"), zarr.open_group(target, mode="w", zarr_format=3)
    new.attrs.update(dict(old.attrs))
    line = np.arange(side) / side
    for name, array in old.arrays():
        sides = [side if n == 16 else n for n in array.shape]
        chunks = [min(64, n) if n == side else n for n in sides]
        copy = new.create_array(
            name,
            shape=sides,
            chunks=chunks,
            dtype=array.dtype,
            dimension_names=array.metadata.dimension_names,
        )
        copy.attrs.update(dict(array.attrs))
        if sides == list(array.shape):
            copy[...] = array[...]
        elif len(sides) == 1:
            copy[:] = line * float(array[1]) * 16
            copy.attrs.update({"spacing": float(array[1]) * 16 / side})
        else:
            _fill(copy, 2 * np.pi * line, len(name) + ord(name[-1]))
    return target


def _fill(array: zarr.Array, x: np.ndarray, phase: int) -> None:
    """Fill an array whose last three axes are space with a few waves."""
    plane = np.cos(2 * x)[:, None] + 0.3 * np.sin(5 * x)
    for start in range(0, len(x), 64):
        slab = np.sin(3 * x[start : start + 64] + phase)[:, None, None] * plane
        array[0, 0, start : start + 64] = slab.astype(np.float32)


def measured(side: int, tile: int, halo: int, at_once: int, fields: str) -> Row:
    """Encode the state in a new process, and return its peak of memory."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source = write_states(side, folder)
        words = [str(source), str(folder / "latents"), *map(str, (side, tile, halo, at_once))]
        start = time.monotonic()
        child = [sys.executable, "-W", "ignore", "-c", CHILD, *words, fields]
        out = subprocess.run(child, capture_output=True, text=True, check=True).stdout
        seconds = time.monotonic() - start
    return {
        "device": "cpu",
        "side": side,
        "fields": len(fields.split(",")),
        "tile": tile,
        "halo": halo,
        "at_once": at_once,
        "state_gb": f"{side**3 * 4 * len(fields.split(',')) / 1e9:.2f}",
        "peak_gb": f"{int(out) * 1024 / 1e9:.2f}",
        "seconds": f"{seconds:.0f}",
        **machine(),
    }


def main() -> None:
    options = parsed(
        __doc__,
        option("--side", type=int, nargs="*", default=[64, 128, 256]),
        option("--tile", type=int, default=64),
        option("--halo", type=int, default=16),
        option("--at-once", type=int, default=4),
        option("--fields", default="u_x,u_y,u_z"),
        out("pde_large"),
        threads=None,
    )
    settings = (options.tile, options.halo, options.at_once, options.fields)
    write(options.out, printed(measured(side, *settings) for side in options.side))


if __name__ == "__main__":
    main()
