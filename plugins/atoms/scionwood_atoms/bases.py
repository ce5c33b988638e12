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
    size=43_193_213,
)
_CHGNET = partial(
    _POTENTIAL,
    licence="BSD-3-Clause",
    package="chgnet==0.4.2",
    archive="chgnet-0.4.2.tar.gz",  # wheels differ by system, this does not
    size=9_000_000,
)

BASES = {
    "sevennet-0": _SEVENNET(
        title="SevenNet-0 of July 2024",
        parameters=842_623,
        files={
            "sevenn/pretrained_potentials/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth": (
                "7052cb42b7b3be42b40b97fa0d21077a48c54b5548948fc4dcf346629f813c36"
            )
        },
        backbones={"atoms/sevennet": {"model": "0"}},
        layout="223:cefb6af6b58ac8ba",
        outputs=(-1.02043, 3.24135, -14.0213, 1.84728, -0.0215499, -0.00456132, -1.99298, -1.10567),
    ),
    "sevennet-l3i5": _SEVENNET(
        title="SevenNet-l3i5: larger, with higher degrees",
        parameters=1_171_327,
        files={
            "sevenn/pretrained_potentials/SevenNet_l3i5/checkpoint_l3i5.pth": (
                "a7ff190d41efe5b8317a03d20a468e4036a1a3e64e0b14fdbab64ac3f4bfc09d"
            )
        },
        backbones={"atoms/sevennet": {"model": "l3i5"}},
        layout="271:1ecaf5ba17d70752",
        outputs=(-1.10789, 3.36166, -14.0423, 2.82273, -0.0213468, -0.0116253, -2.8589, -1.68271),
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
        layout="517:439829626f95712f",
        outputs=(-2.94898, 4.04997, -9.70714, -5.19888, 5.19888, -4.44903, -3.68505, -2.38374),
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
        layout="517:439829626f95712f",
        outputs=(-2.7288, 4.54113, -16.7602, -4.2443, 4.2443, -3.35323, -2.20331, -1.65106),
    ),
}
