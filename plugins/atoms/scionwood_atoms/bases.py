"""Records of the pretrained weights for atoms."""

from __future__ import annotations

from functools import partial

from scionwood.authoring import Base

_POTENTIAL = partial(
    Base,
    field="interatomic potentials",
    commercial="yes",
    seen="unknown: MPtrj holds relaxations of most known inorganic crystals",
    contract="atomic numbers, positions and cell in Å; energies in eV, forces in eV/Å",
)
_SEVENNET = partial(
    _POTENTIAL,
    trained_on="MPtrj, 1.58 million structures at PBE(+U)",
    licence="MIT",
    package="sevenn==0.13.0",
    archive="sevenn-0.13.0-py3-none-any.whl",
    size=34_000_000,
)
_CHGNET = partial(
    _POTENTIAL,
    licence="BSD-3-Clause",
    package="chgnet==0.4.2",
    size=9_000_000,
)

BASES = {
    "sevennet-0": _SEVENNET(
        title="SevenNet-0 of July 2024",
        parameters=842_440,
        files={
            "sevenn/pretrained_potentials/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth": (
                "7052cb42b7b3be42b40b97fa0d21077a48c54b5548948fc4dcf346629f813c36"
            )
        },
        backbones={"atoms/sevennet": {"model": "0"}},
    ),
    "sevennet-l3i5": _SEVENNET(
        title="SevenNet-l3i5: larger, with higher degrees",
        parameters=1_171_144,
        files={
            "sevenn/pretrained_potentials/SevenNet_l3i5/checkpoint_l3i5.pth": (
                "a7ff190d41efe5b8317a03d20a468e4036a1a3e64e0b14fdbab64ac3f4bfc09d"
            )
        },
        backbones={"atoms/sevennet": {"model": "l3i5"}},
    ),
    "chgnet-0.3.0": _CHGNET(
        title="CHGNet 0.3.0",
        trained_on="MPtrj, 1.58 million structures at PBE(+U)",
        parameters=412_525,
        files={
            "chgnet/pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar": (
                "d14ab7c0f093efe64b60a7bcd540bca10e74fb7f46c86108a079af60524659d1"
            )
        },
        backbones={"atoms/chgnet": {"model": "0.3.0"}},
    ),
    "chgnet-r2scan": _CHGNET(
        title="CHGNet, transferred to r2SCAN",
        trained_on="MPtrj at PBE(+U), then MP-r2SCAN",
        parameters=412_525,
        files={
            "chgnet/pretrained/r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar": (
                "8eba3db0f35a2788bb3ae22885ad340591e27996f213c6643af522a633b50dad"
            )
        },
        backbones={"atoms/chgnet": {"model": "r2scan"}},
    ),
}
