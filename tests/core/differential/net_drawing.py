"""Draw a random net, its adapter and what acts on it, as lines of Python."""

from __future__ import annotations

import random
from typing import NamedTuple

LAYERS = {
    "linear()": [""],
    "linear(False)": [""],
    "Doubled(8, 8)": [""],
    "Renamed(8, 8)": [""],
    "Standardised(8, 8)": [""],
    "Swapped(nn.Conv1d(8, 8, 3, padding=1))": [".inner"],
    "Image(nn.Conv2d(8, 8, 1))": [".inner"],
    "Attention()": [".q", ".k", ".v", ".o"],
    "Attention(write=True)": [".q", ".k", ".v", ".o"],
    "Gated()": [".gate", ".up", ".down"],
    "Gated(nn.GELU())": [".gate", ".up", ".down"],
    "Experts()": [".experts.0", ".experts.1"],
    "Stacked()": [],
}
"""Layers with the ends of the names that an adapter may target."""
OFTEN = [
    *["linear()", "linear(False)", "Attention()"] * 4,
    *("Doubled(8, 8)", "Standardised(8, 8)", "Gated()"),
]

ACTIVATIONS = [
    *("nn.GELU()", "nn.GELU('tanh')", "nn.SiLU()", "nn.SiLU(inplace=True)", "nn.Mish()"),
    *("nn.Softplus(2.0)", "nn.Hardswish()", "nn.ReLU()", "nn.Tanh()", "Call('silu')"),
]
NORMS = [
    *("nn.LayerNorm(8)", "nn.LayerNorm(8, 0.1)", "nn.LayerNorm(8, elementwise_affine=False)"),
    *("nn.RMSNorm(8)", "nn.RMSNorm(8)", "nn.RMSNorm(8)", "Swapped(nn.GroupNorm(2, 8))"),
]
OTHERS = [
    *("Loud()", "Soft()", "Raised(8)", "Loose(8)", "Moody(8)", "Lifted(8)", "Lifted(8)"),
    "nn.Dropout(0.3)",
]
BETWEEN = [*ACTIVATIONS, *NORMS, *OTHERS]
"""Activations, norms and dropout."""
WATCHED = [*ACTIVATIONS[:-4], *NORMS[:-1], *("Raised(8)", "Loose(8)", "Moody(8)")]
"""Those on which scionwood sees a hook at each call: see docs/kernels.md."""

EXAMPLE = "net.example_input = lambda: (torch.randn(2, 6, 8),)"
FOREIGN = {
    "Unread()": ("", r"parts\.1\.(inner|outer)", False),
    "Hidden()": (EXAMPLE, r"parts\.1\.(inner|outer)", False),
    "Asked()": ("", r"parts\..*attn", True),
    "Swapped(OwnConv(8))": ("", r"parts\.1\.inner", True),
    "Scan()": ("net = language_net(net, 'mamba2')", r"parts\..*_proj", True),
    "equivariant()": ("", r"parts\.1", True),
    "mixture()": ("net = language_net(net, 'deepseek_v3')", "all-linear", False),
}
"""Parts of other libraries: a line for the net, the targets, and whether plain peft fails there."""

HOOKS = [
    *("scale", "scale in place", "scale data", "scale data", "look", "input", "gradient"),
    *("gradient of output", "forward", "forward", "global", "global data", "global input"),
]
ON_ADAPTERS = [*HOOKS, *["data of input"] * 8]
PARTS = [
    *(".base_layer", ".lora_A.default", ".lora_B.default"),
    *(".lora_dropout.default", ".lora_dropout.default", ""),
]
SECOND = tuple(f"{end}{part}" for end in (".k", ".v", ".up") for part in (PARTS[0], PARTS[3]))
"""Parts of layers that read what another layer has read before."""
IN_FRONT = ["scale", "scale in place", "scale data", "scale data", "global data", "forward"]
"""What changes the output of a module in front of a layer."""
FROM_THEN_ON = ["scale data", "forward", "forward", "global data"]
"""What a layer cannot see when it tries at its first call how to compute its input again."""
WEIGHTS = [
    *("halved", "pruned", "weight_norm", "old weight_norm", "spectral_norm"),
    *("old spectral_norm", "orthogonal"),
]
WRITES = ["in place", "without gradient", "data", "data", "in a part"]


ACTS = [
    *("a layer", "in front", "in front", "weight", "weight", "write", "skip", "checkpoint"),
    *("share", "an adapter", "later", "later in front", "then", "then"),
]
"""What acts on a net; some act more often."""


class Drawn(NamedTuple):
    """A net as Python; `tuned` is the model with the adapter on `net`."""

    seed: int
    net: str
    before: tuple[str, ...]
    """Lines that change the net before the adapter is attached."""
    config: str
    after: tuple[str, ...]
    """Lines that change the model before kernels are switched on."""
    recompute: str
    later: tuple[str, ...]
    """Lines that change the model after kernels were switched on."""
    then: tuple[str, ...]
    """Lines that change the model after its first step."""
    amp: bool
    beyond: bool = False
    """Whether plain peft fails, so that scionwood without kernels takes its place."""

    def source(self) -> str:
        """Return a script that shows what the kernels and peft compute."""
        lines = [
            "import scionwood; from scionwood import kernels",
            "from net_grammar import *  # of tests/core/differential",
            f"torch.manual_seed({self.seed})",
            f"net = {self.net}",
            *self.before,
            f"config = {self.config}",
            "tuned = scionwood.attach(net, config, head=()); fill(tuned)",
            *self.after,
            f"kernels.enable(tuned, recompute={self.recompute!r})  # without it: peft",
            *self.later,
            *(("run(tuned)", *self.then) if self.then else ()),
            f"print(run(tuned, amp={self.amp}))",
        ]
        return "\n".join(lines)


def draw(seed: int) -> Drawn:
    """Draw a net from a seed. A few things act on it, so that one does not hide another."""
    dice = random.Random(seed)
    if dice.random() < 0.2:
        return _foreign(dice, seed)
    acts = set(dice.sample(ACTS, dice.choice((1, 2, 2, 3))))
    parts: list[str] = []
    for _ in range(dice.choice((1, 1, 2, 2, 3))):
        if dice.random() < 0.85:
            parts.append(dice.choice(dice.choice((ACTIVATIONS, NORMS, NORMS, OTHERS))))
        parts.append(dice.choice([*LAYERS, *OFTEN]))
    layers = {f"parts.{at}": LAYERS[part] for at, part in enumerate(parts) if part in LAYERS}
    names = [f"{name}{end}" for name, ends in layers.items() for end in ends]
    targets = [name for name in names if dice.random() < 0.85] or names[:1]
    stacked = [f"parts.{at}" for at, part in enumerate(parts) if part == "Stacked()"]
    config, method = _config(dice, targets, [f"{name}.weight" for name in stacked])
    fronts = {f"parts.{at}": part for at, part in enumerate(parts) if part in BETWEEN}
    tuned = [f"{name}{end}" for name in targets for end in PARTS if method == "lora"]
    before = _before(dice, acts, parts, list(fronts), targets, stacked)
    if "a layer" in acts:
        before += _hook(dice, names)
    if "in front" in acts:
        before += _hook(dice, list(fronts), IN_FRONT)
    copies = "lora_dropout" in config  # peft keeps a copy of the input: see docs/kernels.md
    kinds = HOOKS if copies else ON_ADAPTERS
    after = _hook(dice, tuned, kinds) if "an adapter" in acts else ()
    later = _hook(dice, tuned, kinds) if "later" in acts else ()
    if "later in front" in acts:
        later += _hook(dice, list(fronts), IN_FRONT)
    watched = [name for name, part in fronts.items() if part in WATCHED]
    then = _hook(dice, watched, FROM_THEN_ON) if "then" in acts else ()
    recompute = dice.choice(["memory"] * 7 + ["speed"])
    net, amp = f"Net({', '.join(parts)})", dice.random() < 0.1
    second = [name for name in tuned if name.endswith(SECOND)]
    if second and not copies and dice.random() < 0.6:
        later += _hook(dice, second, ["data of input"])
    plain = [name for name, part in fronts.items() if part == "nn.RMSNorm(8)"]
    if plain and dice.random() < 0.7:
        then += _hook(dice, plain, ["forward"])
    if "Swapped" in net:  # an input in another order of memory is copied
        after, later = (
            tuple(line for line in lines if "data of input" not in line) for lines in (after, later)
        )
    amp = amp and not any("data of input" in line for line in (*after, *later))
    return Drawn(seed, net, before, config, after, recompute, later, then, amp)


def _foreign(dice: random.Random, seed: int) -> Drawn:
    part = dice.choice(list(FOREIGN))
    line, targets, beyond = FOREIGN[part]
    parts = [dice.choice(BETWEEN), part]
    between = ["parts.0"]
    if part != "Asked()":
        parts += [dice.choice(BETWEEN), "Attention()"]
        between.append("parts.2")
    lines = [line] if line else []
    config = f"LoraConfig(r={dice.randint(1, 3)}, lora_alpha=3, target_modules={targets!r})"
    before, later = (_hook(dice, between) if dice.random() < 0.3 else () for _ in range(2))
    recompute = dice.choice(["memory", "speed"])
    net = f"Net({', '.join(parts)})"
    return Drawn(seed, net, (*lines, *before), config, (), recompute, later, (), False, beyond)


def _before(
    dice: random.Random,
    acts: set[str],
    parts: list[str],
    fronts: list[str],
    targets: list[str],
    stacked: list[str],
) -> tuple[str, ...]:
    lines = []
    plain = [name for name in targets if name.endswith((".inner", *"0123456789"))]
    if "weight" in acts and (plain or stacked):
        kinds = [(name, dice.choice(WEIGHTS)) for name in plain]
        kinds += [(name, "halved") for name in stacked]
        lines.append("change_weight(net, {!r}, {!r})".format(*dice.choice(kinds)))
    if "write" in acts:
        places = [int(name.rpartition(".")[2]) for name in fronts] or [0]
        lines.append(f"net.writes[{dice.choice(places)}] = {dice.choice(WRITES)!r}")
    if "skip" in acts:
        lines.append(f"net.skips.add({dice.randrange(len(parts))})")
    if "checkpoint" in acts:
        at, reentrant = dice.randrange(len(parts)), dice.random() < 0.75
        lines.append(f"net.checkpoints[{at}] = {reentrant}")
        if dice.random() < 0.75:
            lines.append(f"net.writes[{at}] = 'in a part'")
    if "share" in acts:
        lines.append(f"net.parts.append(net.parts[{dice.randrange(len(parts))}])")
    return tuple(lines)


def _hook(dice: random.Random, names: list[str], kinds: list[str] = HOOKS) -> tuple[str, ...]:
    return (f"hook(net, {dice.choice(names)!r}, {dice.choice(kinds)!r})",) if names else ()


def _config(dice: random.Random, targets: list[str], stacked: list[str]) -> tuple[str, str]:
    if targets and dice.random() < 0.1:
        return f"IA3Config(target_modules={targets}, feedforward_modules=[])", "ia3"
    options = [f"r={dice.randint(1, 4)}", f"lora_alpha={dice.randint(1, 6)}"]
    options.append(f"target_modules={targets}")
    if stacked:
        options.append(f"target_parameters={stacked}")
    match dice.randrange(8):
        case 0 if not stacked:
            options.append("use_dora=True")
        case 1:
            options.append("use_rslora=True")
    if dice.random() < 0.3 and not stacked:
        options.append("lora_dropout=0.3")
    return f"LoraConfig({', '.join(options)})", "lora"
