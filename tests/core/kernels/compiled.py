"""Compile the Triton kernels without the device; `test_triton.py` runs this file.

The argument is the compute capability, 80, 90 or 100; then `streams` for persistent products, or
`tf32` for float32 operands that are rounded to TF32.
Each compilation prints one line of JSON.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from scionwood.kernels import triton_sums as sums
from scionwood.kernels import triton_tiles as tiles
from scionwood.kernels.triton_plan import SHARES, SMALLEST, STREAM, Shape, Tile, folds, plan
from scionwood.kernels.triton_stream import stream

SHARED = {80: SMALLEST, 90: 227 * 1024, 100: 227 * 1024}
NAMES = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}
SUMS = ("a_shares", "da", "b_shares", "db")
FLOAT32 = {"through_b": ("dh", "db"), "over_rows": ("out", "low"), "through_gate": ("dh",)}
FLOAT32 |= {"product": SUMS, "finish": SUMS, "stream": (*SUMS, "exchange")}
FACTORS = ("factor", "b", "gate_bias")
"""Operands that are float32 if the adapter is."""
OPERANDS = ("wide", "factor", "out", "left", "right", "low", "b", "grad", "dz")
POINTERS = (*OPERANDS, "bias", "gate_bias", "dh", "exchange", "flags", *SUMS)
OPTIONAL = ("seed", "bias", "gate_bias", "flags")
ANY = (
    "rank",
    "steps",
    "shares",
    "limit",
    "a_count",
    "a_size",
    "b_count",
    "b_size",
    "start",
    "low_row",
    "factor_rank",
    "factor_column",
)
"""Arguments that need not be multiples of 16; the others are assumed to be."""


def compile_for(capability, kernel, dtype, tile, constants, wide, blocks=()):
    """Compile a kernel with constants; its other arguments are those of a usual layer.

    Factors are float32 if `wide`. Operands with blocks are descriptors.
    """
    blocks = dict(blocks)
    types = dict.fromkeys(kernel.arg_names, "i32") | {"scale": "fp32"}
    types |= {name: f"*{NAMES[dtype]}" for name in POINTERS if name in types}
    types |= {"seed": "*i32", "flags": "*i32"}
    types |= {name: "*fp32" for name in FLOAT32.get(kernel.__name__, ())}
    types |= {name: "*fp32" for name in FACTORS if wide and name in types}
    types |= {name: f"tensordesc<{NAMES[dtype]}{block}>" for name, block in blocks.items()}
    types |= dict.fromkeys(constants, "constexpr")
    types = {name: types[name] for name in kernel.arg_names}
    aligned = {
        (at,): [["tt.divisibility", 16]]
        for at, (name, kind) in enumerate(types.items())
        if kind.startswith("*") or (kind == "i32" and name not in ANY)
    }
    source = ASTSource(fn=kernel, signature=types, constexprs=constants, attrs=aligned)
    options = {"num_warps": tile.warps, "num_stages": tile.stages, "enable_fp_fusion": True}
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    ptx = compiled.asm["ptx"]
    unit = next((name for name in ("tcgen05.mma", "wgmma", "mma.sync") if name in ptx), "none")
    line = {"kernel": kernel.__name__, "shared": compiled.metadata.shared, "unit": unit}
    line |= {"copies": "cp.async" in ptx, "atomic": re.search(r"\b(atom|red)\.", ptx) is not None}
    line |= {"engine": "cp.async.bulk.tensor" in ptx, "spilled": spilled(compiled.asm["cubin"])}
    print(json.dumps(line | {"tf32": "tf32" in ptx, "bytes": len(compiled.asm["cubin"])}))


def spilled(cubin):
    """Return the bytes of registers that each thread keeps in memory."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        tool = triton.knobs.nvidia.cuobjdump.path
        said = subprocess.check_output([tool, "--dump-resource-usage", file.name], text=True)
    return sum(int(number) for number in re.findall(r"(?:STACK|LOCAL):(\d+)", said))


def compile_streams(capability):
    """Compile the persistent product of both directions with every tile of the plan."""
    constants = {
        "RANK": 16,
        "PAIRS": True,
        "BLOCK": 1024,
        "SHARES": 5,
        "PROGRAMS": 132,
        "TF32": False,
    }
    constants |= dict.fromkeys(("seed", "bias", "gate_bias"))
    for tile in STREAM:
        known = constants | {"ROWS": tile.rows, "COLUMNS": tile.columns, "DEPTH": tile.depth}
        for across in (True, False):
            right = [tile.columns, tile.depth] if across else [tile.depth, tile.columns]
            own = {
                "ACROSS": across,
                "ONTO": not across,
                "factor_rank" if across else "factor_column": 1,
            }
            own |= (
                dict.fromkeys((*SUMS, "a_count", "a_size", "b_count", "b_size")) if across else {}
            )
            blocks = {"left": [tile.rows, tile.depth], "right": right}
            compile_for(capability, stream, torch.bfloat16, tile, known | own, True, blocks)


def compile_all(capability, dtype, full, ones, tf32=False):
    """Compile every kernel with or without mask, bias and gate, or with all sizes equal to 1."""
    m, n, k, r = (1, 1, 1, 1) if ones else (12608, 2304, 768, 16)
    rank = 2 * r if full else r
    cut = plan(Shape(m, n, k, rank, dtype, tf32=tf32), SHARED[capability])
    forward = dict.fromkeys((*SUMS, "a_count", "a_size", "b_count", "b_size")) | {"SHARES": 1}
    # Without a gate, these read partial sums of dh in float32: as many as may be folded.
    most = max(s for s in range(1, SHARES + 1) if folds((s, 1, rank), k, cut))
    launches = [
        (tiles.down, cut.down, {"factor_column": 1}),
        (tiles.product, cut.up, forward | {"right_row": 1, "factor_rank": 1, "seed": None}),
        (tiles.product, cut.dx, {"right_column": 1, "factor_column": 1, "bias": None}),
        (tiles.through_b, cut.through_b, {"b_rank": 1}),
        (tiles.over_rows, cut.over_rows, {"gate_bias": None, "SHARES": most}),
        (sums.through_gate, Tile(0, 0, 0, 4, 3), {}),
        (sums.finish, Tile(0, 0, 0, 4, 3), {}),
    ]
    for kernel, tile, constants in launches:
        known = {"ROWS": tile.rows, "COLUMNS": tile.columns, "DEPTH": tile.depth}
        known |= {"RANK": cut.rank, "PAIRS": not ones, "BLOCK": 1024, "SHARES": 5}
        known |= {"ONTO": tile is cut.dx, "FLAGS": 256 if full else 0, "TF32": tf32}
        if not full:
            known |= dict.fromkeys(OPTIONAL)
        if ones:
            numbers = [n for n in kernel.arg_names if n not in POINTERS and n.islower()]
            known |= {n: 1 for n in numbers if n not in ("seed", "scale", "limit")}
        known |= constants
        known = {name: value for name, value in known.items() if name in kernel.arg_names}
        compile_for(capability, kernel, dtype, tile, known, wide=full and not ones)


if __name__ == "__main__":
    target = int(sys.argv[1])
    if "streams" in sys.argv:
        compile_streams(target)
    elif "tf32" in sys.argv:
        compile_all(target, torch.float32, full=True, ones=False, tf32=True)
    else:
        compile_all(target, torch.bfloat16, full=True, ones=False)
        compile_all(target, torch.float16, full=False, ones=True)
        compile_all(target, torch.float32, full=True, ones=False)
