"""Compile the Triton kernels without the device; `test_triton.py` runs this file.

The argument is the compute capability, 80, 90 or 100. Each compilation prints one line of JSON.
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

from scionwood.kernels import triton_lora as kernels

NAMES = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}
POINTERS = ("left", "right", "out", "bias", "low", "factor", "grad", "b", "h", "dh", "db")
ANY = ("rank", "steps", "low_row", "low_rank", "factor_rank", "b_row", "h_column")
"""Arguments that need not be multiples of 16; the others are assumed to be."""


def compile_for(capability, kernel, dtype, tile, constants):
    """Compile a kernel with constants; its other arguments are those of a usual layer."""
    types = dict.fromkeys(kernel.arg_names, "i32") | {"scale": "fp32"}
    types |= {name: f"*{NAMES[dtype]}" for name in POINTERS if name in types}
    types |= {name: "*fp32" for name in ("dh", "db") if name in types}
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
    print(json.dumps(line | {"spilled": spilled(compiled.asm["cubin"])}))


def spilled(cubin):
    """Return the bytes of registers that each thread keeps in memory."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        tool = triton.knobs.nvidia.cuobjdump.path
        said = subprocess.check_output([tool, "--dump-resource-usage", file.name], text=True)
    return sum(int(number) for number in re.findall(r"(?:STACK|LOCAL):(\d+)", said))


if __name__ == "__main__":
    target = int(sys.argv[1])
    forward = {"left_column": 1, "right_row": 1, "low_row": 1, "factor_rank": 1}
    dx = {"left_column": 1, "right_column": 1, "low_row": 1, "factor_column": 1, "bias": None}
    for dtype in (torch.bfloat16, torch.float16):
        for rank in (16, 64):
            for tile in (kernels.LARGE, kernels.SMALL):
                size = {"ROWS": tile.rows, "COLUMNS": tile.columns, "DEPTH": tile.depth}
                for strides in (forward, dx):
                    constants = size | strides | {"RANK": rank}
                    compile_for(target, kernels.product_kernel, dtype, tile, constants)
            tile = kernels.READ
            size = {"ROWS": tile.rows, "COLUMNS": tile.columns, "RANK": rank}
            size |= {"grad_column": 1, "b_rank": 1, "h_column": 1}
            compile_for(target, kernels.by_rank_kernel, dtype, tile, size)
