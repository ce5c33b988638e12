"""The time of Python around one layer: one row of eight numbers, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from runner import Row, machine

from lora.forms import TOLERANCE, Form, forms
from lora.layer import linear
from lora.timing import measure, ratio, total

HAND = "addmm by hand"
FORMS = ("ours", HAND, "peft", "full fine-tuning")


def rows(device: str, rounds: int, quick: bool) -> Iterator[Row]:
    """Yield the rows of lora_overhead.csv; CPU only."""
    for dtype in (torch.float32, torch.bfloat16):
        by_name = forms(linear(1, 8, 8, 4), dtype, "cpu", "no need")
        present = {name: form for name in FORMS if isinstance(form := by_name[name], Form)}
        far = _far(present["ours"], present["peft"])
        assert far < TOLERANCE[dtype], f"ours is {far:.1e} from peft's"
        phases = {name: form.phases() for name, form in present.items()}
        times = measure(phases, "cpu", rounds, 0.0 if quick else 0.2)
        hand = total(times[HAND], ("forward", "backward"))
        for name in FORMS:
            spent = total(times[name], ("forward", "backward"))
            middle, low, high = ratio(spent - hand, hand * 0 + 1e-6)
            yield {
                "device": device,
                "dtype": str(dtype).removeprefix("torch."),
                "form": name,
                "us": f"{float(sorted(spent)[len(spent) // 2]) * 1e6:.1f}",
                "more_than_hand_us": f"{middle:.1f}",
                "ci_low": f"{low:.1f}",
                "ci_high": f"{high:.1f}",
                "distance_from_peft": f"{far:.1e}",
                "rounds": rounds,
                **machine(device),
            }


def _far(fused: Form, peft: Form) -> float:
    mine, peer_tensors = fused.once(), peft.once()
    return max(float((mine[k] - peer_tensors[k]).norm() / peer_tensors[k].norm()) for k in mine)
