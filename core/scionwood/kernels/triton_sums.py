"""The Triton kernels that add partial sums, in a fixed order, so that results never differ."""
# mypy: ignore-errors
# The bodies are Triton's language, which mypy does not know.

import triton
import triton.language as tl


@triton.jit
def _add(shares, out, count, size, block, BLOCK: tl.constexpr):
    """Add partial sums, (count, size), in order, for a block of entries."""
    at = block.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    total = tl.zeros((BLOCK,), tl.float32)
    for _ in range(0, count):
        total += tl.load(shares + at, inside, 0.0)
        shares += size
    tl.store(out + at, total, inside)


@triton.jit
def finish(
    a_shares, da, a_count, a_size, b_shares, db, b_count, b_size, start, BLOCK: tl.constexpr
):  # fmt: skip
    """Add the partial sums of dA and dB; the first program of the sums is `start`."""
    block, before = tl.program_id(0) - start, tl.cdiv(a_size, BLOCK)
    if block < before:
        _add(a_shares, da, a_count, a_size, block, BLOCK)
    else:
        _add(b_shares, db, b_count, b_size, block - before, BLOCK)


@triton.jit
def through_gate(dh, low, gate_bias, dz, size, rank, shares, BLOCK: tl.constexpr):
    """Compute dz from the partial sums of dh, (shares, m, rank), added in order; size = m rank."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    total = tl.zeros((BLOCK,), tl.float32)
    for _ in range(0, shares):
        total += tl.load(dh + at, inside, 0.0)
        dh += size
    if gate_bias is None:
        tl.store(dz + at, total.to(dz.dtype.element_ty), inside)
    else:
        column = at % rank
        at = at // rank * 2 * rank + column  # of the value; its logit is `rank` further
        value = tl.load(low + at, inside, 0.0).to(tl.float32)
        logit = tl.load(low + at + rank, inside, 0.0).to(tl.float32)
        gate = tl.sigmoid(logit + tl.load(gate_bias + column).to(tl.float32))
        tl.store(dz + at, (total * gate).to(dz.dtype.element_ty), inside)
        tl.store(
            dz + at + rank, (total * (value * gate * (1 - gate))).to(dz.dtype.element_ty), inside
        )
